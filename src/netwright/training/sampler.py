"""Which rows make which batch: a pure function of (seed, epoch), divided among processes by rank."""

from __future__ import annotations

import torch
from torch import Tensor

from netwright.seeds import seed_for


def order(rows: Tensor, *, seed: int, epoch: int) -> Tensor:
    """Return the rows of an epoch in their shuffled order.

    >>> order(torch.arange(4), seed=0, epoch=1).sort().values.tolist()
    [0, 1, 2, 3]
    """
    generator = torch.Generator().manual_seed(seed_for(seed, "order", epoch))
    return rows[torch.randperm(len(rows), generator=generator)]


def share(batch: Tensor, *, rank: int, world: int) -> Tensor:
    """Return the rows of a step that the process `rank` of `world` works on."""
    return batch if world == 1 else batch[rank::world]
