"""Random numbers as a pure function of (seed, epoch, row): the same whatever the workers, batches and order are.

A counter-based generator after the SplitMix64 finaliser (Steele, Lea & Flood 2014, "Fast splittable pseudorandom
number generators", section 4), evaluated for all rows at once. B rows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from netwright.runtime.seeds import seed_for

_A, _B, _GAMMA = -4658895280553007687, -7723592293110705685, -7046029254386353131  # 0xBF58.., 0x94D0.., 0x9E37..


def _mix(z: Tensor) -> Tensor:
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * _A
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * _B
    return z ^ ((z >> 31) & 0x1FFFFFFFF)


class Draw:
    """Random numbers for the rows of a batch.

    `rows` (B,) are the rows' numbers in the data, so that a row draws the same in any batch.

    >>> import torch
    >>> alone, both = Draw(7, 0, torch.tensor([3])), Draw(7, 0, torch.tensor([1, 3]))
    >>> torch.equal(alone.uniform((4,)), both.uniform((4,))[1:])
    True
    """

    def __init__(self, seed: int, epoch: int, rows: Tensor) -> None:
        self.rows, self.key, self.calls = rows, seed_for(seed, epoch), 0

    def uniform(self, shape: tuple[int, ...] = ()) -> Tensor:
        """(B, *shape) numbers in [0, 1)."""
        self.calls += 1
        count = math.prod(shape)
        base = _mix(self.rows.long() * _GAMMA + seed_for(self.key, self.calls))  # (B,)
        counters = torch.arange(1, count + 1, device=self.rows.device) * _GAMMA
        bits = _mix(_mix(base[:, None] + counters))  # (B, count)
        # 24 bits: what a float32 holds exactly, so that 1.0 is never drawn
        return (((bits >> 40) & 0xFFFFFF).float() / 2**24).view(-1, *shape)

    def normal(self, shape: tuple[int, ...] = ()) -> Tensor:
        """(B, *shape) standard normal numbers (Box & Muller 1958)."""
        radius = torch.sqrt(-2 * torch.log1p(-self.uniform(shape)))
        return radius * torch.cos(2 * math.pi * self.uniform(shape))
