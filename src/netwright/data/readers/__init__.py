"""Sources: where rows come from. Each file of this folder is a source, found by its name.

A source module offers `FORMS` (what it reads, for people), `claims(data) -> bool` and
`read(data, settings) -> Table`. Sources are asked in the order of their names; the first that claims the data reads it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright import registry
from netwright.data import samples
from netwright.data.readers.address import Address, address
from netwright.errors import InputError, Problem, nearest
from netwright.events import say
from netwright.recipe import Read

if TYPE_CHECKING:
    from netwright.data.stream import Stream
    from netwright.data.table import Table

__all__ = ["HELPERS", "Read", "read", "streamed"]

HELPERS = (
    *(
        "address",
        "cells",
        "content",
        "frames",
        "lines",
        "picture_metadata",
        "quotes",
        "records",
        "sniff",
        "splits",
        "stream",
        "table",
        "tree",
    ),
    *("large", "large_jsonl", "mapped", "sql_duckdb", "sql_postgres", "sql_sqlite", "values"),
)
_FIRST = ("squad", "tagged")  # told by what is in a file, whose ending others claim as well
_OWN = {"query": "sql", "sheet": "excel", "rows": "text"}  # settings that one source alone looks at
_DEFAULT = Read()


def read(data: Any, *, settings: Read = _DEFAULT) -> Table:
    """Read `data`, a path, a database's address or something in memory, into a table, by the source that claims it.

    Raises `InputError` where there is no such file, where no source reads it, or where its content is broken.

    >>> read({"age": [31, 47], "city": ["Rome", None]}).ids()
    ['rows:1', 'rows:2']
    """
    from netwright.data.table import Table

    if isinstance(data, Table):
        return data
    if isinstance(data, str | os.PathLike):
        text = os.fsdecode(data)
        data = address(text) or existing(text)
    known = {name: registry.find("sources", name) for name in registry.names("sources")}
    # a .txt whose lines are evenly parted is a CSV file, unless its rows were asked for
    order = sorted(known, key=lambda name: name != "text") if settings.rows else [*_FIRST, *known]
    for name in order:
        if known[name].claims(data):
            _say_unused(name, data, settings)
            table = known[name].read(data, settings)
            own = isinstance(data, Path) and table.folder == ""
            return replace(table, folder=str(data.parent)) if own else table
    raise InputError(_unclaimed(data, [form for source in known.values() for form in source.FORMS]))


def streamed(data: Any, *, settings: Read = _DEFAULT) -> Stream:
    """Return `data` part by part: what can be read in parts is, all else is read as a table and cut.

    >>> streamed({"age": [31, 47]}).part(1, 1, ["age"]).ids()
    ['rows:2']
    """
    from netwright.data.readers import jsonl, parquet
    from netwright.data.stream import Stream

    if isinstance(data, str | os.PathLike):
        text = os.fsdecode(data)
        data = address(text) or existing(text)
    if parquet.claims(data):
        _say_unused("parquet", data, settings)
        return parquet.stream(data)
    if jsonl.claims(data):
        from netwright.data.readers import large_jsonl

        if (found := large_jsonl.stream(data, settings)) is not None:
            _say_unused("jsonl", data, settings)
            return found
    return Stream.of(read(data, settings=settings))


def _say_unused(source: str, data: Any, settings: Read) -> None:
    """Say which settings are not looked at, because another source has them."""
    for name, owner in _OWN.items():
        if getattr(settings, name) is not None and owner != source:
            where = data.name if isinstance(data, Path | Address) else "data in memory"
            say("notice", f"read.{name}", f"{where}: read.{name} is ignored: only {owner} sources use it")


def existing(text: str) -> Path:
    """Return the path if something is there, else raise, naming the nearest name that is."""
    if text.startswith(("http://", "https://", "s3://", "hf://")):
        fix = "download it and give its path"
        raise InputError(Problem(text, "is a URL; only local files are read", fix=fix))
    path = Path(text).expanduser()
    try:
        there, beside = path.exists(), path.parent.is_dir()
        names = sorted(os.listdir(path.parent)) if beside and not there else []
    except PermissionError as error:
        raise InputError(Problem(text, "is not readable by this user", fix="change its permissions")) from error
    except (OSError, ValueError) as error:  # too long a name, say: a text given where a path was meant
        raise InputError(Problem(repr(text[:60]), f"is not a path: {error}", fix="give a file's path")) from error
    if there:
        return path
    if any(mark in text for mark in "*?["):
        fix = "put the files together under one header, or give polars.read_csv('" + text + "') in Python"
        raise InputError(Problem(text, "is a pattern; a table is one file", fix=fix))
    if not beside:
        raise InputError(Problem(text, f"there is no such file, nor a folder {path.parent}", fix="check the path"))
    visible = [name for name in names if not name.startswith(".")]
    fix = nearest(path.name, visible)
    if path.stem in samples.names():
        fix = f"netwright samples get {path.stem} --output {path.stem}.csv writes a sample of this name"
    raise InputError(Problem(text, "there is no such file", fix=fix))


def _unclaimed(data: Any, forms: list[str]) -> Problem:
    """Return the problem of data that no source reads, naming what is read of its sort."""
    if not isinstance(data, Path):
        from netwright.data.readers import memory

        allowed = "; ".join(("the path of a file or folder", "a database's address", *memory.FORMS))
        return Problem("data", f"data of type {type(data).__name__} is not read like this", allowed=allowed)
    allowed = "; ".join(form for form in forms if ("folder" in form if data.is_dir() else form.startswith(".")))
    if data.is_dir():
        held = sorted(entry.name for entry in data.iterdir() if not entry.name.startswith("."))
        shown = f"it holds {', '.join(held[:5])}{', ...' if len(held) > 5 else ''}" if held else "it is empty"
        fix = "give the path of one file in it" if held else ""
        return Problem(str(data), f"no source reads this folder; {shown}", allowed=allowed, fix=fix)
    ending = "".join(data.suffixes[-2:]) if data.suffix.lower() == ".gz" else data.suffix
    what = f"no source reads files ending in {ending}" if ending else "the name has no extension"
    return Problem(str(data), what, allowed=allowed, fix="convert it to one of these, or name it by what it holds")
