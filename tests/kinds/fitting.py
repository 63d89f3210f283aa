"""What the tests of the kinds share: fit a column, encode others, hear what was said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from netwright.data.media import read
from netwright.data.table import Table
from netwright.kinds.base import Kind, Role, Target
from netwright.kinds.infer import able, check_options, kind_class
from netwright.runtime.arrays import Arrays


def ids(rows: Iterable[int]) -> list[str]:
    """Row ids as a table gives them."""
    return [f"rows:{row + 1}" for row in rows]


def fit(kind: str, values: Any, role: Role = "input", **settings: Any) -> Any:
    """A kind fitted to one column `x` (or to the columns of a dict)."""
    frame = pl.DataFrame(values if isinstance(values, dict) else {"x": values})
    role = role if role in roles(kind) else "target"
    return kind_class(kind, role).fit(frame, check_options(kind, settings, "columns.x", role))


def encode(kind: Kind, values: Any) -> Arrays:
    """Other values of the same column, encoded."""
    frame = pl.DataFrame(values if isinstance(values, dict) else {"x": values})
    return (
        kind.encode(frame, ids)
        if isinstance(kind, Target)
        else kind.encode(read(kind, frame, Table.of(frame, name="rows")), ids)
    )  # type: ignore[attr-defined]


def roles(kind: str) -> list[str]:
    """What a kind can be."""
    return [role for role in ("input", "target") if kind in able(role)]
