"""The linear trunk: the stems' affine maps added up, and a bias. B rows, O outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.linear.settings import Settings


class Net(Trunk):
    """y = Σ x_block W_block + b."""

    ends_in_target = True
    light = True

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.out = Shape("vector", outputs)

    def read(self, signals: Sequence[Signal]) -> Memory:
        return Memory(Signal(torch.stack([signal.values for signal in signals]).sum(0) + self.bias, "vector"))
