"""From Python values to columns: rows as dicts, or columns as lists. One type a column, or text where mixed."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.kinds.tokenizing import clean

if TYPE_CHECKING:
    import polars as pl

_INT64 = range(-(2**63), 2**63)


def gather(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the columns of rows given as dicts, in the order of their first use; an absent value is None.

    >>> gather([{"a": 1}, {"a": 2, "b": 3}])
    {'a': [1, 2], 'b': [None, 3]}
    """
    names = dict.fromkeys(chain.from_iterable(rows))
    return {name: [row.get(name) for row in rows] for name in names}


def column(name: str, values: Sequence[Any], *, where: str) -> pl.Series:
    """Return the values as a column; where their types differ it holds texts, and that is said.

    Raises `InputError` for values that no column can hold.

    >>> column("a", [1, 2.5, None], where="rows").to_list()
    [1.0, 2.5, None]
    >>> column("a", [1, "x"], where="rows").to_list()
    ['1', 'x']
    """
    try:
        return _column(name, values, where=where)
    except UnicodeEncodeError:  # polars holds UTF-8
        spoilt = [f"{where}:{row}" for row, value in enumerate(values, 1) if broken(value)]
        say_broken(spoilt, where=f"{where}, column {name!r}")
        return _column(whole(name), [whole(value) for value in values], where=where)


def _column(name: str, values: Sequence[Any], *, where: str) -> pl.Series:
    import numpy as np
    import polars as pl

    if any(issubclass(sort, np.ndarray | np.generic) for sort in set(map(type, values))):
        stacked = _stacked(values)
        if stacked is not None:
            return pl.Series(name, stacked)
        values = [value.tolist() if isinstance(value, np.ndarray | np.generic) else value for value in values]
    values = [os.fspath(value) if isinstance(value, os.PathLike) else value for value in values]
    dtype = type_of(values)
    if dtype is not None:
        return pl.Series(name, values, dtype=dtype)
    sorts = sorts_of(values)
    if sorts.keys() - {"bool", "int", "float", "str", "list", "tuple", "dict"}:
        try:
            return pl.Series(name, values, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
            held = ", ".join(f"{sort} ({count:,})" for sort, count in sorts.most_common(5))
            allowed = "one of texts, numbers, booleans, dates, lists and dicts of these, arrays of numbers of one shape"
            what = f"holds values of types that cannot share a column: {held}"
            raise InputError(Problem(f"{where}, column {name!r}", what, allowed=allowed)) from error
    say_mixed(name, sorts, where=where)
    return pl.Series(name, [as_text(value) for value in values], dtype=pl.String)


def broken(value: Any) -> bool:
    """Say whether a value holds half a character (a lone surrogate), which no encoding can hold.

    >>> broken("a" + chr(0xD800)), broken({"b": ["床"]})
    (True, False)
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(broken(each) for pair in value.items() for each in pair)
    return isinstance(value, list | tuple) and any(map(broken, value))


def whole(value: Any) -> Any:
    """Return a value with U+FFFD in the place of each half character; two halves side by side become their character."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {whole(key): whole(each) for key, each in value.items()}
    return [whole(each) for each in value] if isinstance(value, list | tuple) else value


def say_broken(ids: Sequence[str], *, where: str) -> None:
    """Say in which rows half characters are read as U+FFFD."""
    if ids:
        text = f"{where}: lone surrogates in {len(ids):,} rows are read as U+FFFD"
        say_rows("read.surrogates", text, ids)


def texts_alone(values: Sequence[Any]) -> bool:
    """Say whether the values are texts, and nothing that was made a text because other values stand beside it.

    >>> texts_alone(["1", None]), texts_alone(["1", 2])
    (True, False)
    """
    return set(map(type, values)) <= {str, type(None)}


def sorts_of(values: Sequence[Any]) -> Counter[str]:
    """Return how often values of each Python type stand there."""
    return Counter(type(value).__name__ for value in values if value is not None)


def say_mixed(name: str, sorts: Counter[str], *, where: str) -> None:
    """Say that values of these types are read as texts, because no one type holds them all."""
    if len(sorts) > 1:
        held = ", ".join(f"{sort} {count:,} times" for sort, count in sorts.most_common())
        text = f"{where}: {name} holds {held}; all are read as text"
        say("warning", "read.mixed", text, column=name, counts=dict(sorts))
    else:
        reason = "whole numbers too large for 64 bits" if "int" in sorts else "values whose inner types differ"
        say("warning", "read.mixed", f"{where}: {name} holds {reason}; they are read as text", column=name)


def _stacked(values: Iterable[Any]) -> Any:
    """Return arrays of one shape and type as one array with a row each, else None."""
    import numpy as np

    arrays = [value for value in values if isinstance(value, np.ndarray)]
    alike = len({(array.shape, array.dtype) for array in arrays}) == 1 and len(arrays) == len(list(values))
    return np.stack(arrays) if alike and arrays[0].ndim and arrays[0].dtype.kind in "biuf" else None


def type_of(values: Sequence[Any]) -> pl.DataType | None:
    """Return the type that holds all of the values (JSON's types only), or None where there is none."""
    import polars as pl

    sorts = set(map(type, values)) - {type(None)}
    if not sorts:
        return pl.Null()
    if sorts == {bool}:
        return pl.Boolean()
    if sorts == {int}:
        known = [value for value in values if value is not None]
        return pl.Int64() if min(known) in _INT64 and max(known) in _INT64 else None
    if sorts <= {int, float}:
        return pl.Float64()
    if sorts == {str}:
        return pl.String()
    if sorts <= {list, tuple}:
        inner = type_of(list(chain.from_iterable(value for value in values if value is not None)))
        return None if inner is None else pl.List(inner)
    if sorts == {dict}:
        fields = {name: type_of(held) for name, held in gather([value or {} for value in values]).items()}
        known_fields = {name: dtype for name, dtype in fields.items() if dtype is not None}
        return pl.Struct(known_fields) if fields and len(known_fields) == len(fields) else None
    return None


def wider(one: pl.DataType | None, other: pl.DataType | None) -> pl.DataType | None:
    """Return the type that holds the values of both types, or None where there is none.

    >>> import polars as pl
    >>> wider(pl.List(pl.Int64()), pl.List(pl.Float64())), wider(pl.Int64(), pl.String())
    (List(Float64), None)
    """
    import polars as pl

    if one is None or other is None:
        return None
    if one == other or isinstance(other, pl.Null):
        return one
    if isinstance(one, pl.Null):
        return other
    if {type(one), type(other)} == {pl.Int64, pl.Float64}:
        return pl.Float64()
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = wider(_made(one.inner), _made(other.inner))
        return None if inner is None else pl.List(inner)
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        fields = {field.name: _made(field.dtype) for field in one.fields}
        for field in other.fields:
            found = wider(fields.get(field.name, pl.Null()), _made(field.dtype))
            if found is None:
                return None
            fields[field.name] = found
        return pl.Struct(fields)
    return None


def _made(dtype: Any) -> pl.DataType:
    """Return a type of which polars may have kept the class alone."""
    return dtype() if isinstance(dtype, type) else dtype


def as_text(value: Any) -> str | None:
    """Return a value as text: texts as they are, the rest as JSON."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
