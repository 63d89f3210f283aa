"""Whole columns of texts as numbers and dates, by the rule of `values`: each distinct text is read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from netwright.kinds.values import date as dates_
from netwright.kinds.values import number as numbers_

_COMMA = r"^[-+]?(?:\d{1,3}(?:[.\u00a0\u202f' ]\d{3})+|\d+),\d+$"  # 1.234,5
_POINT = r"^[-+]?(?:\d{1,3}(?:[,\u00a0\u202f' ]\d{3})+|\d+)?\.\d+$"  # 1,234.5
_GROUPS = r"^[-+]?[1-9]\d{0,2}(?:[,.]\d{3})+$"  # 1,234 and 1.234: either may be a mark of thousands
_UNIT = r"\d\s*([^\d\s.,%)％）$€£¥￥₹][^\d\s]{0,7})$"
LOOK = 10_000  # values that tell how a column's numbers are written


class Notation(NamedTuple):
    """How the numbers of a column of texts are written: with a decimal comma, with a unit behind them."""

    comma: bool = False
    unit: str = ""


def notation(values: pl.Series) -> Notation:
    """Tell how most of a column's numbers are written; where nothing tells, with a point and without a unit.

    >>> notation(pl.Series(["1.234,50", "12,5"])), notation(pl.Series(["46 kg", "50 kg", "7.5 kg"])).unit
    (Notation(comma=True, unit=''), 'kg')
    """
    if values.dtype != pl.String:
        return Notation()
    look = values.drop_nulls()
    text = look.gather_every(max(1, len(look) // LOOK))
    text = pl.Series([each for each in text if numbers_.plain(each) is None], dtype=pl.String)
    unit = _unit(text)
    bare = pl.Series([numbers_.bare(each, unit) for each in text], dtype=pl.String)
    clear = bare.filter(~bare.str.contains(_GROUPS))
    comma, point = (int(clear.str.contains(form).sum()) for form in (_COMMA, _POINT))
    return Notation(comma > 0 and comma > point, unit)


def _unit(text: pl.Series) -> str:
    """The unit behind 95 % and more of the numbers that are written as these texts, such as `kg` or `㎡`."""
    found = text.str.extract(_UNIT).drop_nulls().value_counts(sort=True)
    if not len(found) or found["count"][0] < max(2, 0.95 * len(text)):
        return ""
    unit = str(found.to_series()[0])
    return "" if unit.rstrip("元円") in numbers_.TENS else unit  # 万元: ten thousands, also where 亿元 stand among them


def numbers(values: pl.Series, written: Notation | None = None) -> pl.Series:
    """Read strings as numbers (Float64): `1,234.5`, `$5`, `12 %`, `(3)`, `3.2万`; what cannot be read becomes null.

    `written`: how the column's numbers are written (`notation`), where more values than these have told.

    >>> numbers(pl.Series(["1,234.5", "$5", "12 %", "3.2万", "x", None])).to_list()
    [1234.5, 5.0, 12.0, 32000.0, None, None]
    """
    if values.dtype == pl.Boolean or values.dtype.is_numeric():
        return values.cast(pl.Float64, strict=False).fill_nan(None)
    text = values.cast(pl.String)
    comma, unit = written or notation(text)
    return _each(text, lambda one: numbers_.number(one, comma=comma, unit=unit), pl.Float64).fill_nan(None)


def dates(values: pl.Series, layout: str | None = None, *, utc: bool = False) -> pl.Series:
    """Read strings as moments in time (microseconds, no zone), in the layout that reads most of them before all others.

    `utc`: an offset behind a time, as in `+08:00`, is taken off.

    >>> dates(pl.Series(["2024-02-29", "x"])).to_list()
    [datetime.datetime(2024, 2, 29, 0, 0), None]
    """
    moment = pl.Datetime("us")
    if values.dtype == pl.Date:
        return values.cast(moment)
    if values.dtype == pl.Datetime:
        return values.dt.replace_time_zone(None).cast(moment)
    text = values.cast(pl.String)
    read = dates_.Date({"layout": layout or date_layout(text), "utc": utc}).moment
    return _each(text, read, moment)


def date_layout(values: pl.Series, first: str | None = None) -> str | None:
    """Return the layout that reads most of a column's texts; None: they are no texts.

    >>> date_layout(pl.Series(["01/02/2024", "31/12/2024"]))
    '%d/%m/%Y'
    """
    return dates_.best(values.drop_nulls().unique(maintain_order=True).to_list(), first) if values.dtype == pl.String else None  # fmt: skip


def reads(values: pl.Series, layout: str) -> bool:
    """Whether a layout reads any of these strings, or needs not to: there are none."""
    texts = values.drop_nulls() if values.dtype == pl.String else values.head(0)
    return not len(texts) or any(dates_.parser(layout)(dates_.split(text)[0]) is not None for text in texts)


def day_or_month(values: pl.Series) -> bool:
    """Whether no value tells the day from the month, as in 03/04/2024.

    >>> day_or_month(pl.Series(["03/04/2024"])), day_or_month(pl.Series(["03/14/2024"]))
    (True, False)
    """
    layout = date_layout(values)
    if layout is None or "%m/%d" not in layout:
        return False
    texts = [dates_.split(text)[0] for text in values.drop_nulls().unique()]
    one, other = dates_.parser(layout), dates_.parser(dates_.turned(layout))
    return all((one(text) is None) == (other(text) is None) for text in texts)


def offsets_differ(values: pl.Series) -> bool:
    """Whether times are written with unlike offsets from UTC, as 08:00Z and 08:00+02:00 are."""
    return (
        values.dtype == pl.String and len({dates_.split(text)[1] or 0.0 for text in values.drop_nulls().unique()}) > 1
    )


def _each(text: pl.Series, read: Callable[[str], float | datetime | None], dtype: Any) -> pl.Series:
    """What a function makes of each text; of many alike once."""
    distinct = text.drop_nulls().unique(maintain_order=True)
    known: dict[str, Any] = {one: read(one) for one in distinct}
    found: Sequence[Any] = [None if one is None else known[one] for one in text.to_list()]
    return pl.Series(text.name, found, dtype=dtype)
