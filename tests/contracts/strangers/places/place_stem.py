"""Places in. B rows."""

from __future__ import annotations

from typing import Any

from netwright.nn.shapes import Shape
from netwright.nn.signal import Signal
from netwright.nn.stems.base import Stem as Base


class Stem(Base):
    """A place (B, 2) as a vector."""

    def __init__(self, kind: Any, want: Any) -> None:
        super().__init__()
        self.out = Shape("vector", 2)

    def forward(self, block: Any, draw: Any = None) -> Signal:
        return Signal(block["at"], "vector")
