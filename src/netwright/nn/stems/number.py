"""Numbers in: raw and scaled, embedded periodically, piecewise-linearly, or one element a column.

- periodic: PBLD of RealMLP (Holzmüller et al. 2024, arXiv 2407.04491, section 3), after Gorishniy et al. 2022
  (arXiv 2203.05556): [x, W₂ cos(2π(w·x + b)) + b₂] for each column.
- both: raw and piecewise, as two views of the same columns.
- piecewise: Gorishniy et al. 2022, section 3.2: bin t of column j gives min(1, max(0, (x - e_t) / (e_{t+1} - e_t))),
  open at both ends, then a linear map for each column.

B rows, C columns, D width, H hidden width of the periodic embedding, E bins.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from netwright.kinds.date import Input as Date
from netwright.kinds.number import Input as Number
from netwright.nn.batch import Block
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Signal
from netwright.nn.stems.base import Stem as Base
from netwright.nn.stems.base import refuse

HIDDEN = 16  # RealMLP's default: frequencies a column
DEVIATION = 0.1  # RealMLP's default: deviation of the first frequencies


class Stem(Base):
    """Number columns (B, C) in the form that the family wants; missing values become 0 and an indicator (or element)."""

    def __init__(self, kind: Number | Date, want: Want) -> None:
        super().__init__()
        C = kind.width
        self.form, self.embedding = want.form, want.options.get("embedding", "none")
        self.gaps: Tensor
        self.register_buffer(
            "gaps", torch.tensor([k for k, gap in enumerate(kind.missing) if gap], dtype=torch.long), persistent=False
        )
        if want.form == "sequence":
            D = want.width or 1
            self.slope, self.offset = nn.Parameter(torch.empty(C, D)), nn.Parameter(torch.empty(C, D))
            # learnt where training rows have gaps; elsewhere a missing value is the middle one
            self.absent = nn.Parameter(torch.zeros(C, D)) if any(kind.missing) else None
            for parameter in (self.slope, self.offset):  # FT-Transformer (Gorishniy et al. 2021, appendix E.1)
                nn.init.uniform_(parameter, -(D**-0.5), D**-0.5)
            self.out = Shape("sequence", D, length=C)
        elif want.form == "affine":
            self.weight = nn.Linear(C + len(self.gaps), want.width or 1, bias=False)
            nn.init.zeros_(self.weight.weight)  # the optimum is convex: where one starts does not matter
            self.out = Shape("vector", want.width or 1)
        elif want.form == "vector":
            embed = {"none": _Plain, "periodic": _Periodic, "piecewise": _Piecewise, "both": _Both}[self.embedding]
            self.embed = embed(kind, want.options.get("embedding_width", 4))
            views = (C, C * (self.embed.width - 1)) if self.embedding == "both" else ()
            self.out = Shape("vector", C * self.embed.width + len(self.gaps), views=views)
        else:
            raise refuse("number", want)

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        x, missing = block["values"], block.get("values_missing")  # (B, C); None: nothing is missing in these rows
        assert isinstance(x, Tensor)
        if self.form == "sequence":
            element = x[..., None] * self.slope + self.offset  # (B, C, D)
            if isinstance(missing, Tensor) and self.absent is not None:
                element = torch.where(missing[..., None], self.absent, element)
            return Signal(element, "sequence")
        if self.form == "affine":
            return Signal(self.weight(self._with_gaps(x, x, missing)), "vector")
        return Signal(self._with_gaps(self.embed(x), x, missing), "vector")

    def _with_gaps(self, values: Tensor, x: Tensor, missing: Any) -> Tensor:
        """Join an indicator for each column that had gaps in training."""
        if not len(self.gaps):
            return values
        shown = x.new_zeros(len(x), len(self.gaps)) if missing is None else missing[:, self.gaps].to(x.dtype)
        return torch.cat([values, shown], 1)


class _Plain(nn.Module):
    width = 1

    def __init__(self, kind: Number | Date, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


class _Periodic(nn.Module):
    def __init__(self, kind: Number | Date, width: int) -> None:
        super().__init__()
        C, self.width = kind.width, width
        self.frequency = nn.Parameter(torch.randn(C, HIDDEN) * DEVIATION)
        self.phase = nn.Parameter(torch.empty(C, HIDDEN).uniform_(-math.pi, math.pi))
        bound = HIDDEN**-0.5
        self.weight = nn.Parameter(torch.empty(C, HIDDEN, width - 1).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(C, width - 1).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        waves = torch.cos(2 * math.pi * (x[..., None] * self.frequency + self.phase))  # (B, C, H)
        embedded = torch.einsum("bch,chd->bcd", waves, self.weight) + self.bias
        return torch.cat([x[..., None], embedded], 2).flatten(1)  # (B, C·D)


class _Piecewise(nn.Module):
    """Σ_t fill_t(x) W_t + b, with the bins before x's own full, those behind it empty, and its own filled in part.

    So only two rows of a table are read for a value: the sum of the W before its bin, and its bin's own W. That is as
    fast with 256 bins as with 4 (docs/dev/log.md).
    """

    def __init__(self, kind: Number | Date, width: int) -> None:
        super().__init__()
        edges = getattr(kind, "edges", ())
        assert edges, "the family asks for bins when it asks for this embedding"
        C, self.width, E = kind.width, width, max(map(len, edges)) - 1
        inner = torch.full((C, E - 1), torch.inf)  # where one bin ends and the next begins
        start, size = torch.zeros(C, E), torch.ones(C, E)
        for column, own in enumerate(edges):
            cuts = torch.tensor(own)
            bins = len(cuts) - 1
            inner[column, : bins - 1] = cuts[1:-1]
            start[column, :bins], size[column, :bins] = cuts[:-1], cuts.diff()
        self.inner: Tensor
        self.start: Tensor
        self.scale: Tensor
        self.first: Tensor
        buffers = {
            "inner": inner,
            "start": start.flatten(),
            "scale": 1 / size.flatten(),
            "first": torch.arange(C)[:, None] * E,
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)
        bound = E**-0.5
        self.weight = nn.Parameter(torch.empty(C, E, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(C, width).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        place = (torch.searchsorted(self.inner, x.t().contiguous(), right=True) + self.first).t()  # (B, C)
        before = self.weight.cumsum(1) - self.weight + self.bias[:, None]  # (C, E, D)
        table = torch.cat([before, self.weight], 2).flatten(0, 1)  # (C·E, 2 D)
        sums, own = nn.functional.embedding(place, table).chunk(2, 2)  # (B, C, D) each
        # outside the outer cuts below 0 or above 1: open at both ends
        filled = (x - self.start[place]) * self.scale[place]
        return torch.addcmul(sums, filled[..., None], own).flatten(1)


class _Both(nn.Module):
    """[x, what _Piecewise makes of x]."""

    def __init__(self, kind: Number | Date, width: int) -> None:
        super().__init__()
        self.piecewise, self.width = _Piecewise(kind, width), 1 + width

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.piecewise(x)], 1)
