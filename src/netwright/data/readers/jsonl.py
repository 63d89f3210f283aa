"""JSON lines: an object a line, its keys the columns; and JSON files that hold a list of objects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import ends, load, say_blank_lines, to_utf8
from netwright.errors import InputError, Problem
from netwright.events import say_rows

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".jsonl .ndjson .json (also with .gz)",)
_HALVES = re.compile(r"\\u[dD][89a-fA-F]")  # escapes of halves, which make one character where two stand together
_SPACE = re.compile(r"[ \t\r\n]*")
_ALLOWED = "an object a line, or a list of objects"


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a JSON file.

    >>> claims(Path("a.jsonl")), claims(Path("a.csv"))
    (True, False)
    """
    return ends(data, (".jsonl", ".ndjson", ".json"))


def read(data: Path, settings: Read) -> Table:
    """Read JSON objects into a table; a key that a row lacks is missing there, nested lists and objects stay.

    The id of a row is `file:line`, where its object starts; in a list that does not put each object on a line of its
    own it is `file:position`. Raises `InputError` naming each line that is not an object.

    >>> import tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "a.jsonl"
    >>> _ = path.write_text('{"text": "hi", "tags": ["a", "b"]}\\n{"text": "ho"}\\n')
    >>> read(path, Read()).frame.rows()
    [('hi', ['a', 'b']), ('ho', None)]
    """
    import numpy as np
    import polars as pl

    from netwright.data.readers.frames import finished, stored
    from netwright.data.readers.records import column, gather, say_broken, texts_alone
    from netwright.data.table import Table

    raw, fingerprint = load(data)
    text = to_utf8(raw, settings.encoding, name=data.name).decode()
    if not text.strip():
        raise InputError(Problem(data.name, "the file is empty", allowed=_ALLOWED))
    if text[_SPACE.match(text).end()] == "[":  # pyright: ignore[reportOptionalMemberAccess]
        values, lines, problems, spoilt = _listed(text, data.name)
    else:
        values, lines, problems, blank, spoilt = lined(text)
        if len(lines) > 1 and lines[0] in problems and _whole(text):
            raise InputError(Problem(data.name, "holds one object over several lines", allowed=_ALLOWED))
        say_blank(blank, lines, data.name)
    rows, lines = objects(values, lines, problems)
    judge(problems, len(values), settings, data.name)
    say_broken([f"{data.name}:{line}" for line in spoilt], where=data.name)
    held = gather(rows)
    raw = pl.DataFrame([column(name, values, where=data.name) for name, values in held.items()])
    frame = finished(raw, name=data.name)
    declared = stored(raw, frame.columns, texts=True)
    mixed = {name for name, values in zip(frame.columns, held.values(), strict=True) if not texts_alone(values)}
    return Table(
        frame, (data.name,), np.zeros(len(rows), np.int32), np.array(lines), fingerprint=fingerprint, name=data.name,
        declared={name: known for name, known in declared.items() if not (known.text and name in mixed)},
    )  # fmt: skip


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's pairs as a dict; a key that stands twice is an error, for one of its values would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in an object")
    return found


def lined(text: str, first: int = 1) -> tuple[list[Any], list[int], dict[int, str], list[int], list[int]]:
    """Return the values of lines, the numbers of these lines, what is wrong in which of them, and which are blank, and in
    which half characters were replaced.

    The first line has the number `first`.
    """
    decode = json.JSONDecoder(object_pairs_hook=_once).decode
    values, lines, problems, blank, spoilt = [], [], {}, [], []
    texts = text.split("\n")
    if not texts[-1]:
        texts.pop()
    for number, line in enumerate(texts, start=first):
        if not line.strip():
            blank.append(number)
            continue
        lines.append(number)
        try:
            value, halved = _mended(decode(line), line)
            values.append(value)
            if halved:
                spoilt.append(number)
        except ValueError as error:
            values.append(None)
            problems[number] = _why(error)
    return values, lines, problems, blank, spoilt


def _mended(value: Any, text: str) -> tuple[Any, bool]:
    """Return the value of a JSON text without half characters, which escapes alone can bring, and whether it had some."""
    from netwright.data.readers.records import broken, whole

    if _HALVES.search(text) is None or not broken(value):
        return value, False
    return whole(value), True


def say_blank(blank: list[int], lines: list[int], name: str) -> None:
    """Say that blank lines are no rows; behind the last row they may stand."""
    ids = [f"{name}:{line}" for line in blank if line < lines[-1]]
    if ids:
        say_blank_lines(ids)


def _whole(text: str) -> bool:
    """Say whether the text is one JSON value."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _listed(text: str, name: str) -> tuple[list[Any], list[int], dict[int, str], list[int]]:
    """Return the values of a JSON list with the line on which each starts, or their positions; see `lined`."""
    decode = json.JSONDecoder(object_pairs_hook=_once).raw_decode
    values, lines, spoilt = [], [], []
    line, counted = 1, 0

    def skip(place: int) -> int:
        return _SPACE.match(text, place).end()  # pyright: ignore[reportOptionalMemberAccess]

    place = skip(skip(0) + 1)
    while text[place : place + 1] != "]":
        line, counted = line + text.count("\n", counted, place), place
        lines.append(line)
        try:
            begin = place
            value, place = decode(text, place)
            value, halved = _mended(value, text[begin:place])
            if halved:
                spoilt.append(len(values))
            place = skip(place)
            if text[place : place + 1] not in (",", "]"):
                raise json.JSONDecodeError("Expecting , or ] after an object", text, place)
        except ValueError as error:
            at = error.lineno if isinstance(error, json.JSONDecodeError) else line
            raise InputError(Problem(f"{name}:{at}", _why(error), allowed=_ALLOWED)) from error
        values.append(value)
        if text[place] == ",":
            place = skip(place + 1)
    rest = skip(place + 1)
    if rest < len(text):
        at = text.count("\n", 0, rest) + 1
        raise InputError(Problem(f"{name}:{at}", "text follows the end of the list", allowed=_ALLOWED))
    if len(set(lines)) < len(lines):
        lines = list(range(1, len(values) + 1))
    return values, lines, {}, [lines[at] for at in spoilt]


def _why(error: ValueError) -> str:
    """Return why a text is not JSON, with the place in its line."""
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} at character {error.colno}"
    return str(error)


def objects(values: list[Any], lines: list[int], problems: dict[int, str]) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the rows that are objects with their lines; note in `problems` what the others are."""
    for line, value in zip(lines, values, strict=True):
        if not isinstance(value, dict) and line not in problems:
            problems[line] = f"holds {_SORTS[type(value)]}, not an object"
    if not problems:
        return values, lines
    kept = [(value, line) for value, line in zip(values, lines, strict=True) if line not in problems]
    return [value for value, _ in kept], [line for _, line in kept]


def judge(problems: dict[int, str], rows: int, settings: Read, name: str) -> None:
    """Say which of all rows are left out because they are not JSON objects, or raise `InputError`, as the settings say."""
    if not rows:
        raise InputError(Problem(name, "holds an empty list", allowed=_ALLOWED))
    if problems and settings.bad_rows == "refuse":
        shown = [Problem(f"{name}:{line}", problems[line], allowed=_ALLOWED) for line in sorted(problems)[:5]]
        total = f"{len(problems):,} of {rows:,} rows cannot be read"
        fix = "fix these lines, or leave them out with --read.bad_rows leave_out"
        raise InputError(*shown, Problem(name, total, fix=fix))
    if problems and len(problems) == rows:
        raise InputError(Problem(name, "no line holds an object", allowed=_ALLOWED))
    if problems:
        ids = [f"{name}:{line}" for line in sorted(problems)]
        say_rows("read.bad_rows", f"{len(ids):,} rows left out, because they are not JSON objects", ids)


_SORTS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}
