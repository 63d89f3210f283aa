"""A text as its words, each of which knows its place: lists of words as they are, other texts parted by blanks.

n rows, characters counted as Python counts them (Unicode code points).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netwright.errors import InputError, Problem
from netwright.kinds.values.text import parted as parted
from netwright.kinds.values.text import whole as whole_of

if TYPE_CHECKING:
    import polars as pl


def values(column: pl.Series) -> list[Any]:
    """Return a column's values as texts or lists of texts, None where missing.

    Raises `InputError` where they are neither.
    """
    import polars as pl

    dtype = column.dtype
    listed = isinstance(dtype, pl.List | pl.Array)
    inner = dtype.inner if listed else dtype  # type: ignore[attr-defined]
    if inner.is_nested() or inner == pl.Binary:
        what = f"the column {column.name!r} holds values of type {dtype}, which are no text"
        raise InputError(Problem(column.name, what, allowed="texts, or lists of words"))
    return column.to_list() if listed or dtype == pl.String else column.cast(pl.String).to_list()


def texts(cells: Sequence[Any], name: str) -> Sequence[Any]:
    """Return cells as texts or lists of texts, None where missing. Raises `InputError` where they are neither."""
    if not isinstance(cells, np.ndarray) and all(cell is None or isinstance(cell, str) for cell in cells):
        return cells
    import polars as pl

    return values(pl.Series(name, cells if isinstance(cells, np.ndarray) else list(cells), strict=False))


def whole(column: pl.Series) -> list[str]:
    """Return a column's values as texts: lists joined by blanks, the empty text where missing."""
    return list(map(whole_of, values(column)))


def counts(column: pl.Series) -> np.ndarray:
    """(n,) how many words each value has."""
    return np.fromiter((len(parted(value).words) for value in values(column)), np.int64, len(column))
