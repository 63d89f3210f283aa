"""Text in: a sequence of embedded tokens, or the weighted sum of a bag's embeddings. B rows, T tokens, D width."""

from __future__ import annotations

import torch
from torch import nn

from netwright.batch import Block, Lists
from netwright.kinds.text import Text
from netwright.randomness import Draw
from netwright.shapes import Shape, Want
from netwright.signal import Signal
from netwright.stems.base import Stem as Base
from netwright.stems.base import refuse


class Stem(Base):
    """Texts in the form that the family wants."""

    def __init__(self, kind: Text, want: Want) -> None:
        super().__init__()
        self.form, D = want.form, want.width or 64
        if want.form == "sequence":
            self.table = nn.Embedding(kind.width, D)
            nn.init.normal_(self.table.weight, std=want.options.get("deviation", D**-0.5))
            self.out = Shape("sequence", D)
        elif want.form in ("vector", "affine"):
            self.bag = nn.EmbeddingBag(kind.width, D, mode="sum", include_last_offset=True)
            nn.init.zeros_(self.bag.weight) if want.form == "affine" else nn.init.normal_(self.bag.weight, std=D**-0.5)
            self.out = Shape("vector", D)
        elif want.form == "ids":
            self.out = Shape("sequence", 0)
        else:
            raise refuse("text", want)

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        ids = block["ids"]
        assert isinstance(ids, Lists)
        if self.form in ("sequence", "ids"):
            tokens, real = ids.padded()
            document = torch.where(real, 0, -1)
            if self.form == "ids":
                return Signal(tokens.long(), "sequence", document=document)
            return Signal(self.table(tokens.long()), "sequence", document=document)
        weights = block.get("weights")
        if isinstance(weights, Lists):
            flat = weights.values.to(self.bag.weight.dtype)
        else:  # tokens rather than a bag: their mean
            flat = torch.repeat_interleave(1 / ids.lengths.clamp(min=1), ids.lengths).to(self.bag.weight.dtype)
        return Signal(self.bag(ids.values.long(), ids.offsets, per_sample_weights=flat), "vector")
