"""Labels in: several values a row, as a bag. B rows, C labels, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from netwright.kinds.labels import Input as Labels
from netwright.nn.batch import Block
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Signal
from netwright.nn.stems.base import Stem as Base
from netwright.nn.stems.base import refuse


class Stem(Base):
    """Labels (B, C) as a vector, or one element: the sum of the embeddings of those that a row has."""

    def __init__(self, kind: Labels, want: Want) -> None:
        super().__init__()
        if want.form not in ("vector", "sequence", "affine"):
            raise refuse("labels", want)
        C, self.form = len(kind.values), want.form
        if want.form == "vector":
            self.out = Shape("vector", C)
            return
        self.weight = nn.Linear(C, want.width or 1, bias=False)
        if want.form == "affine":
            nn.init.zeros_(self.weight.weight)
        self.out = (
            Shape("sequence", want.width or 1, length=1)
            if want.form == "sequence"
            else Shape("vector", want.width or 1)
        )

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        hot = block["hot"]
        assert isinstance(hot, Tensor)
        hot = hot.to(torch.get_default_dtype())
        if self.form == "vector":
            return Signal(hot, "vector")
        values = self.weight(hot)
        return Signal(values[:, None], "sequence") if self.form == "sequence" else Signal(values, "vector")
