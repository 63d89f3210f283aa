"""The profile of a table: what stands in each column, by the parts of the rows. n rows.

Counts of missing values and extremes are of all rows; shares, quartiles and histograms of an even sample where there
are many, so that a million rows of twenty columns take less than a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from netwright.report import kinds
from netwright.report.kinds.values import LOOK

if TYPE_CHECKING:
    from netwright.data.schema import Described, Fitted
    from netwright.data.splits import Parts
    from netwright.kinds.base import Kind

COLUMNS = 200
_PARTS = ("train", "validation", "test")


def profile(described: Described, parts: Parts, fitted: Fitted) -> dict[str, Any]:
    """Return what the report says of the data: the parts' sizes and, for each column, its kind, gaps and values."""
    frame = described.table.frame
    part = np.full(frame.height, 3, np.uint8)  # 3: in no part
    for number, name in enumerate(_PARTS):
        part[parts[name]] = number
    looked = {name: _even(parts[name]) for name in _PARTS}
    columns = [(column, "target") for column in described.targets] + [(column, "input") for column in described.inputs]
    fitted_as: dict[str, Kind] = {name: kind for kind in fitted.inputs.values() for name in kind.columns}
    fitted_as |= {kind.columns[0]: kind for kind in fitted.targets.values()}
    return {
        "rows": {name: len(parts[name]) for name in _PARTS},
        "looked": {name: len(rows) for name, rows in looked.items()},
        "columns": [
            _column(frame[column.name], column, role, part, looked, fitted_as.get(column.name))
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
    return out | kinds.of(column.kind).profile(values, samples, kind, role)


def _gaps(values: pl.Series) -> np.ndarray | None:
    """(n,) which values are missing, or None where none is."""
    if values.dtype.is_float() and values.is_nan().any():
        values = values.fill_nan(None)
    return values.is_null().to_numpy() if values.null_count() else None
