"""The recurrent trunk. See `settings.py`. B rows, T elements, D width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.cells import Cells
from netwright.nn.trunks.fusion import Fusion, largest
from netwright.nn.trunks.recurrent.settings import Settings
from netwright.nn.trunks.recurrent.writer import Writer


class Net(Trunk):
    """Each text through its own cells, pooled; with other inputs joined and fused.

    Without inputs it goes on with a text that is written. The vector keeps the states of each word as its elements; beside other inputs each of them also sees what was fused.
    """

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        s = settings
        assert s.cell and s.width and s.depth and s.both_ways is not None and s.dropout is not None
        self.writer = Writer(s) if not inputs else None
        self.nets = nn.ModuleList()
        if self.writer is not None:
            self.out = Shape("sequence", s.width)
            return
        widths: list[int] = []
        states = 0
        for shape in inputs:
            if shape.layout != "sequence":
                widths.append(shape.width)
                continue
            cells: list[Cells] = []
            for _ in range(s.depth):
                cells.append(Cells(s.cell, cells[-1].width if cells else shape.width, s.width, both_ways=s.both_ways))
            self.nets.append(nn.ModuleList(cells))
            states = cells[-1].width
            widths.append(2 * states)
        self.dropout = nn.Dropout(s.dropout)
        self.fusion = Fusion(widths, 2 * s.width, s.dropout)
        self.alone = len(inputs) == 1
        self.out = Shape("vector", self.fusion.width, elements=states + (0 if self.alone else self.fusion.width))

    def step(self, memory: Memory, stimulus: Signal | None = None) -> tuple[Signal, Memory]:
        if self.writer is None or stimulus is None:
            return super().step(memory, stimulus)
        return self.writer.step(memory, stimulus)

    def read(self, signals: Sequence[Signal]) -> Memory:
        if not signals:
            return Memory()
        nets = iter(self.nets)
        parts: list[Tensor] = []
        texts: list[Signal] = []
        for number, signal in enumerate(signals):
            if signal.layout != "sequence":
                parts.append(signal.values)
                continue
            x = self.dropout(signal.values)
            length = (signal.documents() >= 0).sum(1).clamp(min=1)  # (B,)
            last = x[:, 0]
            for cells in next(nets):  # type: ignore[union-attr]
                x, last = cells(x, length)
            states = Signal(
                x, "sequence", torch.full_like(signal.columns(), number), signal.position, signal.documents()
            )
            parts.append(torch.cat([largest(states), last], 1))
            texts.append(states)
        fused = self.fusion(parts)
        return Memory(Signal(fused, "vector", elements=self._elements(texts, fused) if self.keeps_elements else None))

    def _elements(self, texts: Sequence[Signal], fused: Tensor) -> Signal:
        """The states of all texts' words, (B, T, D), with dropout; beside other inputs each with what was fused."""
        values = self.dropout(torch.cat([states.values for states in texts], 1))
        if not self.alone:
            values = torch.cat([values, fused[:, None].expand(-1, values.shape[1], -1)], 2)
        return Signal(
            values, "sequence", torch.cat([states.columns() for states in texts]),
            torch.cat([states.positions() for states in texts], 1), torch.cat([states.documents() for states in texts], 1),
        )  # fmt: skip
