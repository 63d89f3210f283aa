"""The table: rows with named columns, each row with an id that leads back to its file and line.

n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
import polars as pl

from netwright.data.readers import mapped
from netwright.errors import InputError, Problem, nearest


class Ids(Sequence[str]):
    """Ids of n rows, made when they are asked for: of millions, a few are shown.

    >>> Ids(3, lambda place: f"x.csv:{place + 2}")[1:]
    ['x.csv:3', 'x.csv:4']
    """

    def __init__(self, n: int, make: Callable[[int], str]) -> None:
        self.n, self.make = n, make

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self.make(each) for each in range(self.n)[place]]
        return self.make(range(self.n)[place])


def meant(name: str, columns: Sequence[str]) -> str:
    """Return what to do about a name that is no column: it may be a part of one whose name holds a comma.

    >>> print(meant("size", ["size, m2"]))
    a name with a comma stands in quotes, as in '"size, m2"'
    """
    whole = [column for column in columns if "," in column and name in map(str.strip, column.split(","))]
    return f"a name with a comma stands in quotes, as in '\"{whole[0]}\"'" if whole else nearest(name, columns)


@dataclass(frozen=True)
class Declared:
    """What a source knows of a column, which is then not guessed from its values.

    `kind`: what it holds; None: that is guessed, but with `text` its texts are no numbers, however they look. `reason`
    completes "because". `classes`: the values that may stand in it, as texts; `ordered`: whether their order has a meaning.
    """

    kind: str | None = None
    reason: str = ""
    classes: tuple[str, ...] = ()
    ordered: bool = False
    text: bool = False

    def joined(self, other: Declared | None) -> Declared:
        """Return the declaration of both tables' rows: the classes of both, this one's order first."""
        more = () if other is None else tuple(one for one in other.classes if one not in self.classes)
        return replace(self, classes=(*self.classes, *more)) if self.classes and more else self


@dataclass(frozen=True)
class Table:
    """Rows with named columns.

    `frame` holds the values (n rows). `files` names where rows come from; `file` (n,) says which of them each row is
    from and `line` (n,) where in it (a line number counted from 1; 0 where the file is itself the row, as an image is).
    `splits` (n,) is "train", "validation" or "test" where the source itself divides its rows, else None.
    `fingerprint` is a hash of the content, by which a changed source is noticed. `folder` is where the source lies: the
    files that its cells name may be named from there; None: its cells came over the wire, and name none. `bases` is, by
    column whose cells name files, the folder where they were found. `declared` is what the source knows of columns, and
    `together` groups columns that tell of one annotation: where one is the target, the others are no inputs.

    >>> table = Table.of(pl.DataFrame({"a": [1, 2]}), name="x.csv")
    >>> table.id(1)
    'x.csv:2'
    """

    frame: pl.DataFrame
    files: tuple[str, ...]
    file: np.ndarray
    line: np.ndarray
    fingerprint: str = ""
    splits: np.ndarray | None = None
    name: str = "table"
    folder: str | None = ""
    declared: Mapping[str, Declared] = field(default_factory=dict)
    together: tuple[tuple[str, ...], ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pl.DataFrame, *, name: str, first_line: int = 1, fingerprint: str = "") -> Table:
        """Make a table of a frame whose rows all come from `name`, one a line, starting at `first_line`."""
        n = frame.height
        return cls(
            frame,
            (name,),
            np.zeros(n, np.int32),
            np.arange(first_line, first_line + n),
            fingerprint=fingerprint,
            name=name,
        )

    def __len__(self) -> int:
        return self.frame.height

    @property
    def columns(self) -> list[str]:
        """The columns' names, in the source's order."""
        return self.frame.columns

    def id(self, row: int) -> str:
        """Return the row's id: `file:line`, or the file alone where it is itself the row."""
        name, line = self.files[self.file[row]], int(self.line[row])
        return f"{name}:{line}" if line else name

    def ids(self, rows: np.ndarray | list[int] | None = None) -> list[str]:
        """Return the ids of `rows` (default: all)."""
        return [self.id(int(row)) for row in (range(len(self)) if rows is None else rows)]

    def id_column(self) -> pl.Series:
        """Return the ids of all rows as a column.

        >>> Table.of(pl.DataFrame({"a": [1, 2]}), name="x.csv").id_column().to_list()
        ['x.csv:1', 'x.csv:2']
        """
        names = pl.Series(self.files, dtype=pl.String)
        name = pl.lit(names[0]) if len(names) == 1 else pl.lit(names.gather(self.file))
        line = pl.lit(pl.Series("line", self.line))
        lines = pl.concat_str(name, pl.lit(":"), line.cast(pl.String))
        return pl.select(pl.when(line > 0).then(lines).otherwise(name).alias("id")).to_series()

    def named(self, rows: np.ndarray | Sequence[int]) -> Ids:
        """Return the ids of `rows`, made when they are asked for."""
        return Ids(len(rows), lambda place: self.id(int(rows[place])))

    def take(self, rows: np.ndarray) -> Table:
        """Return the table of these rows (indices), in their order; many are laid down and mapped, not held."""
        splits = None if self.splits is None else self.splits[rows]
        return replace(
            self, frame=mapped.picked(self.frame, rows), file=self.file[rows], line=self.line[rows], splits=splits
        )

    def slice(self, first: int, count: int) -> Table:
        """Return the table of up to `count` rows from `first` on; nothing is copied."""
        rows = slice(first, first + count)
        splits = None if self.splits is None else self.splits[rows]
        frame = self.frame.slice(first, count)
        return replace(self, frame=frame, file=self.file[rows], line=self.line[rows], splits=splits)

    def require(self, names: list[str], *, setting: str) -> None:
        """Raise `InputError` naming each of `names` that is not a column; `setting` is where the user gave them."""
        missing = dict.fromkeys(name for name in names if name not in self.frame.columns)
        if missing:
            raise InputError(
                *(
                    Problem(setting, f"{self.name} has no column {name!r}", fix=meant(name, self.columns))
                    for name in missing
                )
            )
