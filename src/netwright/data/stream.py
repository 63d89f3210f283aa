"""A source part by part: for work that looks at each row once, of any number of rows, in the memory of some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Table


@dataclass(frozen=True)
class Stream:
    """Rows that are read when they are asked for.

    `part(first, count, names)` reads these columns of up to `count` rows from `first` on; `whole(names)` all their values.
    """

    name: str
    rows: int
    schema: dict[str, Any]
    part: Callable[[int, int, list[str]], Table]
    whole: Callable[[list[str]], pl.DataFrame]

    @classmethod
    def of(cls, table: Table) -> Stream:
        """Return the parts of a table that is there already."""

        def part(first: int, count: int, names: list[str]) -> Table:
            own = table.slice(first, count)
            return replace(own, frame=own.frame.select(names))

        return cls(table.name, len(table), dict(table.frame.schema), part, table.frame.select)

    def __len__(self) -> int:
        return self.rows
