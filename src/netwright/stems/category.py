"""Categories in: one-hot where values are few, embedded where they are many; unseen values are zero everywhere.

B rows, C columns, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netwright.batch import Block
from netwright.kinds.category import FIRST, Category
from netwright.randomness import Draw
from netwright.shapes import Shape, Want
from netwright.signal import Signal
from netwright.stems.base import Stem as Base
from netwright.stems.base import refuse

ONE_HOT = 8  # RealMLP: one-hot up to 8 values, embeddings of width 8 beyond (arXiv 2407.04491, table A.1)


class Stem(Base):
    """Category codes (B, C) in the form that the family wants."""

    def __init__(self, kind: Category, want: Want) -> None:
        super().__init__()
        self.form = want.form
        sizes = torch.tensor([FIRST + len(values) for values in kind.values])
        if want.form not in ("vector", "sequence", "affine"):
            raise refuse("category", want)
        if want.form != "vector":
            D = want.width or 1
            self.table = nn.Embedding(int(sizes.sum()), D)
            nn.init.zeros_(self.table.weight) if want.form == "affine" else nn.init.normal_(
                self.table.weight, std=D**-0.5
            )
            first = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]])
            self.first: torch.Tensor
            self.register_buffer("first", first, persistent=False)
            with torch.no_grad():
                self.table.weight[first] = 0.0  # code 0, never seen in training, so never taught
            self.out = Shape("sequence", D, length=len(sizes)) if want.form == "sequence" else Shape("vector", D)
            return
        width = want.options.get("category_width", 8)
        self.hot = [index for index, size in enumerate(sizes.tolist()) if size - FIRST <= ONE_HOT]
        self.sizes = sizes.tolist()
        self.tables = nn.ModuleDict(
            {str(index): nn.Embedding(size, width) for index, size in enumerate(self.sizes) if index not in self.hot}
        )
        for table in self.tables.values():
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=width**-0.5)
            with torch.no_grad():
                table.weight[0] = 0.0
        self.out = Shape("vector", sum(self.sizes[index] - 1 for index in self.hot) + width * len(self.tables))

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        codes = block["codes"]  # (B, C)
        assert isinstance(codes, Tensor)
        codes = codes.long()
        if self.form == "affine":
            return Signal(self.table(codes + self.first).sum(1), "vector")
        if self.form == "sequence":
            return Signal(self.table(codes + self.first), "sequence")
        parts = []
        for index, size in enumerate(self.sizes):
            if index in self.hot:
                parts.append(nn.functional.one_hot(codes[:, index], size)[:, 1:].to(torch.get_default_dtype()))
            else:
                parts.append(self.tables[str(index)](codes[:, index]))
        return Signal(torch.cat(parts, 1), "vector")
