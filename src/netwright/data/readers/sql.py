"""A query to a database: SQLite, DuckDB or PostgreSQL, opened for reading alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.address import Address
from netwright.errors import InputError, Problem
from netwright.events import say

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared, Table
    from netwright.recipe import Read

    Fetched = tuple[pl.DataFrame, dict[str, Declared]]  # a query's rows, and what is declared of its columns

FORMS = (
    ".db .sqlite .sqlite3 (SQLite), .duckdb, and their addresses sqlite:///FILE and duckdb:///FILE",
    "postgresql://USER@HOST/DATABASE",
)
_ENDINGS = (".db", ".db3", ".sqlite", ".sqlite3", ".duckdb")
_SQLITE, _DUCKDB = b"SQLite format 3\0", b"DUCK"  # SQLite's mark opens the file, DuckDB's stands at byte 8


def claims(data: Any) -> bool:
    """Say whether `data` is a database's address, or the path of a file that is a database.

    >>> claims(Path("shop.db")), claims(Path("a.csv"))
    (True, False)
    """
    return isinstance(data, Address) or (
        isinstance(data, Path) and data.suffix.lower() in _ENDINGS and not data.is_dir()
    )


def read(data: Path | Address, settings: Read) -> Table:
    """Read the rows of `read.query`, or of the only table, into a table.

    The id of a row is `DATABASE:TABLE:number` or, with a query, `DATABASE:number`: its number in what the query gives,
    counted from 1. A database promises no order without ORDER BY; that is said. The fingerprint is a hash of the rows.
    Raises `InputError` for a query that is refused, that writes, or that gives nothing, for several tables without a
    query, and for a server that cannot be reached.

    >>> import sqlite3, tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "shop.db"
    >>> with sqlite3.connect(path) as shop:
    ...     _ = shop.execute("CREATE TABLE orders (price REAL, paid INTEGER)")
    ...     _ = shop.execute("INSERT INTO orders VALUES (9.5, 1), (3, 0)")
    >>> table = read(path, Read())
    >>> table.ids(), table.frame.rows()
    (['shop.db:orders:1', 'shop.db:orders:2'], [(9.5, 1), (3.0, 0)])
    """
    from dataclasses import replace

    from netwright.data.readers.frames import content, finished
    from netwright.data.table import Table

    (frame, declared), name = _fetched(data, settings)
    if settings.query is not None and not re.search(r"\border\s+by\b", settings.query, re.IGNORECASE):
        text = f"{name}: read.query has no ORDER BY, and a database guarantees no order without it: if the order"
        say("notice", "read.order", f"{text} changes, row ids and split change too, and --resume refuses")
    if not frame.height:
        what = "gives no row" if settings.query is not None else "has no rows"
        raise InputError(Problem("read.query" if settings.query is not None else name, what, fix="look at its WHERE"))
    frame = finished(frame, name=name)
    table = replace(Table.of(frame, name=name, fingerprint=content(frame)), declared=declared)
    path = data if isinstance(data, Path) else None if data.scheme == "postgresql" else Path(data.file)
    return table if path is None else replace(table, folder=str(path.expanduser().parent))


def _fetched(data: Path | Address, settings: Read) -> tuple[Fetched, str]:
    """Return the rows, and by what name their numbers are counted."""
    if isinstance(data, Address) and data.scheme == "postgresql":
        return _postgresql(data, settings)
    if isinstance(data, Address):
        from netwright.data.readers import existing

        return _file(existing(data.file), data.scheme, settings)
    return _file(data, _sort(data), settings)


def _sort(path: Path) -> str:
    """Return which database a file is, by the mark in its first bytes."""
    from netwright.data.readers.content import readable

    with readable(path), path.open("rb") as stream:
        head = stream.read(16)
    if head[8:12] == _DUCKDB or (path.suffix.lower() == ".duckdb" and not head.startswith(_SQLITE)):
        return "duckdb"
    if head and head != _SQLITE:
        raise InputError(Problem(path.name, "is neither SQLite nor DuckDB", fix="name it by what it holds"))
    return "sqlite"


def _file(path: Path, scheme: str, settings: Read) -> tuple[Fetched, str]:
    """Return the rows of a database that is a file."""
    from netwright.data.readers import sql_duckdb, sql_sqlite

    if scheme == "sqlite":
        with sql_sqlite.connection(path) as opened:
            table = settings.query is None and _only(*sql_sqlite.tables(opened, path.name), name=path.name)
            query, name = _asked(settings, table, path.name, sql_sqlite.whole)
            return sql_sqlite.fetch(opened, query, settings.missing, name=name), name
    with sql_duckdb.connection(path) as opened:
        table = settings.query is None and _only(*sql_duckdb.tables(opened), name=path.name)
        query, name = _asked(settings, table, path.name, sql_duckdb.whole)
        return sql_duckdb.fetch(opened, query, settings.missing, name=name), name


def _postgresql(place: Address, settings: Read) -> tuple[Fetched, str]:
    """Return the rows of a database on a server."""
    from netwright.data.readers import sql_postgres

    if place.has_password:
        text = f"the password of {place.plain} is not stored: --resume, predict and evaluate take it from PGPASSWORD"
        say("notice", "read.password", text)
    with sql_postgres.connection(place) as opened:
        table = settings.query is None and _only(*sql_postgres.tables(opened), name=place.name)
        query, name = _asked(settings, table, place.name, lambda one: sql_postgres.whole(opened, one))
        return sql_postgres.fetch(opened, query, settings.missing, place=place), name


def _asked(settings: Read, table: str | bool, database: str, whole: Any) -> tuple[str, str]:
    """Return the query, and by what name its rows' numbers are counted."""
    if settings.query is not None:
        return settings.query, database
    assert isinstance(table, str)
    return whole(table), f"{database}:{table}"


def _only(tables: list[str], views: list[str], *, name: str) -> str:
    """Return the only table, or where there is none the only view. Raises `InputError` naming all where there are more."""
    found = tables or views
    if not found:
        raise InputError(Problem(name, "holds no tables", fix="give another database"))
    if len(found) > 1:
        shown = ", ".join(found[:20]) + (", ..." if len(found) > 20 else "")
        fix = f'--read.query "SELECT * FROM {found[0]}"'
        raise InputError(Problem(name, f"holds {len(found)} tables: {shown}", fix=f"say which rows: {fix}"))
    return found[0]
