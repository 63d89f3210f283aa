"""Echo: what comes in, widened once."""

from __future__ import annotations

from typing import ClassVar, Literal

from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Family


class Settings(Family):
    """Settings of echo."""

    takes: ClassVar[tuple[str, ...]] = ("vector",)
    gives: ClassVar[tuple[str, ...]] = ("vector",)
    family: Literal["echo"] = "echo"

    def want(self, signal: str, *, outputs: int) -> Want:
        """Everything as a vector."""
        return Want("vector")
