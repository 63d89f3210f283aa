"""The echo trunk. B rows, D width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk


class Net(Trunk):
    """[x, tanh(xW)]."""

    def __init__(self, settings: Any, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        width = sum(shape.width for shape in inputs)
        self.map = nn.Linear(width, 8)
        self.out = Shape("vector", width + 8)

    def read(self, signals: Sequence[Signal]) -> Memory:
        x = torch.cat([signal.values for signal in signals], 1)  # (B, D)
        return Memory(Signal(torch.cat([x, self.map(x).tanh()], 1), "vector"))
