"""From the values that a database or a spreadsheet gives, one by one, to columns: one type each, or text where mixed."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.events import say

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared

_LARGEST = 2**63  # whole numbers from here on do not fit into 64 bits
_NUMBER = re.compile(r"^[+-]?(0|[1-9][0-9]{0,14})(\.[0-9]+)?$")
_PLAIN = (bool, int, float, str, list, tuple, dict)


def to_frame(
    names: Sequence[str], columns: Sequence[Sequence[Any]], missing: tuple[str, ...], *, where: str, texts: bool
) -> pl.DataFrame:
    """Return columns of Python values as a frame.

    Decimals become numbers, durations seconds, times of day and unknown objects text, times with a zone UTC; columns of
    bytes are left out; each of these is said. A text that means `missing` among numbers or dates is missing; with
    `texts` one in a column of texts is too. Raises `InputError` where no column is left.

    >>> to_frame(["a", "b"], [[1, "n/a"], ["x", None]], ("n/a",), where="shop.db", texts=False).rows()
    [(1, 'x'), (None, None)]
    """
    import polars as pl

    from netwright.data.readers.records import column

    out = []
    for name, values in zip(names, columns, strict=True):
        if any(isinstance(value, bytes | bytearray | memoryview) for value in values):
            _say_blobs(name, where)
            continue
        values = _without_missing(name, values, missing, where, texts)
        plain = _plain(name, _as_numbers(name, values, where) if texts else values, where)
        out.append(column(name, plain, where=where))
    if not out:
        raise InputError(Problem(where, "holds columns of bytes alone", fix="name columns of texts, numbers or dates"))
    return pl.DataFrame(out)


def declared(
    names: Sequence[str], columns: Sequence[Sequence[Any]], enums: Mapping[str, Sequence[str]]
) -> dict[str, Declared]:
    """Return what a database declares of its columns: what is stored as text is text, what is true or false a category,
    and an enumeration (`enums`, by column) a category in its order.

    >>> [known.kind for known in declared(["a", "b"], [["1", None], [True, False]], {}).values()]
    [None, 'category']
    """
    from netwright.data.table import Declared

    out = {}
    for name, values in zip(names, columns, strict=True):
        sorts = set(map(type, values)) - {type(None)}
        if name in enums:
            out[name] = Declared("category", "it is stored as an enumeration", classes=tuple(enums[name]), ordered=True)
        elif sorts == {bool}:
            out[name] = Declared("category", "it is stored as true and false")
        elif sorts == {str}:
            out[name] = Declared(text=True)
    return out


def _say_blobs(name: str, where: str) -> None:
    text = f"{where}: {name} is left out, because it holds bytes (a blob), which no kind can read"
    say("warning", "read.blobs", text, column=name)


def _without_missing(
    name: str, values: Sequence[Any], missing: tuple[str, ...], where: str, texts: bool
) -> Sequence[Any]:
    """Return the values with texts that mean missing as None: those in other columns than texts, or in all."""
    tokens = set(missing)
    if not texts and all(isinstance(value, str | None) for value in values):
        return values
    found = Counter(value.strip() for value in values if isinstance(value, str) and value.strip() in tokens)
    if not found:
        return values
    counts = ", ".join(f"{token!r} {times:,} times" for token, times in found.most_common(5))
    say("notice", "read.missing", f"{where}: read as missing in {name}: {counts}", counts={name: dict(found)})
    return [None if isinstance(value, str) and value.strip() in tokens else value for value in values]


def _as_numbers(name: str, values: Sequence[Any], where: str) -> Sequence[Any]:
    """Return a column of numbers, some of which stand as text, as numbers; codes such as 007 keep it a column of text."""
    texts = [value for value in values if isinstance(value, str)]
    if not texts or {type(value) for value in values} - {str, int, float, type(None)} or len(texts) == len(values):
        return values
    if not any(isinstance(value, int | float) for value in values) or not all(map(_NUMBER.match, texts)):
        return values
    say("notice", "read.numbers", f"{where}: {len(texts):,} numbers of {name} stored as text are read as numbers")
    return [float(value) if isinstance(value, str) else value for value in values]


def _plain(name: str, values: Sequence[Any], where: str) -> Sequence[Any]:
    """Return the values as those that a column holds; what had to be turned into something else is said."""
    sorts = {type(value) for value in values} - {type(None)}
    if sorts <= set(_PLAIN):
        return values
    if Decimal in sorts:
        values = _decimals(name, values, where)
    turned = [_turn(sort) for sort in sorts]
    for reason in dict.fromkeys(reason for _, reason in turned if reason):
        say("notice", "read.turned", f"{where}: {name}: {reason}", column=name)
    ways = {sort: way for sort, (way, _) in zip(sorts, turned, strict=True) if way}
    if dt.date in sorts and dt.datetime in sorts:
        ways[dt.date] = lambda value: dt.datetime(value.year, value.month, value.day)
    values = [ways[type(value)](value) if type(value) in ways else value for value in values]
    left = {type(value) for value in values} - {type(None)}
    if left & {dt.date, dt.datetime}:
        values = _dates(name, values, left, where)
    return values


def _turn(sort: type) -> tuple[Callable[[Any], Any] | None, str]:
    """How values of a type become plain, and what is said of it."""
    if sort in _PLAIN or issubclass(sort, Decimal) or sort is dt.date or sort is dt.datetime:
        return None, ""
    if issubclass(sort, dt.timedelta):
        return dt.timedelta.total_seconds, "durations are read as seconds"
    if issubclass(sort, dt.time):
        return dt.time.isoformat, "times of day are read as text"
    if issubclass(sort, uuid.UUID):
        return str, ""
    return str, f"values of type {sort.__name__} are read as text"


def _decimals(name: str, values: Sequence[Any], where: str) -> Sequence[Any]:
    """Return decimals as whole numbers where all are, else as floats; as text where a float would lose digits."""
    known = [value for value in values if isinstance(value, Decimal)]
    whole = all(value.is_finite() and value == value.to_integral_value() for value in known)
    if whole and any(abs(value) >= _LARGEST for value in known):
        say("choice", "read.text", f"{where}: {name} is read as text, because a number would lose digits")
        return [None if value is None else str(value) for value in values]
    kind = int if whole else float
    return [kind(value) if isinstance(value, Decimal) else value for value in values]


def _dates(name: str, values: Sequence[Any], sorts: set[type], where: str) -> Sequence[Any]:
    """Return dates and times of one sort: those with a zone in UTC; all as text where other values stand among them."""
    if sorts - {dt.date, dt.datetime}:
        held = Counter(type(value).__name__ for value in values if value is not None)
        counts = ", ".join(f"{sort} {count:,} times" for sort, count in held.most_common())
        say("warning", "read.mixed", f"{where}: {name} holds {counts}; all are read as text", column=name)
        return [None if value is None else str(value) for value in values]
    if any(isinstance(value, dt.datetime) and value.tzinfo is not None for value in values):
        say("notice", "read.zone", f"{where}: {name}: times are converted to UTC", column=name)
        return [_utc(value) for value in values]
    return values


def _utc(value: Any) -> Any:
    zoned = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC).replace(tzinfo=None) if zoned else value
