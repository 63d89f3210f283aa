"""A place answered by two values."""

from __future__ import annotations

from typing import ClassVar, Literal

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the point head."""

    answers: ClassVar[tuple[str, ...]] = ("place",)
    head: Literal["point"] = "point"
