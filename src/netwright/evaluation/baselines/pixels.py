"""Logistic regression (category, labels) or ridge regression (number) on images' pixels, each from 0 to 1.

Larger images are first averaged over squares, to at most 32 pixels a side.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from netwright.evaluation.baselines.models import fitted_answer
from netwright.evaluation.baselines.rows import Rows, check, columns_of, note

NAME = "pixels"
TARGETS, READS, LEAST = ("one_of", "value", "some_of"), ("image",), 1
ROWS = 20_000
SIDE = 32
STEPS = 200
AT_A_TIME = 1_000  # images made into floats at a time


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Fit on up to 20,000 training rows, answer for the test rows. Raises ValueError where there is one class only."""
    from sklearn.linear_model import LogisticRegression, Ridge

    check(train, target)
    train = train.at_most(ROWS, seed=seed)
    names = columns_of(columns, "image")
    for name in names:
        height, wide = train.arrays[name]["pixels"].shape[1:3]
        if _factor(height, wide) > 1:
            note(f"{name}: averaged over squares of {_factor(height, wide)} pixels a side")
    return fitted_answer(
        partial(LogisticRegression, max_iter=STEPS), Ridge,
        train=_flat(train, names), test=_flat(test, names), truth=train.truth, weight=train.weight, target=target,
        classes=classes,
    )  # fmt: skip


def _factor(height: int, wide: int) -> int:
    return -(-max(height, wide) // SIDE)


def _flat(rows: Rows, names: list[str]) -> np.ndarray:
    """(n, k) float32, all image columns side by side."""
    return np.hstack([_averaged(rows.arrays[name]["pixels"]) for name in names])


def _averaged(pixels: np.ndarray) -> np.ndarray:
    """(n, H, W, C) uint8 → (n, h·w·C) float32 from 0 to 1; a last square that is not whole is left out."""
    count, height, wide, channels = pixels.shape
    side = _factor(height, wide)
    high, long = max(height // side, 1), max(wide // side, 1)
    tall, broad = min(side, height), min(side, wide)
    out = np.empty((count, high * long * channels), np.float32)
    for start in range(0, count, AT_A_TIME):
        part = pixels[start : start + AT_A_TIME, : high * tall, : long * broad]
        squares = part.reshape(len(part), high, tall, long, broad, channels)
        out[start : start + AT_A_TIME] = squares.mean((2, 4), dtype=np.float32).reshape(len(part), -1) / 255
    return out
