"""The convolutional trunk. See `settings.py` for the papers.

B rows, C channels, H×W pixels, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.shapes import Shape
from netwright.signal import Memory, Signal
from netwright.trunks.base import Trunk
from netwright.trunks.convnet.settings import Settings

GROUP = 8  # channels normalised together


class Net(Trunk):
    """Each image through the residual net; with other inputs, all pooled, joined, and fused by two dense layers."""

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        s = settings
        assert s.width is not None and s.stages is not None and s.blocks is not None and s.dropout is not None
        self.nets = nn.ModuleList()
        vectors = 0
        for shape in inputs:
            if shape.layout != "grid":
                vectors += shape.width
                continue
            self.nets.append(_residual(shape.width, s.width, s.stages, s.blocks))
        D = s.width * 2 ** (s.stages - 1)
        self.dropout = nn.Dropout(s.dropout)
        self.fuse = None
        if vectors or len(self.nets) > 1:
            joined = D * len(self.nets) + vectors
            self.fuse = nn.Sequential(nn.Linear(joined, 2 * D), nn.ReLU(), nn.Linear(2 * D, D), nn.ReLU())
        size = inputs[0].size
        for _ in range(s.stages):
            size = tuple(-(-side // 2) for side in size)
        self.out = Shape("vector", D) if self.fuse else Shape("grid", D, size=size)

    def read(self, signals: Sequence[Signal]) -> Memory:
        grids = [signal for signal in signals if signal.layout == "grid"]
        seen = [
            net(grid.values.contiguous(memory_format=torch.channels_last))
            for net, grid in zip(self.nets, grids, strict=True)
        ]
        if self.fuse is None:
            return Memory(Signal(self.dropout(seen[0]), "grid"))
        vectors = [signal.values for signal in signals if signal.layout == "vector"]
        pooled = [grid.flatten(2).mean(2) for grid in seen]  # (B, D)
        return Memory(Signal(self.fuse(self.dropout(torch.cat([*pooled, *vectors], 1))), "vector"))


def _residual(channels: int, width: int, stages: int, blocks: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    inside = channels
    for stage in range(stages):
        outside = width * 2**stage
        layers += [
            nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(max(1, outside // GROUP), outside),
            nn.ReLU(),
        ]
        layers += [Block(outside) for _ in range(blocks)]
        inside = outside
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv x)))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.first_norm, self.second_norm = (nn.GroupNorm(max(1, width // GROUP), width) for _ in range(2))
        nn.init.zeros_(self.second_norm.weight)  # a block starts as the identity (Goyal et al. 2017, section 5.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, H, W) -> (B, D, H, W)."""
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(y)))
