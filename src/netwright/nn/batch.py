"""Encoded rows as tensors, and the batches taken from them.

B rows of a batch, n rows in all, T elements.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from netwright.nn.randomness import Draw
from netwright.runtime.arrays import Arrays, Gapped, Ragged


@dataclass
class Lists:
    """Rows of unlike length as tensors: row i is `values[offsets[i]:offsets[i + 1]]`."""

    values: Tensor
    offsets: Tensor  # (B + 1,) int64

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """(B,) how long each row is."""
        return self.offsets.diff()

    def take(self, rows: Tensor) -> Lists:
        """Return these rows."""
        lengths = self.lengths[rows]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        shift = torch.repeat_interleave(self.offsets[rows] - offsets[:-1], lengths)
        return Lists(self.values[torch.arange(len(shift), device=shift.device) + shift], offsets)

    def padded(self) -> tuple[Tensor, Tensor]:
        """(B, T) with zeros behind each row's end, and (B, T) whether an element is real."""
        lengths = self.lengths
        longest = max(int(lengths.max()), 1) if len(self) else 1
        real = torch.arange(longest, device=lengths.device) < lengths[:, None]
        out = self.values.new_zeros((len(self), longest))
        out[real] = self.values
        return out, real

    def to(self, device: torch.device | str) -> Lists:
        """Return the rows on a device."""
        return Lists(self.values.to(device), self.offsets.to(device))


Block = dict[str, "Tensor | Lists"]


@dataclass
class Goal:
    """What a head is to reach: its values, and each row's weight (B,), known before the forward pass; None: all 1."""

    values: Block
    weight: Tensor | None

    def take(self, rows: Tensor) -> Goal:
        """Return the goal of these rows."""
        return Goal(_picked(self.values, rows), None if self.weight is None else self.weight.index_select(0, rows))


def _picked(block: Block, rows: Tensor) -> Block:
    return {
        name: part.take(rows) if isinstance(part, Lists) else part.index_select(0, rows) for name, part in block.items()
    }


@dataclass
class Batch:
    """Some rows: their inputs by block, their targets by name, weights (B,) and row numbers (B,)."""

    inputs: dict[str, Block]
    targets: dict[str, Block] = field(default_factory=dict)
    weight: Tensor | None = None
    rows: Tensor | None = None
    draw: Draw | None = None  # given while training: where random numbers for each row come from
    augment: bool = False
    goals: dict[str, Goal] = field(default_factory=dict)  # of targets that were taught for all rows at once

    def __len__(self) -> int:
        if self.rows is not None:
            return len(self.rows)
        first = next(iter([*self.inputs.values(), *self.targets.values()]))
        return len(next(iter(first.values())))


def tensors(arrays: Arrays, device: torch.device | str = "cpu") -> Block:
    """Return encoded arrays as tensors on a device, floats in the default precision (a copy only where one is needed).

    What holds texts or other objects stays out: networks compute with numbers. Where a float array holds NaN, its
    tensor holds 0, and a mask stands beside it under its name and `_missing`: where nothing is missing, no step looks
    for it.
    """
    out: Block = {}
    for name, array in arrays.items():
        if isinstance(array, Ragged):
            out[name] = Lists(_tensor(array.values), _tensor(array.offsets)).to(device)
            continue
        if isinstance(array, np.ndarray) and array.dtype == object:
            continue
        if isinstance(array, Gapped):
            out[f"{name}_missing"] = torch.from_numpy(array.missing).to(device)
            array = array.values
        elif array.dtype.kind == "f" and np.isnan(np.min(array, initial=0.0)):  # a minimum carries a NaN on
            missing = np.isnan(array)
            out[f"{name}_missing"] = torch.from_numpy(missing).to(device)
            array = np.where(missing, array.dtype.type(0), array)
        out[name] = _tensor(array).to(device)
    return out


def _tensor(array: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


class Rows:
    """All encoded rows as tensors on one device, from which batches are taken by row number.

    `inputs` and `targets` hold a block each; `weight` (n,).
    """

    def __init__(
        self, inputs: dict[str, Block], targets: dict[str, Block], weight: Tensor | None = None, *, count: int
    ) -> None:
        self.inputs, self.targets, self.weight, self.count = inputs, targets, weight, count
        self.goals: dict[str, Goal] = {}

    def __len__(self) -> int:
        return self.count

    def begin(self, seed: int, epoch: int) -> None:
        """Make ready for an epoch."""

    def take(self, rows: Tensor, *, draw: Draw | None = None, augment: bool = False) -> Batch:
        """Return the batch of these rows (B,) int64."""
        return Batch(
            {key: _picked(block, rows) for key, block in self.inputs.items()},
            {key: _picked(block, rows) for key, block in self.targets.items() if key not in self.goals},
            None if self.weight is None else self.weight[rows],
            rows, draw, augment, {key: goal.take(rows) for key, goal in self.goals.items()},
        )  # fmt: skip
