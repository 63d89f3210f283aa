"""The convolutional trunk. See `settings.py` for the papers.

B rows, C channels, H×W pixels, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.convnet.settings import Settings
from netwright.nn.trunks.fusion import Fusion, largest

GROUP = 8  # channels normalised together


class Net(Trunk):
    """Each image through the residual net, each text through windows of words; all pooled, joined, and fused."""

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        s = settings
        assert s.width is not None and s.stages is not None and s.blocks is not None and s.dropout is not None
        self.nets = nn.ModuleList()
        widths: list[int] = []
        D = s.width * 2 ** (s.stages - 1)
        for shape in inputs:
            if shape.layout == "grid":
                self.nets.append(_residual(shape.width, s.width, s.stages, s.blocks, pool=bool(s.pool)))
                widths.append(D)
            elif shape.layout == "sequence":
                assert s.windows is not None and s.filters is not None
                self.nets.append(Windows(shape.width, s.filters, s.windows, s.dropout))
                widths.append(s.filters * len(s.windows))
            else:
                widths.append(shape.width)
        self.fusion = Fusion(widths, D, s.dropout)
        lone = len(inputs) == 1 and inputs[0].layout == "grid"  # a head may want to know where in the image
        size = inputs[0].size
        for _ in range(s.stages):
            size = tuple(-(-side // 2) for side in size)
        self.out = Shape("grid", D, size=size) if lone else Shape("vector", self.fusion.width)

    def read(self, signals: Sequence[Signal]) -> Memory:
        nets, parts = iter(self.nets), []
        for signal in signals:
            if signal.layout == "vector":
                parts.append(signal.values)
            elif signal.layout == "sequence":
                parts.append(next(nets)(signal))
            else:
                grid = next(nets)(signal.values.contiguous(memory_format=torch.channels_last))
                if self.out.layout == "grid":
                    return Memory(Signal(self.fusion.dropout(grid), "grid"))
                parts.append(grid.flatten(2).mean(2))  # (B, D)
        return Memory(Signal(self.fusion(parts), "vector"))


class Windows(nn.Module):
    """max over places of relu(conv_k x), for windows of several widths k (Kim 2014). B rows, T words, D width."""

    def __init__(self, inputs: int, filters: int, sizes: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.sizes, self.dropout = tuple(sizes), nn.Dropout(dropout)
        self.maps = nn.ModuleList(nn.Conv1d(inputs, filters, size) for size in sizes)

    def forward(self, signal: Signal) -> Tensor:
        """(B, T, D) -> (B, filters · windows)."""
        x = self.dropout(signal.values)
        if signal.document is not None:
            x = x * (signal.document >= 0)[..., None]  # padding must not leak into its neighbours
        x, out = x.transpose(1, 2), []
        for layer, size in zip(self.maps, self.sizes, strict=True):
            seen = layer(F.pad(x, (0, size - 1)))  # a window that begins on a real word may end behind the text
            out.append(largest(Signal(seen.transpose(1, 2), "sequence", document=signal.document)))
        return F.relu(torch.cat(out, 1))  # the largest of rectified values is the rectified largest


def _residual(channels: int, width: int, stages: int, blocks: int, *, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    inside = channels
    for stage in range(stages):
        outside = width * 2**stage
        pooled = pool and stage == 0
        layers += [
            nn.Conv2d(inside, outside, 3, stride=1 if pooled else 2, padding=1, bias=False),
            *([nn.MaxPool2d(2, ceil_mode=True)] if pooled else []),
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
