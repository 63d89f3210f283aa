"""DuckDB, through the package `duckdb`, opened for reading alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.frames import unique_names
from netwright.data.readers.values import declared, to_frame
from netwright.errors import InputError, Problem, absent
from netwright.events import say

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared

_ALLOWED = "one SELECT: sources are read-only"
_ZONED = "TIMESTAMP WITH TIME ZONE"  # needs another package, pytz, to become a Python value
_TABLES = """SELECT table_schema, table_name, table_type <> 'BASE TABLE' FROM information_schema.tables
WHERE table_catalog = current_database() ORDER BY ALL"""


@contextmanager
def connection(path: Path) -> Iterator[Any]:
    """Open a file for reading alone. Raises `InputError` where the package is absent or the file is none of DuckDB's."""
    try:
        import duckdb
    except ImportError as error:
        raise absent("duckdb", "sql", where=path.name) from error
    try:
        opened = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise InputError(Problem(path.name, f"cannot be opened by DuckDB: {_first(error)}")) from error
    with opened:
        yield opened


def tables(opened: Any) -> tuple[list[str], list[str]]:
    """Return the tables and the views, as a query names them."""
    found = [(name if schema == "main" else f"{schema}.{name}", view) for schema, name, view in opened.execute(_TABLES).fetchall()]  # fmt: skip
    return [name for name, view in found if not view], [name for name, view in found if view]


def whole(table: str) -> str:
    """Return the query that reads a table; DuckDB gives its rows in the order in which they were put in."""
    return f"SELECT * FROM {'.'.join(map(_quoted, table.split('.', 1)))}"


def fetch(opened: Any, query: str, missing: tuple[str, ...], *, name: str) -> tuple[pl.DataFrame, dict[str, Declared]]:
    """Return a query's rows, and what is declared of its columns. Raises `InputError` for what is no single SELECT, and for what DuckDB refuses."""
    import duckdb

    try:
        statements = duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            sorts = ", ".join(statement.type.name for statement in statements) or "no statement"
            raise InputError(Problem("read.query", f"holds {sorts}", allowed=_ALLOWED))
        rows = opened.sql(query)
        fix = "name each once: SELECT a.id AS a_id, b.id AS b_id"
        names = unique_names(rows.columns, where="read.query", fix=fix)
        enums = {
            name: sort.children[0][1] for name, sort in zip(names, rows.types, strict=True) if sort.id == "enum"
        }  # fmt: skip
        held = (rows.project(", ".join(_in_utc(rows, name))) if _ZONED in map(str, rows.types) else rows).fetchall()
    except duckdb.Error as error:
        raise InputError(Problem("read.query", f"{name} refuses it: {_first(error)}")) from error
    columns = [[row[place] for row in held] for place in range(len(names))]
    return to_frame(names, columns, missing, where=name, texts=False), declared(names, columns, enums)


def _in_utc(rows: Any, name: str) -> list[str]:
    """Return each column as an expression: times with a zone are put into UTC, and that is said."""
    zoned = [column for column, sort in zip(rows.columns, rows.types, strict=True) if str(sort) == _ZONED]
    for column in zoned:
        say("notice", "read.zone", f"{name}: {column}: times are converted to UTC", column=column)
    quoted = {column: _quoted(column) for column in rows.columns}
    return [f"{q} AT TIME ZONE 'UTC' AS {q}" if column in zoned else q for column, q in quoted.items()]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first(error: Exception) -> str:
    """What DuckDB says, without the line that it draws under the place."""
    return " ".join(str(error).partition("\n\nLINE")[0].split())
