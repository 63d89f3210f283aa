"""Intervals by the percentile bootstrap over rows (Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13).

n rows drawn n at a time with replacement, R times: how often each row was drawn, (n, R), times the row's own weight,
is a weighting, and a measure takes all of them at once. Where all of few rows are right, every drawing is: shares of
rows have at least Wilson's interval.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netwright.evaluation.metrics.base import Weighted

MOST, LEAST = 1_000, 100
LEVELS = (0.025, 0.975)  # of 95 %
DRAWS = 20_000_000  # row draws in all that a measure of sums may cost: about 0.3 s on one core (measured)
SORTED_DRAWS = 50_000_000  # the same for one that sorts, counting each class: about 0.7 s (measured)
CHUNK = 150_000  # row draws at a time, so that what is worked on stays in the processor's cache


def resamples(rows: int, *, classes: int = 1, sorts: bool = False) -> int:
    """How many resamples an interval is made of: 1,000, and fewer (at least 100) where that would take too long.

    >>> resamples(10_000), resamples(60_000), resamples(10_000, classes=100, sorts=True)
    (1000, 333, 100)
    """
    affordable = min(DRAWS // max(rows, 1), SORTED_DRAWS // max(rows * classes, 1) if sorts else MOST)
    return max(LEAST, min(MOST, affordable))


def intervals(
    measures: Mapping[str, Weighted], counts: Mapping[str, int], *, weight: np.ndarray, seed: int
) -> dict[str, tuple[float, float]]:
    """Return the 2.5 % and 97.5 % quantiles of each measure over `counts[name]` resamples; weight is (n,).

    The same seed gives the same intervals; resamples on which a measure is undefined (a class missing) are left out.
    """
    rows, random = len(weight), np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {name: [] for name in measures}
    wanted = max(counts.values(), default=0)
    step = max(1, min(CHUNK // rows, wanted))
    for start in range(0, wanted, step):
        width = min(step, wanted - start)
        places = random.integers(0, rows, (rows, width), np.int32).astype(np.int64) * width + np.arange(width)
        weights = np.bincount(places.ravel(), minlength=rows * width).reshape(rows, width) * weight[:, None]
        for name, over in measures.items():
            if (left := counts[name] - start) > 0:
                found[name].append(over(weights if left >= width else np.ascontiguousarray(weights[:, :left])))
    return {name: _bounds(np.concatenate(values)) for name, values in found.items()}


def wilson(part: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 95 % intervals of shares (Wilson 1927): they stay within 0 and 1, and hold for few rows.

    >>> low, high = wilson(np.array([0.0]), np.array([10]))
    >>> round(float(low[0]), 2), round(float(high[0]), 2)
    (0.0, 0.28)
    """
    z = 1.959964
    middle = (part + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(part * (1 - part) / count + z**2 / (4 * count**2))
    return (middle - half).clip(0, 1), (middle + half).clip(0, 1)


def widened(bounds: tuple[float, float], share: float, weight: np.ndarray) -> tuple[float, float]:
    """Return the bounds of a share of rows, no narrower than Wilson's for (Σ w)² / Σ w² rows.

    >>> [round(end, 2) for end in widened((1.0, 1.0), 1.0, np.ones(12))]
    [0.76, 1.0]
    """
    low, high = wilson(np.array([share]), np.array([weight.sum() ** 2 / (weight**2).sum()]))
    return min(bounds[0], float(low[0])), max(bounds[1], float(high[0]))


def _bounds(values: np.ndarray) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return np.nan, np.nan
    low, high = np.quantile(defined, LEVELS)
    return float(low), float(high)
