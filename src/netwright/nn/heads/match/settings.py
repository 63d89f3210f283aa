"""A pair answered by how alike the vectors of its two texts are."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the match head."""

    answers: ClassVar[tuple[str, ...]] = ("match",)
    head: Literal["match"] = "match"
    temperature: float = Field(
        default=0.05,
        gt=0,
        description="InfoNCE temperature: smaller values weight hard negatives more",
    )
