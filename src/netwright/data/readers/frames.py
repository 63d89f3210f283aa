"""What every source does to its frame before it is a table: names, types and missing values of one form; its hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import hasher
from netwright.errors import InputError, Problem, counted
from netwright.events import say

if TYPE_CHECKING:
    from hashlib import blake2b

    import polars as pl

    from netwright.data.table import Declared

_PIECE = 1 << 16  # rows hashed in one go


def unique_names(names: Sequence[str], *, where: str, fix: str = "name each column once") -> list[str]:
    """Return the columns' names, those without one named by their position; that is said.

    Raises `InputError` naming each name that stands twice, with its positions (counted from 1).

    >>> unique_names(["a", ""], where="x.csv")
    ['a', 'column_2']
    """
    places: dict[str, list[int]] = {}
    for position, name in enumerate(names, start=1):
        places.setdefault(name, []).append(position)
    twice = {name: at for name, at in places.items() if len(at) > 1 and name}
    if twice:
        raise InputError(
            *(
                Problem(where, f"the column name {name!r} occurs at positions {', '.join(map(str, at))}", fix=fix)
                for name, at in twice.items()
            )
        )
    out = list(names)
    for position in places.get("", []):
        name = f"column_{position}"
        while name in places:
            name += "_"
        out[position - 1] = name
    if "" in places:
        given = [out[position - 1] for position in places[""]]
        text = f"{where}: {counted(len(given), 'column')} without a name named by position: {', '.join(given[:5])}"
        say("notice", "read.names", text + (", ..." if len(given) > 5 else ""), columns=given)
    return out


def finished(frame: pl.DataFrame, *, name: str) -> pl.DataFrame:
    """Return the frame in the form that every table has: NaN missing, categories as texts, decimals as floats,
    durations as seconds, times of day as texts.

    Raises `InputError` where there is no column or no row, and for columns of Python objects.

    >>> import polars as pl
    >>> finished(pl.DataFrame({"a": [1.5, float("nan")]}), name="rows").rows()
    [(1.5,), (None,)]
    """
    import polars as pl

    if not frame.width:
        raise InputError(Problem(name, "has no columns", fix="give a table with columns and rows"))
    if not frame.height:
        raise InputError(Problem(name, "has columns but no rows", fix="give a table with rows"))
    names = unique_names(frame.columns, where=name)
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    objects = [column for column in frame.columns if frame[column].dtype == pl.Object]
    if objects:
        allowed = "texts, numbers, booleans, dates, lists and dicts of these, arrays of numbers; images as paths, bytes or arrays"
        raise InputError(*(Problem(name, f"the column {c!r} holds Python objects", allowed=allowed) for c in objects))
    floats = [column for column in frame.columns if frame[column].dtype.is_float()]
    nans = {c: int(n) for c in floats if (n := frame[c].is_nan().sum())}
    if nans:
        where = ", ".join(f"{column} {count:,}" for column, count in list(nans.items())[:5])
        text = f"{name}: read as missing: NaN {sum(nans.values()):,} times ({where})"
        say("notice", "read.missing", text, counts={"NaN": nans})
    texts = {c: pl.String() for c, t in frame.schema.items() if isinstance(t, pl.Categorical | pl.Enum | pl.Null)}
    frame = _timed(frame, name)
    decimals = {c: pl.Float64() for c, t in frame.schema.items() if isinstance(t, pl.Decimal)}
    return frame.with_columns(pl.col(c).fill_nan(None) for c in nans).cast({**texts, **decimals})


def _timed(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the frame with durations as seconds and times of day as text, as databases' are."""
    import polars as pl

    spans = [column for column, dtype in frame.schema.items() if isinstance(dtype, pl.Duration)]
    hours = [column for column, dtype in frame.schema.items() if isinstance(dtype, pl.Time)]
    for columns, what in ((spans, "durations are read as seconds"), (hours, "times of day are read as text")):
        for column in columns:
            say("notice", "read.turned", f"{name}: {column}: {what}", column=column)
    seconds = [pl.col(c).dt.total_microseconds() / 1e6 for c in spans]
    return frame.with_columns(*seconds, *(pl.col(c).cast(pl.String) for c in hours))


def stored(
    frame: pl.DataFrame, names: Sequence[str], *, texts: bool, orders: Mapping[str, Sequence[Any]] | None = None
) -> dict[str, Declared]:
    """Return what the types of a frame, as it was read, declare of its columns, which are now called `names`.

    Columns stored as categories are categories. `orders`: by column, the values of those whose order has a meaning.
    `texts`: whether what is stored as text is meant as text, and not read as numbers.

    >>> import polars as pl
    >>> stored(pl.DataFrame({"size": pl.Series(["S"], dtype=pl.Enum(["S", "M"]))}), ["size"], texts=True)["size"].classes
    ('S', 'M')
    """
    import polars as pl

    from netwright.data.table import Declared
    from netwright.kinds.values.category import text_of

    out = {}
    for name, (own, dtype) in zip(names, frame.schema.items(), strict=True):
        order = (orders or {}).get(own, dtype.categories.to_list() if isinstance(dtype, pl.Enum) else ())
        if len(order):
            classes = tuple(text for value in order if (text := text_of(value)) is not None)
            reason = "it is stored as a category whose values have an order"
            out[name] = Declared("category", reason, classes=classes, ordered=True)
        elif isinstance(dtype, pl.Categorical | pl.Enum):
            out[name] = Declared("category", "it is stored as a category")
        elif dtype == pl.Boolean:
            out[name] = Declared("category", "it is stored as true and false")
        elif dtype == pl.String and texts:
            out[name] = Declared(text=True)
    return out


def arrow_orders(table: Any) -> dict[str, list[Any]]:
    """Return, by column of a pyarrow table, the values of each dictionary whose order has a meaning."""
    out = {}
    for field in table.schema:
        if getattr(field.type, "ordered", False):
            chunks = table.column(field.name).unify_dictionaries().chunks
            out[field.name] = chunks[0].dictionary.to_pylist() if chunks else []
    return out


def content(frame: pl.DataFrame) -> str:
    """Return the hash of a frame's names, types and values, independent of how it lies in memory."""
    out = hasher()
    for series in frame:
        out.update(f"{series.name}\0{series.dtype}\0{len(series)}\0".encode())
        for first in range(0, len(series), _PIECE):
            _add(out, series.slice(first, _PIECE))
    return out.hexdigest()


def _add(out: blake2b, series: pl.Series) -> None:
    """Add a column's values to the hash: which are missing, then lengths and bytes, level by level."""
    import numpy as np
    import polars as pl

    out.update(np.packbits(series.is_null().to_numpy()).tobytes())
    known = series.drop_nulls()
    dtype = series.dtype
    if not len(known):
        return
    if isinstance(dtype, pl.String | pl.Binary):
        known = known.cast(pl.Binary)
        out.update(known.bin.size().to_numpy().tobytes())
        out.update(b"".join(known.to_list()))
    elif isinstance(dtype, pl.List):
        out.update(known.list.len().to_numpy().tobytes())
        _add(out, known.filter(known.list.len() > 0).explode())
    elif isinstance(dtype, pl.Array):
        _add(out, known.reshape((-1,)))
    elif isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _add(out, known.struct.field(field.name))
    elif isinstance(dtype, pl.Categorical | pl.Enum):
        _add(out, known.cast(pl.String))
    else:
        out.update(np.ascontiguousarray(known.to_physical().to_numpy()).tobytes())
