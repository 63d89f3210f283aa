"""The rows that a baseline is fitted on or answers. n rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from netwright.events import say

NOTE = "baseline.note"
SCORED = {"one_of": "category", "value": "number", "some_of": "labels"}  # whose metrics measure such answers


@dataclass(frozen=True)
class Rows:
    """Input columns as they were read, and the target.

    `truth` is (n,) class numbers, (n,) numbers in the target's own unit, or (n, C) 0/1; `weight` is (n,), or None where
    all rows count alike. `arrays` holds encoded columns, used only for images: `arrays[column]["pixels"]` (n, H, W, C)
    uint8.
    """

    frame: pl.DataFrame
    truth: np.ndarray
    weight: np.ndarray | None = None
    arrays: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: np.ndarray) -> Rows:
        """Return these rows, in their order."""
        return Rows(
            frame=self.frame[rows],
            truth=self.truth[rows],
            weight=None if self.weight is None else self.weight[rows],
            arrays={name: {key: part[rows] for key, part in parts.items()} for name, parts in self.arrays.items()},
        )

    def at_most(self, count: int, *, seed: int) -> Rows:
        """Return all rows, or `count` of them picked by `seed`, which is noted."""
        if len(self) <= count:
            return self
        note(f"fitted on {count:,} of the {len(self):,} training rows, picked at random, to bound its time")
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False)))


def check(train: Rows, target: str) -> None:
    """Raise ValueError where there are no training rows, or all are of one class."""
    if not len(train):
        raise ValueError("there are no training rows")
    if target == "one_of" and len(np.unique(train.truth)) < 2:
        raise ValueError("all training rows are of one class")


def note(text: str) -> None:
    """Say what the user must know of how a baseline was fitted."""
    say("notice", NOTE, text)


def columns_of(columns: Mapping[str, str], *kinds: str) -> list[str]:
    """Names of the columns of these kinds."""
    return [name for name, kind in columns.items() if kind in kinds]
