"""Cells that name files: found once, from the table's own folder first, and told apart by content. n rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from netwright.data.table import Table
from netwright.events import say
from netwright.kinds.base import Input, Kind, cells

LOOKED_FOR = 50  # names of files that are looked for in each folder
WEB = ("http://", "https://", "ftp://", "s3://", "gs://")


def read(kind: Input, frame: pl.DataFrame, folder: str | None) -> list[Sequence[Any]]:
    """Return the cells of a kind's columns as it encodes them: names of files as paths, where `folder` allows any.

    `folder`: where the table lies; None: the cells came over the wire, and name no file.
    """
    columns = [cells(frame[name]) for name in kind.columns]
    return [paths(column, folder) for column in columns] if kind.media and folder is not None else columns


def paths(column: Sequence[Any], folder: str) -> Sequence[Any]:
    """Return cells with a path in place of each text, and of each object's that has no bytes."""
    named = [cell for cell in column if isinstance(cell, str)] if isinstance(column, list) else []
    if not named and not any(isinstance(cell, dict) for cell in column[:1]):
        return column
    root = base_of(named, folder)

    def one(cell: Any) -> Any:
        if isinstance(cell, dict):
            return cell if cell.get("bytes") or not cell.get("path") else root / cell["path"]
        return root / cell if isinstance(cell, str) and not cell.startswith(WEB) else cell

    return [one(cell) for cell in column]


def base_of(names: Sequence[str], folder: str) -> Path:
    """Return the folder that names start from: the table's own, where one of them stands there, else the current one."""
    look = [name for name in names[:LOOKED_FOR] if not Path(name).is_absolute()]
    if not folder or not look or any((Path(folder) / name).exists() for name in look):
        return Path(folder)
    return Path() if any(Path(name).exists() for name in look) else Path(folder)


def absolute(column: pl.Series, folder: str) -> pl.Series:
    """Return a column whose names of files start from where they are, other columns as they are."""
    if column.dtype != pl.String:
        return column
    found = paths(cells(column), folder)
    return pl.Series(column.name, [None if cell is None else str(cell) for cell in found], dtype=pl.String)


def say_folder(table: Table, name: str) -> None:
    """Say where a column's files are, where that is not the table's own folder."""
    column = table.frame[name]
    named = column.drop_nulls().head(LOOKED_FOR).to_list() if column.dtype == pl.String else []
    if named and table.folder and base_of(named, table.folder) != Path(table.folder) and not Path(named[0]).is_absolute():  # fmt: skip
        text = f"{name}: its files are read from the current folder; none of them is in {table.folder}"
        say("notice", "media.folder", text, column=name)


def contents(kind: Kind, column: pl.Series, folder: str) -> pl.Series:
    """Return a digest of each cell's file in place of its name; other columns as they are. A file that is not there keeps
    its name."""
    if not kind.media or column.dtype != pl.String:
        return column
    return pl.Series(column.name, [_digest(cell) for cell in paths(cells(column), folder)], dtype=pl.String)


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
    if not isinstance(cell, Path):
        return None if cell is None else str(cell)
    try:
        with cell.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError:
        return f"{cell} is not there"
