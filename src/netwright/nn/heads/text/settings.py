"""Settings of text that is written, and of how it is written on demand."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from netwright.nn.heads.settings import HeadSettings
from netwright.recipe import Settings as Frozen


class Settings(HeadSettings):
    """Each next token is a choice among all tokens; a row's loss is the mean over its counted tokens."""

    answers: ClassVar[tuple[str, ...]] = ("text", "messages")
    head: Literal["text"] = "text"
    tied: bool = Field(
        default=True, description="whether the table that reads tokens is also the one that answers them"
    )
    given: bool = Field(default=False, description="whether a pretrained network reads tokens and answers them by tables of its own")  # fmt: skip
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each goal spread over all tokens")
    prompt_share: float = Field(default=0.0, ge=0, le=1, description="what a token of the prompt counts in training, where one of the answer counts 1")  # fmt: skip
    max_tokens: int | None = Field(default=None, ge=1, description="tokens of an answer at most; left out, as many as the longest that was learnt")  # fmt: skip
    beams: int = Field(default=1, ge=1, le=64, description="beginnings followed side by side when rows are answered; 1 is greedy")  # fmt: skip
    length_penalty: float = Field(
        default=1.0, ge=0, description="power of the length that a beam's score is divided by"
    )


class Manner(Frozen):
    """How the next token is chosen, and when to stop.

    Greedy at temperature 0. Bounds: top-p after Holtzman et al. 2020 (arXiv 1904.09751), min-p after Nguyen et al. 2024
    (arXiv 2407.01082), the repetition penalty after Keskar et al. 2019 (arXiv 1909.05858).

    >>> Manner(temperature=0.8, top_p=0.9).max_tokens
    256
    """

    max_tokens: int = Field(default=256, ge=1, description="tokens that are written at most")
    temperature: float = Field(default=0.0, ge=0, description="0 takes the most probable token; else logits are divided by it")  # fmt: skip
    top_k: int = Field(default=0, ge=0, description="only so many of the most probable tokens; 0: all")
    top_p: float = Field(default=1.0, gt=0, le=1, description="only the fewest tokens that hold this share of the probability")  # fmt: skip
    min_p: float = Field(default=0.0, ge=0, le=1, description="only tokens with at least this share of the most probable one's probability")  # fmt: skip
    repetition_penalty: float = Field(default=1.0, gt=0, description="makes tokens that are already there less probable; 1 changes nothing")  # fmt: skip
    stop: tuple[str, ...] = Field(default=(), description="texts before which writing stops")
    seed: int = Field(default=0, ge=0, lt=2**63, description="start of what is drawn; the same gives the same text")
    beams: int = Field(default=1, ge=1, le=64, description="beginnings followed side by side, greedily")
    length_penalty: float = Field(
        default=1.0, ge=0, description="power of the length that a beam's score is divided by"
    )
    logprobs: int = Field(default=0, ge=0, le=50, description="how many of the most probable tokens are told beside each token")  # fmt: skip

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("stop")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(value):
            raise ValueError("texts that are not empty")
        return value

    @model_validator(mode="after")
    def _greedy_beams(self) -> Manner:
        if self.beams > 1 and self.temperature > 0:
            raise ValueError("beams are followed greedily: temperature 0, or beams 1")
        return self
