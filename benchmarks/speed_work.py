"""The pieces of work that `speed.py` times, as arrays: the same numbers for every side. Needs numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Work:
    """A network, how many rows it is trained on, in batches of how many, for how many epochs."""

    net: str
    rows: int
    batch: int
    epochs: int


WORK = {
    "dense, cold": Work("dense", 3_200, 32, 10),
    "dense, steady": Work("dense", 64_000, 32, 3),
    "convnet": Work("convnet", 3_200, 32, 3),
    "lstm": Work("lstm", 480, 32, 3),
    "table": Work("table", 100_000, 200, 3),
}


def arrays(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets, made from a seed."""
    random = np.random.default_rng(0)
    n = work.rows
    if work.net == "dense":
        x = random.normal(size=(n, 4)).astype(np.float32)
        return x, (2 * x[:, 0] - x[:, 1] + np.abs(x[:, 2]) + 0.1 * random.normal(size=n)).astype(np.float32)
    if work.net == "convnet":
        y = random.integers(0, 10, n)
        x = random.integers(0, 120, (n, 28, 28, 1)).astype(np.uint8)
        for digit in range(10):  # a bright bar at a place that tells the class
            x[y == digit, 2 * digit + 4 : 2 * digit + 6, 4:24] += 120
        return x, y
    if work.net == "lstm":
        y = random.integers(0, 2, n)
        x = random.integers(2, 10_000, (n, 200)).astype(np.int32)
        x[:, 150:170] = np.where(random.random((n, 20)) < 0.3, 100 + y[:, None], x[:, 150:170])
        return x, y
    x = random.normal(size=(n, 20)).astype(np.float32)
    return x, ((x[:, :5] ** 2).sum(1) + x[:, 5] > 5).astype(np.int64)
