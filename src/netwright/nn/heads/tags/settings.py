"""Tags answered by a softmax for each word of a text."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the tags head."""

    answers: ClassVar[tuple[str, ...]] = ("tags",)
    head: Literal["tags"] = "tags"
    reads: Literal["first", "mean"] = Field(
        default="mean", description="what a word's tag is read from: its first token, or the mean over its tokens"
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each tag spread evenly over all tags")
