"""Text in: a sequence of embedded tokens, or the weighted sum of a bag's embeddings. B rows, T tokens, D width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from netwright.kinds.text import UNKNOWN
from netwright.kinds.text import Input as Text
from netwright.nn.batch import Block, Lists
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Signal
from netwright.nn.stems.base import Stem as Base
from netwright.nn.stems.base import refuse

NARROW = 64  # outputs up to which the sparse product is the faster one


class Stem(Base):
    """Texts in the form that the family wants."""

    def __init__(self, kind: Text, want: Want) -> None:
        super().__init__()
        self.form, D = want.form, want.width or 64
        self.window = kind.length if kind.windows else 0
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

    def tie(self, other: Base) -> None:
        if self.form == "sequence" and isinstance(other, Stem) and other.form == "sequence":
            self.table = other.table

    def whole(self) -> None:
        self.window = 0

    @property
    def summed(self) -> Tensor | None:
        return self.bag.weight if self.form in ("vector", "affine") else None

    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        ids = block["ids"]
        assert isinstance(ids, Lists)
        if self.form in ("sequence", "ids"):
            tokens, real = ids.padded()
            document = torch.where(real, 0, -1)
            word, ends = _places(block, real) if self.window else (None, None)
            if self.form == "ids":
                return Signal(tokens.long(), "sequence", document=document, word=word, ends=ends, window=self.window)
            values = self.table(tokens.long())
            return Signal(values, "sequence", document=document, word=word, ends=ends, window=self.window)
        weights = block.get("weights")
        if isinstance(weights, Lists):
            flat = weights.values.to(self.bag.weight.dtype)
        else:  # tokens rather than a bag: their mean
            flat = torch.repeat_interleave(1 / ids.lengths.clamp(min=1), ids.lengths).to(self.bag.weight.dtype)
        if flat.device.type == "cpu" and self.bag.weight.shape[1] <= NARROW:
            return Signal(SparseMap.apply(self.bag.weight, ids.values, ids.offsets, flat), "vector")  # type: ignore[arg-type]
        return Signal(self.bag(ids.values.long(), ids.offsets, per_sample_weights=flat), "vector")


class Again(nn.Module):
    """Texts that are read in the same tokens: an element whose token also stands in another of them gets a learnt vector.

    So a word of the question is known again in the text that answers it (the exact match of Chen et al. 2017, arXiv
    1704.00051, section 3.2).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(width) * width**-0.5)

    def forward(self, signals: Sequence[Signal], blocks: Sequence[Block]) -> list[Signal]:
        """Add it to the values (B, T, D) of all these texts, whose tokens stand in their blocks."""
        tokens = [_numbers(block) for block in blocks]
        out = []
        for place, (signal, mine) in enumerate(zip(signals, tokens, strict=True)):
            others = torch.cat([each for number, each in enumerate(tokens) if number != place], 1)  # (B, T')
            stands = ((mine[:, :, None] == others[:, None]) & (mine > UNKNOWN)[:, :, None]).any(2)
            out.append(replace(signal, values=signal.values + stands[..., None] * self.vector))
        return out


def _numbers(block: Block) -> Tensor:
    ids = block["ids"]
    assert isinstance(ids, Lists)
    return ids.padded()[0]


def _places(block: Block, real: Tensor) -> tuple[Tensor, Tensor]:
    """The word (B, T) and the characters (B, T, 2) that each token is of, -1 for padding."""
    word, begin, end = (block[name] for name in ("word", "begin", "end"))
    assert isinstance(word, Lists) and isinstance(begin, Lists) and isinstance(end, Lists)
    padded = [part.padded()[0].long().masked_fill(~real, -1) for part in (word, begin, end)]
    return padded[0], torch.stack(padded[1:], 2)


class SparseMap(torch.autograd.Function):
    """XW for a sparse X (B, V) and a narrow W (V, D), and its gradient Xᵀ∂.

    The same numbers as EmbeddingBag in sum mode. With two outputs, 8,000 texts and 3.6 million n-grams, forward and
    backward took 0.08 s in place of 0.63 s (docs/dev/log.md).
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, offsets: Tensor, values: Tensor) -> Tensor:
        shape = (len(offsets) - 1, weight.shape[0])
        ctx.matrix = csr_array((values.numpy(), ids.numpy(), offsets.numpy()), shape=shape)
        return torch.from_numpy(ctx.matrix @ weight.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return torch.from_numpy(ctx.matrix.T @ gradients[0].contiguous().numpy()), None, None, None
