"""Texts as training rows: long ones in pieces, short ones packed into full blocks.

A text that is longer than the context is read in pieces that overlap by one token, so that each token is a goal once.
Packed, all texts of an epoch stand in one row, in an order that depends on (seed, epoch) alone, cut into blocks of the
context's length: no padding, and `document` keeps texts apart. T tokens of a block, N tokens in all, n texts.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from netwright.nn.batch import Batch, Block, Lists, Rows
from netwright.nn.randomness import Draw
from netwright.runtime.seeds import seed_for


def pieces(block: Block, length: int) -> tuple[Block, Tensor]:
    """Return a block's texts in pieces of at most `length` + 1 tokens, and the row (m,) that each piece is from.

    >>> ids = Lists(torch.arange(5), torch.tensor([0, 5]))
    >>> found, row = pieces({"ids": ids, "counted": ids}, 2)
    >>> found["ids"].values.tolist(), row.tolist()
    ([0, 1, 2, 2, 3, 4], [0, 0])
    """
    ids, counted = block["ids"], block["counted"]
    assert isinstance(ids, Lists) and isinstance(counted, Lists)
    lengths = ids.lengths
    count = ((lengths - 2).clamp(min=0) // length) + 1  # (n,) pieces of each text
    row = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), count)
    number = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    start = ids.offsets[:-1][row] + number * length
    own = torch.minimum(ids.offsets[1:][row] - start, torch.full_like(start, length + 1))
    offsets = torch.cat([own.new_zeros(1), own.cumsum(0)])
    where = torch.arange(int(offsets[-1]), device=row.device) + torch.repeat_interleave(start - offsets[:-1], own)
    return {"ids": Lists(ids.values[where], offsets), "counted": Lists(counted.values[where], offsets)}, row


class Packed(Rows):
    """Blocks of the texts in `block` (those of `rows`), laid out anew by `begin` for each epoch.

    A row of it is a block. `weight` (n,) is each text's own, which its tokens carry.
    """

    def __init__(self, key: str, block: Block, rows: Tensor, length: int, weight: Tensor | None = None) -> None:
        ids, counted = block["ids"], block["counted"]
        assert isinstance(ids, Lists) and isinstance(counted, Lists)
        ids, counted = ids.take(rows), counted.take(rows)
        super().__init__({}, {}, None, count=-(-(len(ids.values) - 1) // length))
        self.key, self.length = key, length
        self.ids, self.apart = ids, len(ids) > 1
        self.counts = counted.values.to(torch.get_default_dtype())
        if weight is not None:
            self.counts = self.counts * torch.repeat_interleave(weight[rows].to(self.counts.dtype), ids.lengths)
        size = self.count * length + 1  # the last block's empty places count for nothing
        self.tokens = ids.values.new_zeros(size)
        self.weights = self.counts.new_zeros(size)
        self.documents = ids.values.new_full((size,), -1)
        self.begin(0, 0)

    def begin(self, seed: int, epoch: int) -> None:
        """Lay the texts out in the epoch's order; it starts anywhere in the row of all, so that blocks differ."""
        random = torch.Generator().manual_seed(seed_for(seed, "pack", epoch))
        order = torch.randperm(len(self.ids), generator=random).to(self.ids.offsets.device)
        lengths = self.ids.lengths[order]
        ends = lengths.cumsum(0)
        N = len(self.ids.values)
        start = int(torch.randint(N, (1,), generator=random)) if not self.apart else 0
        where = torch.arange(N, device=order.device) + torch.repeat_interleave(
            self.ids.offsets[:-1][order] - (ends - lengths), lengths
        )
        document = torch.repeat_interleave(torch.arange(len(order), device=order.device), lengths)
        self.tokens[:N] = self.ids.values[where].roll(-start)
        self.weights[:N] = self.counts[where].roll(-start)
        self.documents[:N] = document.roll(-start).to(self.documents.dtype)
        if start:  # the text's beginning does not follow from its end
            self.weights[N - start] = 0

    def take(self, rows: Tensor, *, draw: Draw | None = None, augment: bool = False) -> Batch:
        """Return these blocks (B,): tokens and weights (B, T + 1), documents (B, T)."""
        where = rows[:, None] * self.length + torch.arange(self.length + 1, device=rows.device)
        target: Block = {"ids": self.tokens[where], "counted": self.weights[where]}
        if self.apart:
            target["document"] = self.documents[where[:, :-1]]
        return Batch({}, {self.key: target}, None, rows, draw)


def alone(batch: Batch) -> Batch:
    """Return a batch of blocks without their texts' names where each block is of one text: attention then need not look
    at the half that is to come."""
    for key, target in batch.targets.items():
        document = target.get("document")
        if isinstance(document, Tensor) and bool((document == document[:, :1]).all()):
            rest = {name: part for name, part in target.items() if name != "document"}
            return replace(batch, targets={**batch.targets, key: rest})
    return batch
