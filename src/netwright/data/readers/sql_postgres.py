"""PostgreSQL, through the package `psycopg`, in a session that can only read. The password is never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netwright.data.readers.address import Address
from netwright.data.readers.frames import unique_names
from netwright.data.readers.values import declared, to_frame
from netwright.errors import InputError, Problem, absent

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared

_SECONDS = 10  # to wait for the server
# a large table is otherwise read from where another reader of it stands, and by several workers as they come
_ONE_ORDER = "-c synchronize_seqscans=off -c max_parallel_workers_per_gather=0 -c default_transaction_read_only=on"
_TABLES = """SELECT table_schema, table_name, table_type <> 'BASE TABLE' FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_schema NOT LIKE 'pg@_%' ESCAPE '@'
ORDER BY table_schema, table_name"""
_KEY = """SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)"""

_ENUMS = "SELECT enumtypid, enumlabel FROM pg_enum WHERE enumtypid = ANY(%s::oid[]) ORDER BY enumtypid, enumsortorder"
_READS = re.compile(r"^(\s|--[^\n]*\n|/\*.*?\*/|\()*(SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE | re.DOTALL)
_ALLOWED = "one SELECT: sources are read-only"


@contextmanager
def connection(place: Address) -> Iterator[Any]:
    """Connect. Raises `InputError` where the package is absent, the server is not there, or it wants a password."""
    try:
        import psycopg
    except ImportError as error:
        raise absent("psycopg", "sql", where=place.plain) from error
    words = {"connect_timeout": _SECONDS, **place.connection()}
    words["options"] = f"{_ONE_ORDER} {words.get('options', '')}".strip()
    try:
        opened = psycopg.connect(**words)
    except psycopg.Error as error:
        text = _first(error, place)
        asks = "password" in text
        fix = "set PGPASSWORD or write ~/.pgpass, or check the user and the password" if asks else "check the address"
        raise InputError(Problem(place.plain, f"cannot be reached: {text}", fix=fix)) from None
    with opened:
        opened.read_only = True
        yield opened


def tables(opened: Any) -> tuple[list[str], list[str]]:
    """Return the tables and the views, as a query names them."""
    found = [(name if schema == "public" else f"{schema}.{name}", view) for schema, name, view in opened.execute(_TABLES).fetchall()]  # fmt: skip
    return [name for name, view in found if not view], [name for name, view in found if view]


def whole(opened: Any, table: str) -> str:
    """Return the query that reads a table, in the order of its primary key where it has one."""
    named = ".".join(_quoted(part) for part in table.split(".", 1))
    key = [_quoted(name) for (name,) in opened.execute(_KEY, [named]).fetchall()]
    return f"SELECT * FROM {named}" + (f" ORDER BY {', '.join(key)}" if key else "")


def fetch(
    opened: Any, query: str, missing: tuple[str, ...], *, place: Address
) -> tuple[pl.DataFrame, dict[str, Declared]]:
    """Return a query's rows, and what is declared of its columns. Raises `InputError` for what is no single SELECT, and for what the server refuses."""
    import psycopg

    if not _READS.match(query):
        raise InputError(Problem("read.query", f"begins with {(query.split() or ['nothing'])[0]}", allowed=_ALLOWED))
    try:
        cursor = opened.execute(query, prepare=True)  # prepared: the server then takes one statement alone
        rows = cursor.fetchall()
    except psycopg.Error as error:
        told = isinstance(error, psycopg.errors.ReadOnlySqlTransaction) or "multiple commands" in str(error)
        allowed = _ALLOWED if told else ""
        what = f"{place.name} refuses it: {_first(error, place)}"
        raise InputError(Problem("read.query", what, allowed=allowed)) from None
    fix = "name each once: SELECT a.id AS a_id, b.id AS b_id"
    names = unique_names([entry.name for entry in cursor.description], where="read.query", fix=fix)
    enums = _enums(opened, dict(zip(names, (entry.type_code for entry in cursor.description), strict=True)))
    columns = [[row[number] for row in rows] for number in range(len(names))]
    return to_frame(names, columns, missing, where=place.name, texts=False), declared(names, columns, enums)


def _enums(opened: Any, types: dict[str, int]) -> dict[str, list[str]]:
    """Return, by column, the values of an enumeration in their order; `types`: each column's, by its number."""
    found: dict[int, list[str]] = {}
    for number, label in opened.execute(_ENUMS, [list(types.values())]).fetchall():
        found.setdefault(number, []).append(label)
    return {name: found[number] for name, number in types.items() if number in found}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first(error: Exception, place: Address) -> str:
    """The first line of what the server or the client says, without the password should it stand there."""
    text = str(error).strip().partition("\n")[0].removeprefix("connection failed: ")
    for secret in (place.connection().get("password"), place.connection().get("sslpassword")):
        text = text.replace(secret, "***") if secret else text
    return text
