"""Categories in: one-hot where values are few, embedded where they are many; unseen values are zero everywhere.

B rows, C columns, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netwright.kinds.category import FIRST
from netwright.kinds.category import Input as Category
from netwright.nn.batch import Block
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Signal
from netwright.nn.stems.base import Stem as Base
from netwright.nn.stems.base import refuse

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
        few = [column for column, size in enumerate(sizes.tolist()) if size - FIRST <= ONE_HOT]
        many = [column for column in range(len(sizes)) if column not in few]
        # one-hot: each output is whether the code of its column is its own; 0, never seen in training, has none
        pairs = [(column, code) for column in few for code in range(1, int(sizes[column]))]
        starts = sizes[many].cumsum(0) - sizes[many]
        self.column: Tensor
        self.code: Tensor
        self.many: Tensor
        self.starts: Tensor
        places = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
        for name, value in {
            "column": places[0],
            "code": places[1],
            "many": torch.tensor(many, dtype=torch.long),
            "starts": starts,
        }.items():
            self.register_buffer(name, value.contiguous(), persistent=False)
        if many:
            self.table = nn.Embedding(int(sizes[many].sum()), width)
            nn.init.normal_(self.table.weight, std=width**-0.5)
            with torch.no_grad():
                self.table.weight[starts] = 0.0
        self.out = Shape("vector", len(pairs) + width * len(many))

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        codes = block["codes"]  # (B, C)
        assert isinstance(codes, Tensor)
        codes = codes.long()
        if self.form == "affine":
            return Signal(self.table(codes + self.first).sum(1), "vector")
        if self.form == "sequence":
            return Signal(self.table(codes + self.first), "sequence")
        parts = []
        if len(self.column):
            parts.append((codes.index_select(1, self.column) == self.code).to(torch.get_default_dtype()))
        if len(self.many):
            parts.append(self.table(codes.index_select(1, self.many) + self.starts).flatten(1))
        return Signal(torch.cat(parts, 1) if len(parts) > 1 else parts[0], "vector")
