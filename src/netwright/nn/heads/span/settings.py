"""A span answered by where it begins and where it ends."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the span head."""

    answers: ClassVar[tuple[str, ...]] = ("span",)
    head: Literal["span"] = "span"
    longest: int | None = Field(
        default=None, ge=1, description="maximum answer length in characters; default: the longest in training"
    )
