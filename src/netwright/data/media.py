"""Cells that name files: found once, from the table's own folder first, and told apart by content. n rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.kinds.base import Input, Kind, cells
from netwright.kinds.values.image import is_address

LOOKED_FOR = 50  # names of files that are looked for in each folder
DIGESTS = 2**17  # digests that are kept: what was hashed for one check is not read again for the next


def read(kind: Input, frame: pl.DataFrame, table: Table) -> list[Sequence[Any]]:
    """Return the cells of a kind's columns, in rows of `table`, as it encodes them: names of files as paths.

    A table without a folder came over the wire: its cells name no files.
    """
    columns = [cells(frame[name]) for name in kind.columns]
    if not kind.media or table.folder is None:
        return columns
    return [paths(column, base(table, name)) for column, name in zip(columns, kind.columns, strict=True)]


def paths(column: Sequence[Any], base: Path) -> Sequence[Any]:
    """Return cells with a path in place of each name of a file; addresses stay texts, for they are not opened."""
    if not isinstance(column, list):
        return column

    def one(cell: Any) -> Any:
        name = _named(cell)
        return cell if name is None or is_address(name) else base / name

    return [one(cell) for cell in column]


def _named(cell: Any) -> str | None:
    """The name of a file that a cell holds, be it a text or an object without bytes."""
    if isinstance(cell, dict):
        cell = None if cell.get("bytes") else cell.get("path")
    return cell if isinstance(cell, str) else None


def base(table: Table, name: str) -> Path:
    """Return the folder that a column's names start from: the one found before, else the table's own where one of the
    names stands there, else the current one where one stands there."""
    if (found := table.bases.get(name)) is not None:
        return Path(found)
    own = Path(table.folder or "")
    look = [name for name in _names(table.frame[name]) if not Path(name).is_absolute()]
    if not look or any(exists(own / name) for name in look):
        return own
    return Path() if any(exists(Path(name)) for name in look) else own


def beside(table: Table, other: Table) -> pl.DataFrame:
    """Return the other table's rows as they may stand in `table`: names of files that lie in its own folder with that folder."""
    if not other.folder or other.folder == table.folder:
        return other.frame
    own = Path(other.folder).absolute()
    there = [
        column.name
        for column in other.frame
        if column.dtype == pl.String and any(exists(own / name) for name in _names(column) if not Path(name).is_absolute())
    ]  # fmt: skip
    moved = [pl.Series(name, [None if one is None else str(own / one) for one in other.frame[name].to_list()]) for name in there]  # fmt: skip
    return other.frame.with_columns(moved)


def exists(path: Path) -> bool:
    """Whether a file is there; a text that cannot be a name is none."""
    return os.path.exists(path)


def _names(column: pl.Series) -> list[str]:
    """The first names of files in a column."""
    if column.dtype != pl.String and not isinstance(column.dtype, pl.Struct):
        return []
    found = map(_named, cells(column.drop_nulls().head(LOOKED_FOR)))
    return [name for name in found if name is not None and not is_address(name)]


def settled(table: Table, columns: Iterable[str]) -> Table:
    """Return the table with the folder of each column's files, which is said where names depend on it.

    Raises `InputError` where none of a column's values names a file, but all are addresses.
    """
    bases = dict(table.bases)
    for name in columns:
        _refuse_addresses(table, name)
        found = base(table, name)
        bases[name] = str(found)
        names = [one for one in _names(table.frame[name]) if not Path(one).is_absolute()]
        known = table.declared.get(name)
        if names and not (known and known.kind):  # else the source itself made the names
            why = (
                "" if found == Path(table.folder or "") else f": none of them is in {_shown(Path(table.folder or ''))}"
            )
            say("notice", "media.folder", f"{name}: its files are read from {_shown(found)}{why}", column=name)
    return replace(table, bases=bases)


def _refuse_addresses(table: Table, name: str) -> None:
    held = [_named(cell) for cell in cells(table.frame[name].drop_nulls().head(LOOKED_FOR))] if _names_files(table, name) else []  # fmt: skip
    if held and all(one is not None and is_address(one) for one in held):
        what = f"holds addresses, such as {held[0]}, and addresses are not opened"
        raise InputError(Problem(name, what, fix="download the files, and give their names"))


def _names_files(table: Table, name: str) -> bool:
    return table.frame[name].dtype == pl.String or isinstance(table.frame[name].dtype, pl.Struct)


def _shown(folder: Path) -> str:
    return "the current folder" if folder == Path() else str(folder)


def absolute(column: pl.Series, table: Table) -> pl.Series:
    """Return a column of a table's rows whose names of files start from where they are, other columns as they are."""
    if column.dtype != pl.String or table.folder is None:
        return column
    found = paths(cells(column), base(table, column.name))
    return pl.Series(column.name, [None if cell is None else str(cell) for cell in found], dtype=pl.String)


def contents(frame: pl.DataFrame, table: Table, kinds: Mapping[str, Kind]) -> pl.DataFrame:
    """Return rows of a table with a digest of each file in place of its name or bytes, in columns whose `kinds` name files.

    A file that is not there keeps its name.
    """
    out = []
    for column in frame:
        kind = kinds.get(column.name)
        if kind is None or not kind.media or not hashed(column.dtype):
            continue
        held = cells(column)
        held = held if table.folder is None else paths(held, base(table, column.name))
        out.append(pl.Series(column.name, [_digest(cell) for cell in held], dtype=pl.String))
    return frame.with_columns(out)


def hashed(dtype: Any) -> bool:
    """Whether cells of this type are told apart by what is in their files, or in their bytes."""
    return dtype == pl.String or dtype == pl.Binary or isinstance(dtype, pl.Struct)


def fingerprint(columns: Iterable[Sequence[Any]]) -> str:
    """Return a text that changes when any file that these cells name has changed; empty where they name none."""
    named = [cell for column in columns if isinstance(column, list) for cell in column if isinstance(cell, Path)]
    if not named:
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for cell in named:
        digest.update((_digest(cell) or "").encode())
    return digest.hexdigest()


def _digest(cell: Any) -> str | None:
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, bytes):
        return hashlib.blake2b(cell, digest_size=16).hexdigest()
    if not isinstance(cell, Path):
        return None if cell is None else str(cell)
    try:
        about = cell.stat()
        return _of_file(cell, about.st_size, about.st_mtime_ns, about.st_ino)
    except OSError:
        return f"{cell} is not there"


@lru_cache(maxsize=DIGESTS)
def _of_file(path: Path, size: int, changed: int, inode: int) -> str:
    """A file's digest; it is read again once its size or its time has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
