"""A database's address: `sqlite:///shop.db`, `duckdb:///shop.duckdb`, `postgresql://user@host/shop`.

A password in one is used to connect and nowhere else: it is not shown, not logged and not kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from netwright.errors import InputError, Problem

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9.+-]*)://")
_NAMES = {
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
    "duckdb": "duckdb",
    "postgresql": "postgresql",
    "postgres": "postgresql",
}
FORMS = "sqlite:///FILE, duckdb:///FILE, postgresql://USER@HOST/DATABASE"
_SECRET = ("password", "sslpassword")


@dataclass(frozen=True)
class Address:
    """Where a database is: `scheme` (sqlite, duckdb, postgresql) and what stands behind `://`, password and all."""

    scheme: str
    rest: str = field(repr=False)

    @property
    def plain(self) -> str:
        """The address without its password: what may be shown and kept.

        >>> address("postgresql://ann:secret@localhost/shop").plain
        'postgresql://ann@localhost/shop'
        """
        return f"{self.scheme}://{self.rest}" if self.scheme != "postgresql" else self._without_password()

    @property
    def file(self) -> str:
        """The file of a database that is one: three slashes before a relative path, four before an absolute one.

        >>> address("sqlite:///shop.db").file, address("sqlite:////data/shop.db").file
        ('shop.db', '/data/shop.db')
        """
        if not self.rest.startswith("/"):
            fix = f"write three slashes before the path: {self.scheme}:///{self.rest}"
            raise InputError(Problem(self.plain, "names no file", fix=fix))
        return self.rest[1:]

    @property
    def name(self) -> str:
        """The database's name: its file's, or what PostgreSQL calls it.

        >>> address("postgresql://ann:secret@localhost/shop?sslmode=require").name
        'shop'
        """
        if self.scheme != "postgresql":
            return self.file.rpartition("/")[2]
        return str(self.connection().get("dbname", "postgresql"))

    def connection(self) -> dict[str, Any]:
        """PostgreSQL's own words for a connection (host, port, user, password, dbname and what `?` adds)."""
        person, host, tail, query = self._parts()
        user, _, password = person.partition(":")
        place, _, port = host.partition("]")[2].rpartition(":") if "]" in host else host.rpartition(":")
        if "]" in host:
            place = host.partition("]")[0].lstrip("[")
        elif ":" not in host:
            place, port = host, ""
        found = {"user": user, "password": password, "host": place, "port": port, "dbname": tail}
        return {name: unquote(value) for name, value in found.items() if value} | dict(query)

    @property
    def has_password(self) -> bool:
        """Whether a password stands in it."""
        return self.scheme == "postgresql" and any(name in self.connection() for name in _SECRET)

    def _parts(self) -> tuple[str, str, str, list[tuple[str, str]]]:
        """Person, host with port, database, and the pairs behind `?`. A password may hold the marks : / ? @ as well."""
        person, _, place = self.rest.rpartition("@")
        place, _, asked = place.partition("?")
        host, _, tail = place.partition("/")
        return person, host, tail, parse_qsl(asked, keep_blank_values=True)

    def _without_password(self) -> str:
        person, host, tail, query = self._parts()
        kept = urlencode([(name, value) for name, value in query if name not in _SECRET])
        user = re.split(r"[:/?]", person)[0]
        return f"{self.scheme}://{f'{user}@' if user else ''}{host}/{tail}{f'?{kept}' if kept else ''}"


def address(text: str) -> Address | None:
    """Return a text as a database's address, or None where it is none.

    Raises `InputError` for addresses of databases that are not read.

    >>> address("shop.db") is None
    True
    """
    match = _SCHEME.match(text)
    if match is None or match[1].lower() in ("http", "https", "s3", "hf", "file"):
        return None
    scheme = match[1].lower().partition("+")[0]  # postgresql+psycopg, as SQLAlchemy writes it
    if scheme not in _NAMES:
        fix = "write the rows to a CSV or Parquet file, or give a frame from Python"
        raise InputError(Problem(f"{scheme}://...", "no source reads such a URL", allowed=FORMS, fix=fix))
    return Address(_NAMES[scheme], text[match.end() :])


def shown(data: object) -> str:
    """Return a path or an address as it may be shown and kept: without a password.

    >>> shown("postgresql://ann:secret@localhost/shop"), shown("a.csv")
    ('postgresql://ann@localhost/shop', 'a.csv')
    """
    found = address(data) if isinstance(data, str) else None
    return str(data) if found is None else found.plain


def refuse_password(text: str | None, *, setting: str) -> None:
    """Raise `InputError` where a setting that is kept in the run holds a password.

    >>> refuse_password("postgresql://ann@localhost/shop", setting="data")
    """
    found = None if text is None else address(text)
    if found is not None and found.has_password:
        fix = "leave it out and set PGPASSWORD, or put it into ~/.pgpass"
        raise InputError(Problem(setting, f"{found.plain} contains a password, which the run would store", fix=fix))
