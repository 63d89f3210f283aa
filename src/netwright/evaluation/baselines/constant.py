"""The same answer for every row: the least that any model must beat.

A category's class shares p_c = N_c / N (weights summed), the mean of a number, the share of rows that have a label:
the constants of least log loss and least squared error.
"""

from __future__ import annotations

import numpy as np

from netwright.evaluation.baselines.rows import Rows

NAME = "constant"
TARGETS, READS, LEAST = ("one_of", "value", "some_of"), (), 0


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the training rows' shares or mean for each test row. Raises ValueError where no row has weight."""
    weight = np.ones(len(train)) if train.weight is None else train.weight
    if not weight.sum() > 0:
        raise ValueError("there are no training rows")
    if target == "value":
        return {"value": np.full(len(test), np.average(train.truth, weights=weight))}
    if target == "some_of":
        shares = np.average(train.truth, axis=0, weights=weight)
    else:
        shares = np.bincount(train.truth, weights=weight, minlength=classes) / weight.sum()
    return {"probability": np.tile(shares, (len(test), 1))}
