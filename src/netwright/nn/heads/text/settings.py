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
    tied: bool = Field(default=True, description="whether input and output embeddings are tied")
    given: bool = Field(default=False, description="whether the pretrained network's own embeddings are used")  # fmt: skip
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="label smoothing over all tokens")
    prompt_share: float = Field(default=0.0, ge=0, le=1, description="loss weight of a prompt token; answer tokens have weight 1")  # fmt: skip
    max_tokens: int | None = Field(default=None, ge=1, description="maximum new tokens when rows are answered; default: the longest training answer")  # fmt: skip
    beams: int = Field(default=1, ge=1, le=64, description="beam width when rows are answered; 1 is greedy")  # fmt: skip
    length_penalty: float = Field(
        default=1.0, ge=0, description="length penalty: exponent of the length that divides a beam's score"
    )


class SamplingParams(Frozen):
    """How the next token is chosen, and when to stop.

    Greedy at temperature 0. Bounds: top-p after Holtzman et al. 2020 (arXiv 1904.09751), min-p after Nguyen et al. 2024
    (arXiv 2407.01082), the repetition penalty after Keskar et al. 2019 (arXiv 1909.05858).

    >>> SamplingParams(temperature=0.8, top_p=0.9).max_tokens
    256
    """

    max_tokens: int = Field(default=256, ge=1, description="maximum new tokens")
    temperature: float = Field(default=0.0, ge=0, description="sampling temperature; 0 is greedy")  # fmt: skip
    top_k: int = Field(default=0, ge=0, description="sample from the k most probable tokens; 0: all")
    top_p: float = Field(default=1.0, gt=0, le=1, description="nucleus sampling: the fewest tokens with this total probability")  # fmt: skip
    min_p: float = Field(default=0.0, ge=0, le=1, description="only tokens with at least this fraction of the top probability")  # fmt: skip
    repetition_penalty: float = Field(default=1.0, gt=0, description="penalizes tokens that already occur; 1: off")  # fmt: skip
    stop: tuple[str, ...] = Field(default=(), description="stop sequences")
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed for sampling; the same seed gives the same text")
    beams: int = Field(default=1, ge=1, le=64, description="beam width")
    length_penalty: float = Field(
        default=1.0, ge=0, description="length penalty: exponent of the length that divides a beam's score"
    )
    logprobs: int = Field(default=0, ge=0, le=50, description="number of top log-probabilities returned per token")  # fmt: skip

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
    def _greedy_beams(self) -> SamplingParams:
        if self.beams > 1 and self.temperature > 0:
            raise ValueError("beams are followed greedily: temperature 0, or beams 1")
        return self
