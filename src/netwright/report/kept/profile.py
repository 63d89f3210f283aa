"""The profile of a table: what stands in each column, by the parts of the rows. n rows.

Counts of missing values and extremes are of all rows; shares, quartiles and histograms of an even sample where there
are many, so that a million rows of twenty columns take less than a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from netwright.kinds import parse

if TYPE_CHECKING:
    from netwright.data.schema import Described, Fitted
    from netwright.data.splits import Parts
    from netwright.kinds.base import Kind

LOOK = 50_000
"""Rows of a part that are looked at one by one: a share is then right within about 0.5 %."""
COLUMNS = 200
BINS = 24
FREQUENT = 8
CLASSES = 100
"""Values of a target that are counted by name."""
_PARTS = ("train", "validation", "test")


def profile(described: Described, parts: Parts, fitted: Fitted) -> dict[str, Any]:
    """Return what the report says of the data: the parts' sizes and, for each column, its kind, gaps and values."""
    frame = described.table.frame
    part = np.full(frame.height, 3, np.uint8)  # 3: in no part
    for number, name in enumerate(_PARTS):
        part[parts[name]] = number
    looked = {name: _even(parts[name]) for name in _PARTS}
    columns = [(column, "target") for column in described.targets] + [(column, "input") for column in described.inputs]
    kinds: dict[str, Kind] = {name: kind for kind in fitted.inputs.values() for name in kind.columns}
    kinds |= {kind.columns[0]: kind for kind in fitted.targets.values()}
    return {
        "rows": {name: len(parts[name]) for name in _PARTS},
        "looked": {name: len(rows) for name, rows in looked.items()},
        "columns": [
            _column(frame[column.name], column, role, part, looked, kinds.get(column.name))
            for column, role in columns[:COLUMNS]
        ],
        "count": len(columns),
        "left_out": [{"name": name, "why": why} for name, why in described.left_out.items()],
    }


def _even(rows: np.ndarray) -> np.ndarray:
    """At most LOOK rows, evenly taken."""
    return rows[:: max(1, -(-len(rows) // LOOK))]


def _column(
    values: pl.Series, column: Any, role: str, part: np.ndarray, looked: dict[str, np.ndarray], kind: Kind | None
) -> dict[str, Any]:
    missing = _gaps(values)
    counts = np.bincount(part[missing], minlength=4) if missing is not None else np.zeros(4, int)
    out = {
        "name": column.name,
        "role": role,
        "kind": column.kind,
        "why": column.reason,
        "missing": dict(zip(_PARTS, counts.tolist(), strict=False)),
    }
    samples = {name: values[rows] for name, rows in looked.items()}
    if column.kind in ("number", "date"):
        return out | _distinct(values) | _amounts(values, samples, date=column.kind == "date")
    if column.kind in ("text", "match"):
        return out | _distinct(values) | _texts(samples)
    if column.kind == "image":
        size = {name: getattr(kind, name) for name in ("height", "wide", "channels")} if kind is not None else {}
        return out | size
    if column.kind == "tags":
        return out | _frequent({name: _tags_of(sample) for name, sample in samples.items()}, role)
    if column.kind == "span":
        return out
    if column.kind == "labels":
        return out | _frequent({name: _parts_of(sample, kind) for name, sample in samples.items()}, role)
    if not values.dtype.is_nested() and values.dtype != pl.Binary:
        return out | _frequent({name: _strings(each) for name, each in samples.items()}, role) | _distinct(values)
    return out


def _gaps(values: pl.Series) -> np.ndarray | None:
    """(n,) which values are missing, or None where none is."""
    if values.dtype.is_float() and values.is_nan().any():
        values = values.fill_nan(None)
    return values.is_null().to_numpy() if values.null_count() else None


def _distinct(values: pl.Series) -> dict[str, Any]:
    """How many different values there are; estimated (HyperLogLog, within about 2 %) where there are many rows."""
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        return {}
    about = len(values) > 2 * LOOK and values.dtype != pl.Boolean
    found = int(values.approx_n_unique()) if about else values.n_unique()  # type: ignore[arg-type]
    return {"distinct": max(1, found - bool(values.null_count())), "about": about}


def _amounts(values: pl.Series, samples: dict[str, pl.Series], *, date: bool) -> dict[str, Any]:
    """Extremes, quartiles and a histogram of numbers, or of dates as days since 1970."""
    read = {name: _numbers(sample, date) for name, sample in samples.items()}
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


def _numbers(sample: pl.Series, date: bool) -> np.ndarray:
    """The values that are there, as numbers."""
    if date:
        found = parse.dates(sample).cast(pl.Int64).cast(pl.Float64) / 86_400e6
    else:
        found, _ = parse.numbers(sample)
    array = found.drop_nulls().to_numpy()
    return array[np.isfinite(array) & (np.abs(array) < 1e300)]


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _texts(samples: dict[str, pl.Series]) -> dict[str, Any]:
    """How long texts are, in characters."""
    read = {
        name: _joined(sample).drop_nulls().str.len_chars().to_numpy().astype(np.float64)
        for name, sample in samples.items()
    }
    train = read["train"]
    if not len(train):
        return {}
    every = np.concatenate(list(read.values()))
    low, high = float(every.min()), float(every.max())
    out: dict[str, Any] = {"length": {"low": low, "median": float(np.median(train)), "high": high}}
    return out if high <= low else {**out, "histogram": _histogram(read, low, high)}


def _joined(sample: pl.Series) -> pl.Series:
    """Values as texts; lists of words joined by blanks."""
    nested = sample.dtype.is_nested()
    return sample.cast(pl.List(pl.String)).list.join(" ") if nested else sample.cast(pl.String)


def _tags_of(sample: pl.Series) -> pl.Series:
    """All tags of all rows."""
    return _joined(sample).drop_nulls().str.split(" ").explode().drop_nulls().replace("", None).drop_nulls()


def _strings(sample: pl.Series) -> pl.Series:
    """Values as texts, as a category reads them: 1.0 is 1."""
    sample = sample.drop_nulls()
    if sample.dtype.is_float() and bool((sample % 1 == 0).all()):
        sample = sample.cast(pl.Int64, strict=False)
    return sample.cast(pl.String).str.strip_chars()


def _parts_of(sample: pl.Series, kind: Any) -> pl.Series:
    """All labels of all rows."""
    if sample.dtype == pl.String:
        sample = sample.str.split(kind.separator if kind is not None and kind.separator else "|")
    parts = sample.drop_nulls().explode().drop_nulls() if sample.dtype.is_nested() else sample.drop_nulls()
    texts = parts.cast(pl.String).str.strip_chars()
    return texts.filter(texts != "")


def _frequent(samples: dict[str, pl.Series], role: str) -> dict[str, Any]:
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
