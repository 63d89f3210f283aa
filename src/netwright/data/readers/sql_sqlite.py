"""SQLite, through the standard library, opened for reading alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from netwright.data.readers.frames import unique_names
from netwright.data.readers.values import declared, to_frame
from netwright.errors import InputError, Problem

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared

_READS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_TABLES = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY name"  # fmt: skip


@contextmanager
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file so that nothing but SELECT is allowed. Raises `InputError` where it is none of SQLite's."""
    try:
        opened = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise InputError(Problem(path.name, f"cannot be opened by SQLite: {error}")) from error
    with closing(opened):
        opened.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
        yield opened


def tables(opened: sqlite3.Connection, name: str) -> tuple[list[str], list[str]]:
    """Return the names of the tables and of the views."""
    try:
        found = opened.execute(_TABLES).fetchall()
    except sqlite3.Error as error:
        raise InputError(Problem(name, f"cannot be read by SQLite: {error}", fix="copy it again")) from error
    return [table for table, sort in found if sort == "table"], [table for table, sort in found if sort == "view"]


def whole(table: str) -> str:
    """Return the query that reads a table; SQLite gives its rows in the order of their rowid or primary key."""
    quoted = table.replace('"', '""')
    return f'SELECT * FROM "{quoted}"'


def fetch(
    opened: sqlite3.Connection, query: str, missing: tuple[str, ...], *, name: str
) -> tuple[pl.DataFrame, dict[str, Declared]]:
    """Return a query's rows, and what is declared of its columns. Raises `InputError` for what is no single SELECT, and for what SQLite refuses."""
    try:
        cursor = opened.execute(query)
        if cursor.description is None:
            raise InputError(Problem("read.query", "gives no rows", allowed="one SELECT: sources are read-only"))
        rows = cursor.fetchall()
    except (sqlite3.Error, sqlite3.Warning) as error:
        allowed = "one SELECT: sources are read-only"
        denied = "not authorized" in str(error) or "one statement" in str(error)
        raise InputError(
            Problem("read.query", f"{name} refuses it: {str(error).rstrip('.')}", allowed=allowed if denied else "")
        ) from error
    fix = "name each once: SELECT a.id AS a_id, b.id AS b_id"
    names = unique_names([entry[0] for entry in cursor.description], where="read.query", fix=fix)
    columns = [[row[place] for row in rows] for place in range(len(names))]
    return to_frame(names, columns, missing, where=name, texts=False), declared(names, columns, {})
