"""The recurrent trunk. See `settings.py`. B rows, T elements, D width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from netwright.shapes import Shape
from netwright.signal import Memory, Signal
from netwright.trunks.base import Trunk
from netwright.trunks.cells import Cells
from netwright.trunks.fusion import Fusion, largest
from netwright.trunks.recurrent.settings import Settings


class Net(Trunk):
    """Each text through its own cells, pooled; with other inputs joined and fused."""

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        s = settings
        assert s.cell and s.width and s.depth and s.both_ways is not None and s.dropout is not None
        self.nets = nn.ModuleList()
        widths: list[int] = []
        for shape in inputs:
            if shape.layout != "sequence":
                widths.append(shape.width)
                continue
            cells: list[Cells] = []
            for _ in range(s.depth):
                cells.append(Cells(s.cell, cells[-1].width if cells else shape.width, s.width, both_ways=s.both_ways))
            self.nets.append(nn.ModuleList(cells))
            widths.append(2 * cells[-1].width)
        self.dropout = nn.Dropout(s.dropout)
        self.fusion = Fusion(widths, 2 * s.width, s.dropout)
        self.out = Shape("vector", self.fusion.width)

    def read(self, signals: Sequence[Signal]) -> Memory:
        nets = iter(self.nets)
        parts = []
        for signal in signals:
            if signal.layout != "sequence":
                parts.append(signal.values)
                continue
            x = self.dropout(signal.values)
            length = (signal.documents() >= 0).sum(1).clamp(min=1)  # (B,)
            last = x[:, 0]
            for cells in next(nets):  # type: ignore[union-attr]
                x, last = cells(x, length)
            states = Signal(x, "sequence", document=signal.document)
            parts.append(torch.cat([largest(states), last], 1))
        return Memory(Signal(self.fusion(parts), "vector"))
