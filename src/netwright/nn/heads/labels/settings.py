"""Labels answered by one sigmoid each."""

from __future__ import annotations

from typing import ClassVar, Literal

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the labels head."""

    answers: ClassVar[tuple[str, ...]] = ("labels",)
    head: Literal["labels"] = "labels"
