"""Images in: pixels as a grid, a vector, or a sequence of patches.

Patches are the Vision Transformer's (Dosovitskiy et al. 2021, arXiv 2010.11929): one linear map of each p×p square.
B rows, C channels, H×W pixels, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from netwright.kinds.image import Input as Image
from netwright.nn.batch import Block
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Signal
from netwright.nn.stems.base import Stem as Base

SHIFT = 14  # augmentation moves an image by up to 1/14 of its side: 2 of 28 pixels


class Stem(Base):
    """Images (B, H, W, C) uint8 in the form that the family wants, centred and scaled by the training rows."""

    def __init__(self, kind: Image, want: Want) -> None:
        super().__init__()
        self.form = want.form
        # (x / 255 - mean) / deviation as x · scale - shift: of all channels alike a number each, else (C,)
        mean, deviation = (torch.tensor(part, dtype=torch.float64) for part in (kind.mean, kind.deviation))
        scale, shift = 1 / (255 * deviation), mean / deviation
        self.even = scale.ndim == 0 and shift.ndim == 0
        self.scale, self.shift = (float(scale), float(shift)) if self.even else (None, None)
        if not self.even:
            self.register_buffer("scales", scale.expand(kind.channels).to(torch.get_default_dtype()), persistent=False)
            self.register_buffer("shifts", shift.expand(kind.channels).to(torch.get_default_dtype()), persistent=False)
        self.mirror = kind.channels == 3 if kind.mirror is None else kind.mirror
        C, H, W = kind.channels, kind.height, kind.wide
        if want.form == "grid":
            self.out = Shape("grid", C, size=(H, W))
        elif want.form == "vector":
            self.out = Shape("vector", kind.width)
        elif want.form == "affine":
            self.weight = nn.Linear(kind.width, want.width or 1, bias=False)
            nn.init.zeros_(self.weight.weight)
            self.out = Shape("vector", want.width or 1)
        else:
            D, p = want.width or 1, min(want.options.get("patch", 4), H, W)
            self.patches = nn.Conv2d(C, D, p, p)
            h, w = H // p, W // p
            self.place = nn.Parameter(torch.randn(h * w, D) * 0.02)  # Dosovitskiy et al. 2021: learnt places
            self.out = Shape("sequence", D, length=h * w, size=(h, w))

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        pixels = block["pixels"]
        assert isinstance(pixels, Tensor)
        if draw is not None:
            pixels = shifted(pixels, draw, mirror=self.mirror)
        scale: Any = self.scale if self.even else self.scales
        shift: Any = self.shift if self.even else self.shifts
        x = pixels.to(torch.get_default_dtype()).mul_(scale).sub_(shift)  # two passes over (B, H, W, C)
        if self.form == "vector":
            return Signal(x.flatten(1), "vector")
        if self.form == "affine":
            return Signal(self.weight(x.flatten(1)), "vector")
        grid = x.permute(0, 3, 1, 2)  # (B, C, H, W)
        if self.form == "grid":
            return Signal(grid, "grid")
        cells = self.patches(grid)  # (B, D, h, w)
        return Signal(cells.flatten(2).transpose(1, 2) + self.place, "sequence", size=tuple(cells.shape[2:]))


def shifted(pixels: Tensor, draw: Draw, *, mirror: bool) -> Tensor:
    """Return images (B, H, W, C) moved by a random number of pixels (edges repeated), and mirrored by chance."""
    _, H, W, _ = pixels.shape
    down = ((draw.uniform() * 2 - 1) * (H // SHIFT + 1)).long()
    right = ((draw.uniform() * 2 - 1) * (W // SHIFT + 1)).long()
    rows = (torch.arange(H, device=pixels.device) + down[:, None]).clamp(0, H - 1)  # (B, H)
    columns = (torch.arange(W, device=pixels.device) + right[:, None]).clamp(0, W - 1)  # (B, W)
    if mirror:
        columns = torch.where((draw.uniform() < 0.5)[:, None], columns.flip(1), columns)
    batch = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels[batch, rows[:, :, None], columns[:, None, :]]
