"""What already lies in memory: frames of polars, pandas or pyarrow, dicts and lists, and arrays (X, y).

n rows; H, W, C: an image's height, width and channels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.events import say

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (
    "a polars, pandas or pyarrow frame",
    "a list of dicts (rows)",
    "a dict of lists (columns)",
    "arrays (X, y)",
)
_NAME = "rows"
_FRAMES = ("polars", "pandas", "pyarrow")


def claims(data: Any) -> bool:
    """Say whether `data` is a frame, a list of dicts, a dict of columns, an array or a pair of arrays.

    >>> claims({"a": [1]}), claims([{"a": 1}]), claims(["a"])
    (True, True, False)
    """
    if isinstance(data, str | bytes | os.PathLike):
        return False
    if _library(data) in _FRAMES or isinstance(data, Mapping) or _is_array(data):
        return True
    if isinstance(data, tuple):
        return len(data) == 2 and not any(isinstance(part, str | os.PathLike | Mapping) for part in data)
    return isinstance(data, list) and (not data or isinstance(data[0], Mapping))


def read(data: Any, settings: Read) -> Table:
    """Read what lies in memory into a table; the id of a row is `rows:position`, counted from 1.

    An array X (n, d) gives the columns x0 ... x{d-1}, images X (n, H, W) or (n, H, W, C) of uint8 one column `image`,
    a frame its own columns; y (n,) gives the column `y`, y (n, k) the columns y0 ... y{k-1}. Raises `InputError` where
    lengths differ or a value cannot stand in a column.

    >>> import numpy as np
    >>> from netwright.recipe import Read
    >>> read((np.zeros((2, 3)), np.array([0, 1])), Read()).columns
    ['x0', 'x1', 'x2', 'y']
    """
    from netwright.data.readers.frames import content, finished, stored
    from netwright.data.table import Declared, Table

    if isinstance(data, tuple):
        frame = _pair(*data)
    elif _library(data) in _FRAMES:
        frame = _framed(data, "data")
    elif isinstance(data, Mapping):
        frame = _columns(data)
    elif isinstance(data, list):
        frame = _rows(data)
    else:
        frame = _inputs(data)
    raw, frame = frame, finished(frame, name=_NAME)
    # a frame's texts may come from a text file, as pandas reads it; Arrow's types are meant
    declared = stored(raw, frame.columns, texts=_library(data) == "pyarrow", orders=_orders(data))
    for name, own in zip(frame.columns, raw.columns, strict=True):
        if own in _categories(data) and name not in declared:  # of numbers, which polars holds as such
            declared[name] = Declared("category", "it is stored as a category")
    return replace(Table.of(frame, name=_NAME, fingerprint=content(frame)), declared=declared)


def _categories(data: Any) -> set[str]:
    """The columns of a frame, in memory or as a part of (X, y), that are stored as categories, whatever their values."""
    if _library(data) == "pyarrow":
        import pyarrow as pa

        return {field.name for field in getattr(data, "schema", ()) if pa.types.is_dictionary(field.type)}
    return {name for name, sort in _pandas_types(data).items() if hasattr(sort, "categories")}


def _orders(data: Any) -> dict[str, list[Any]]:
    """The values of columns that are stored as categories whose order has a meaning."""
    if _library(data) == "pyarrow" and hasattr(data, "schema"):
        from netwright.data.readers.frames import arrow_orders

        return arrow_orders(data)
    held = {name: sort for name, sort in _pandas_types(data).items() if getattr(sort, "ordered", False)}
    return {name: sort.categories.tolist() for name, sort in held.items() if hasattr(sort, "categories")}


def _pandas_types(data: Any) -> dict[str, Any]:
    """The types of a pandas frame's columns by their names here, and of series in a dict or a pair."""
    if isinstance(data, Mapping):
        return {str(name): values.dtype for name, values in data.items() if _library(values) == "pandas"}
    if isinstance(data, tuple):
        inputs, targets = data
        own = {"y": targets.dtype} if _library(targets) == "pandas" and hasattr(targets, "dtype") else {}
        return {**_pandas_types(inputs), **own}
    if _library(data) != "pandas":
        return {}
    if not hasattr(data, "columns"):
        return {"" if data.name is None else str(data.name): data.dtype}
    return dict(zip(_named(data), data.dtypes, strict=True))


def _named(data: Any) -> list[str]:
    """The names of a pandas frame's columns; those of several levels are joined."""
    return ["".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in data.columns]


def _library(data: Any) -> str:
    """Return the top package that `data`'s class comes from, so that none need be imported to ask."""
    return type(data).__module__.partition(".")[0]


def _is_array(data: Any) -> bool:
    """Say whether `data` is an array, or a tensor that gives itself as one."""
    return _library(data) in ("numpy", "torch", "jax", "jaxlib", "tensorflow") and len(getattr(data, "shape", ())) > 0


def _framed(data: Any, where: str) -> pl.DataFrame:
    """Return a frame or column of polars, pandas or pyarrow as a polars frame."""
    import polars as pl

    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pl.Series):
        return data.to_frame()
    if _library(data) == "pandas":
        return _from_pandas(data)
    try:
        found = pl.from_arrow(data)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(Problem(where, f"cannot be read as a frame: {error}", allowed="; ".join(FORMS))) from error
    return found if isinstance(found, pl.DataFrame) else found.to_frame()


def _from_pandas(data: Any) -> pl.DataFrame:
    """Return a pandas frame or series as a polars frame, column by column; the index is left aside.

    Columns of Python objects go the way of lists, for pandas does not know what they hold.
    """
    import pandas as pd
    import polars as pl

    from netwright.data.readers.frames import unique_names
    from netwright.data.readers.records import column

    if isinstance(data, pd.Series):
        data = data.to_frame("" if data.name is None else str(data.name))
    elif not isinstance(data, pd.DataFrame):
        raise InputError(
            Problem("data", f"a pandas {type(data).__name__} is not a data frame", allowed="; ".join(FORMS))
        )
    names = unique_names(_named(data), where=_NAME)
    out = []
    for position, name in enumerate(names):
        series = data.iloc[:, position]
        if series.dtype == object:
            known = series.notna().tolist()
            values = [value if there else None for value, there in zip(series.tolist(), known, strict=True)]
            out.append(column(name, values, where=_NAME))
        else:
            out.append(_typed(series, name))
    return pl.DataFrame(out)


def _typed(series: Any, name: str) -> pl.Series:
    """Return a pandas column of a type of its own as a column: sparse ones filled, periods by when they begin."""
    import pandas as pd
    import polars as pl

    dtype = series.dtype
    held = dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype
    if isinstance(dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    elif isinstance(dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
        say("notice", "read.turned", f"{_NAME}: {name}: periods are read as their first day", column=name)
    elif isinstance(held, pd.IntervalDtype):
        series = series.astype(object).map(str, na_action="ignore")
        say("notice", "read.turned", f"{_NAME}: {name}: intervals are read as text", column=name)
    try:
        return pl.from_pandas(series).alias(name)
    except (TypeError, ValueError, NotImplementedError) as error:  # as pyarrow's own errors are
        allowed = "numbers, booleans, texts, dates, categories"
        what = f"holds values of type {dtype}, which a column cannot hold"
        raise InputError(Problem(f"{_NAME}, column {name!r}", what, allowed=allowed)) from error


def _columns(data: Mapping[Any, Any]) -> pl.DataFrame:
    """Return a dict of columns as a frame."""
    import polars as pl

    out = []
    for name, values in data.items():
        if _library(values) in _FRAMES:
            held = _framed(values, f"column {name!r}")
            if held.width != 1:
                what = f"holds a frame of {held.width} columns"
                raise InputError(Problem(f"column {name!r}", what, allowed="a list of values"))
            out.append(held.to_series().alias(str(name)))
        elif _is_array(values):
            out.append(_series(str(name), _array(values)))
        elif isinstance(values, Sequence) and not isinstance(values, str | bytes):
            out.append(_listed(str(name), values))
        else:
            what = f"holds a {type(values).__name__}, not a list of values"
            raise InputError(Problem(f"column {name!r}", what, fix="give each column as a list or an array"))
    lengths = {series.name: len(series) for series in out}
    if len(set(lengths.values())) > 1:
        held = ", ".join(f"{name} {count:,}" for name, count in lengths.items())
        what = f"the columns have different numbers of values: {held}"
        raise InputError(Problem("data", what, fix="give as many to each"))
    return pl.DataFrame(out)


def _rows(data: list[Any]) -> pl.DataFrame:
    """Return a list of dicts as a frame."""
    import polars as pl

    from netwright.data.readers.records import gather

    wrong = [position for position, row in enumerate(data, start=1) if not isinstance(row, Mapping)]
    if wrong:
        first = ", ".join(f"row {position} is a {type(data[position - 1]).__name__}" for position in wrong[:5])
        what = f"{len(wrong):,} of {len(data):,} rows are not dicts: {first}"
        raise InputError(Problem("data", what, allowed="a dict for each row"))
    if not data:
        raise InputError(Problem("data", "the list is empty", fix="give a list with a dict for each row"))
    return pl.DataFrame([_listed(str(name), values) for name, values in gather(data).items()])


def _listed(name: str, values: Sequence[Any]) -> pl.Series:
    from netwright.data.readers.records import column

    return column(name, values, where=_NAME)


def _array(data: Any) -> Any:
    """Return `data` as a NumPy array: a tensor is taken from its device first."""
    import numpy as np

    if _library(data) == "torch":
        data = data.detach().cpu()
    return np.asarray(data)


def _series(name: str, array: Any) -> pl.Series:
    """Return an array (n, ...) as a column."""
    import numpy as np
    import polars as pl

    if array.dtype.kind in "OUST":
        return _listed(name, array.tolist())
    if array.dtype.kind not in "biufmM":
        allowed = "numbers, booleans, texts, dates"
        raise InputError(Problem(f"column {name!r}", f"an array of {array.dtype} cannot be a column", allowed=allowed))
    return pl.Series(name, np.ascontiguousarray(array))


def _pair(inputs: Any, targets: Any) -> pl.DataFrame:
    """Return (X, y) as a frame."""
    frame = _inputs(inputs)
    if _library(targets) in _FRAMES:
        held = _framed(targets, "y")
        columns = held.get_columns()
    else:
        array = _array(targets)
        if array.ndim not in (1, 2):
            shape = "x".join(map(str, array.shape)) or "one value"
            raise InputError(Problem("y", f"has the shape {shape}", allowed="(n,), or (n, k) for k targets"))
        columns = [_series("y", part) for part in ([array] if array.ndim == 1 else array.T)]
    names = ["y"] if len(columns) == 1 else [f"y{i}" for i in range(len(columns))]
    taken = [name for name in names if name in frame.columns]
    if taken:
        what = f"already has the column {', '.join(taken)}, which y is to become"
        raise InputError(Problem("X", what, fix="rename it, or give one frame that holds inputs and targets"))
    if len(columns[0]) != frame.height:
        what = f"X has {frame.height:,} rows and y has {len(columns[0]):,}"
        raise InputError(Problem("(X, y)", what, fix="give a target for each row"))
    return frame.with_columns(column.alias(name) for column, name in zip(columns, names, strict=True))


def _inputs(inputs: Any) -> pl.DataFrame:
    """Return X as a frame: columns of numbers, an image column, or a frame's own columns."""
    import polars as pl

    if _library(inputs) in _FRAMES:
        return _framed(inputs, "X")
    if _library(inputs) == "scipy":
        raise InputError(Problem("X", f"is sparse (a {type(inputs).__name__})", fix="give X.toarray()"))
    try:
        array = _array(inputs)
    except ValueError as error:  # rows of unlike length
        raise InputError(Problem("X", f"is no array: {error}", allowed="rows of one length")) from error
    shape = "x".join(map(str, array.shape)) or "one value"
    if array.ndim == 1:
        return pl.DataFrame([_series("x0", array)])
    if array.ndim == 2:
        return pl.DataFrame([_series(f"x{i}", part) for i, part in enumerate(array.T)])
    if array.ndim == 3 or (array.ndim == 4 and array.shape[-1] in (1, 3, 4)):
        if array.dtype != "uint8":
            fix = "scale the values to 0 ... 255 and give (X * 255).astype('uint8')"
            raise InputError(Problem("X", f"images {shape} of {array.dtype}", allowed="images of uint8", fix=fix))
        return pl.DataFrame([_series("image", array)])
    allowed = "(n, d) for numbers, (n, H, W) or (n, H, W, C) for images, C being 1, 3 or 4"
    raise InputError(Problem("X", f"has the shape {shape}", allowed=allowed))
