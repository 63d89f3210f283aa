"""What the tests of the kinds share: fit a column, encode others, hear what was said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from netwright.kinds.base import Kind, Role
from netwright.kinds.infer import check_options, kind_class
from netwright.runtime.arrays import Arrays


def ids(rows: Iterable[int]) -> list[str]:
    """Row ids as a table gives them."""
    return [f"rows:{row + 1}" for row in rows]


def fit(kind: str, values: Any, role: Role = "input", **settings: Any) -> Any:
    """A kind fitted to one column `x` (or to the columns of a dict)."""
    frame = pl.DataFrame(values if isinstance(values, dict) else {"x": values})
    return kind_class(kind).fit(frame, check_options(kind, settings, "columns.x"), role)


def encode(kind: Kind, values: Any) -> Arrays:
    """Other values of the same column, encoded."""
    return kind.encode(pl.DataFrame(values if isinstance(values, dict) else {"x": values}), ids)  # type: ignore[arg-type]
