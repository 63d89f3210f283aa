"""Which rows make which batch: a pure function of (seed, epoch), divided among processes by rank."""

from __future__ import annotations

import torch
from torch import Tensor

from netwright.recipe import Training
from netwright.runtime.seeds import seed_for

# batches among which rows are sorted by length: enough to save nearly all padding, few enough to stay random
WINDOW = 64


def length(settings: Training, steps_an_epoch: int) -> tuple[int, int]:
    """Return how many steps a training has at most, and in how many epochs, of which the last may be a part.

    >>> length(Training(epochs=3, steps=25), 10), length(Training(epochs=1, steps=25), 10)
    ((25, 3), (10, 1))
    """
    epochs = settings.epochs or 1
    total = min(epochs * steps_an_epoch, settings.steps or epochs * steps_an_epoch)
    return total, -(-total // steps_an_epoch)


def order(rows: Tensor, *, seed: int, epoch: int, lengths: Tensor | None = None, size: int = 1) -> Tensor:
    """Return the rows of an epoch in their shuffled order.

    With `lengths` (by row number) every `size` rows that follow one another are of like length, so that little of a batch
    is padding: rows are shuffled, sorted by length within windows of some batches, and the batches shuffled again.

    >>> order(torch.arange(4), seed=0, epoch=1).sort().values.tolist()
    [0, 1, 2, 3]
    """
    generator = torch.Generator().manual_seed(seed_for(seed, "order", epoch))
    mixed = rows[torch.randperm(len(rows), generator=generator)]
    if lengths is None or len(rows) <= size:
        return mixed
    sorted_ = torch.cat([part[lengths[part].argsort(stable=True)] for part in mixed.split(size * WINDOW)])
    whole = len(sorted_) // size
    batches = sorted_[: whole * size].view(whole, size)
    return torch.cat([batches[torch.randperm(whole, generator=generator)].flatten(), sorted_[whole * size :]])


def share(batch: Tensor, *, rank: int, world: int) -> Tensor:
    """Return the rows of a step that the process `rank` of `world` works on."""
    return batch if world == 1 else batch[rank::world]
