"""What stands in a column: extremes, quartiles, histograms, lengths, frequent values. n rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from netwright.kinds import parse

LOOK = 50_000
"""Rows of a part that are looked at one by one: a share is then right within about 0.5 %."""
BINS = 24
FREQUENT = 8
CLASSES = 100
"""Values of a target that are counted by name."""


def distinct(values: pl.Series) -> dict[str, Any]:
    """How many different values there are; estimated (HyperLogLog, within about 2 %) where there are many rows."""
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        return {}
    about = len(values) > 2 * LOOK and values.dtype != pl.Boolean
    found = int(values.approx_n_unique()) if about else values.n_unique()  # type: ignore[arg-type]
    return {"distinct": max(1, found - bool(values.null_count())), "about": about}


def amounts(
    values: pl.Series, samples: dict[str, pl.Series], read_: Callable[[pl.Series], np.ndarray]
) -> dict[str, Any]:
    """Return extremes, quartiles and a histogram of what `read_` makes of the samples."""
    read = {name: read_(sample) for name, sample in samples.items()}
    train = read["train"]
    if not len(train):
        return {}
    if values.dtype.is_numeric():
        whole = values.cast(pl.Float64, strict=False)
        whole = whole if np.isfinite(whole.max() or 0.0) and np.isfinite(whole.min() or 0.0) else whole.filter(whole.is_finite())  # type: ignore[arg-type]  # fmt: skip
        low, high = float(whole.min()), float(whole.max())  # type: ignore[arg-type]
    else:
        every = np.concatenate(list(read.values()))
        low, high = float(every.min()), float(every.max())
    quartiles = np.quantile(train, [0.25, 0.5, 0.75])
    with np.errstate(over="ignore"):
        out = {
            "low": low, "high": high, "quartiles": quartiles.tolist(), "mean": _finite(train.mean()),
            "deviation": _finite(train.std()),
        }  # fmt: skip
    return out | ({} if not np.isfinite(high - low) or high <= low else {"histogram": _histogram(read, low, high)})


def _histogram(read: dict[str, np.ndarray], low: float, high: float) -> dict[str, Any]:
    """Counts in BINS steps of equal width; the tails beyond 0.5 % and 99.5 % stand in the outer steps where they are long."""
    inner = np.quantile(read["train"], [0.005, 0.995])
    if inner[1] > inner[0] and high - low > 4 * (inner[1] - inner[0]):
        low, high = float(inner[0]), float(inner[1])
    whole = all((each == np.round(each)).all() for each in read.values())
    steps = int(high - low) + 1 if whole and high - low < BINS else BINS
    if steps < BINS:  # few whole numbers: a step each
        low, high = low - 0.5, high + 0.5
    counts = {}
    for name, each in read.items():
        places = ((each - low) / (high - low) * steps).clip(0, steps - 1).astype(np.int64)
        counts[name] = np.bincount(places, minlength=steps).tolist()
    return {"low": low, "high": high, **counts}


def numbers(sample: pl.Series) -> np.ndarray:
    """Return the values that are there, as numbers."""
    return there(parse.numbers(sample))


def there(found: pl.Series) -> np.ndarray:
    """Return finite numbers alone."""
    array = found.drop_nulls().to_numpy()
    return array[np.isfinite(array) & (np.abs(array) < 1e300)]


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def texts(samples: dict[str, pl.Series]) -> dict[str, Any]:
    """How long texts are, in characters."""
    read = {
        name: joined(sample).drop_nulls().str.len_chars().to_numpy().astype(np.float64)
        for name, sample in samples.items()
    }
    train = read["train"]
    if not len(train):
        return {}
    every = np.concatenate(list(read.values()))
    low, high = float(every.min()), float(every.max())
    out: dict[str, Any] = {"length": {"low": low, "median": float(np.median(train)), "high": high}}
    return out if high <= low else {**out, "histogram": _histogram(read, low, high)}


def joined(sample: pl.Series) -> pl.Series:
    """Values as texts; lists of words joined by blanks."""
    nested = sample.dtype.is_nested()
    return sample.cast(pl.List(pl.String)).list.join(" ") if nested else sample.cast(pl.String)


def strings(sample: pl.Series) -> pl.Series:
    """Values as texts, as a category reads them: 1.0 is 1."""
    sample = sample.drop_nulls()
    if sample.dtype.is_float() and bool((sample % 1 == 0).all()):
        sample = sample.cast(pl.Int64, strict=False)
    return sample.cast(pl.String).str.strip_chars()


def frequent(samples: dict[str, pl.Series], role: str) -> dict[str, Any]:
    """The most frequent values of the training rows with their counts in each part's sample, and how many are others."""
    counts = {
        name: dict(zip(*_counted(sample), strict=True)) if len(sample) else {} for name, sample in samples.items()
    }
    order = sorted(counts["train"], key=lambda value: (-counts["train"][value], value))
    shown = order[: CLASSES if role == "target" else FREQUENT]
    return {
        "distinct": len(set().union(*counts.values())),
        "frequent": [
            {"value": value[:200], **{name: each.get(value, 0) for name, each in counts.items()}} for value in shown
        ],
        "others": {
            "values": len(set().union(*counts.values())) - len(shown),
            **{name: sum(each.values()) - sum(each.get(v, 0) for v in shown) for name, each in counts.items()},
        },
    }


def _counted(sample: pl.Series) -> tuple[list[str], list[int]]:
    table = sample.alias("value").value_counts(name="rows")
    return table["value"].to_list(), table["rows"].to_list()
