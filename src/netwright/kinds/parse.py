"""Reading strings as numbers and dates, whole columns at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import polars as pl

DATE_FORMS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M",
    "%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y.%m.%d", "%Y%m%d", "%d.%m.%y", "%m/%d/%y",
    "%d/%m/%y", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip


_WIDE = dict(zip("０１２３４５６７８９．，％￥＋－（）", "0123456789.,%¥+-()", strict=True))
_TENS = {"千": 1e3, "万": 1e4, "萬": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "億": 1e8}
_COMMA = r"^[-+]?(?:\d{1,3}(?:[.\u00a0\u202f' ]\d{3})+|\d+),\d+$"  # 1.234,5
_POINT = r"^[-+]?(?:\d{1,3}(?:[,\u00a0\u202f' ]\d{3})+|\d+)?\.\d+$"  # 1,234.5
_GROUPS = r"^[-+]?[1-9]\d{0,2}(?:[,.]\d{3})+$"  # 1,234 and 1.234: either may be a mark of thousands
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
    text = text.filter(text.str.strip_chars().cast(pl.Float64, strict=False).is_null())
    unit = _unit(text)
    bare = _bare_number(text, unit)
    clear = bare.filter(~bare.str.contains(_GROUPS))
    comma, point = (int(clear.str.contains(form).sum()) for form in (_COMMA, _POINT))
    return Notation(comma > 0 and comma > point, unit)


def numbers(values: pl.Series, written: Notation | None = None) -> tuple[pl.Series, bool]:
    """Read strings as numbers: `1,234.5`, `$5`, `12 %`, `(3)`, `3.2万`; what cannot be read becomes null.

    `written`: how the column's numbers are written (`notation`), where more values than these have told. Returns the
    numbers (Float64) and whether any needed more than plain reading. A percentage keeps its figure: 12 % is 12.

    >>> numbers(pl.Series(["1,234.5", "$5", "12 %", "3.2万", "x", None]))[0].to_list()
    [1234.5, 5.0, 12.0, 32000.0, None, None]
    >>> numbers(pl.Series(["1.234,5"]), Notation(comma=True))[0].to_list()
    [1234.5]
    """
    if values.dtype == pl.Boolean or values.dtype.is_numeric() or values.dtype == pl.Decimal:
        return values.cast(pl.Float64, strict=False).fill_nan(None), False
    text = values.cast(pl.String).str.strip_chars()
    plain = text.cast(pl.Float64, strict=False)
    if plain.null_count() == text.null_count() and not (written and written.comma):
        return plain.fill_nan(None), False
    comma, unit = written or notation(text)
    bare = _bare_number(text, unit)
    tens = bare.str.extract(r"\d\s*(百万|千万|[千万萬亿億])$")
    bare = bare.str.replace(r"(\d)\s*(?:百万|千万|[千万萬亿億])$", "$1")
    thousands, decimal = (r"[.\u00a0\u202f' ]", ",") if comma else (r"[,\u00a0\u202f' ]", r"\.")
    grouped = bare.str.contains(rf"^[-+]?\d{{1,3}}({thousands}\d{{3}})+({decimal}\d+)?$")
    bare = _where(grouped, bare.str.replace_all(thousands, ""), bare)
    bare = bare.str.replace(",", ".", literal=True) if comma else bare
    read = bare.cast(pl.Float64, strict=False) * tens.replace_strict(_TENS, default=1.0, return_dtype=pl.Float64)
    if not comma:  # 1.234 is plain where the comma parts decimals, and is not what it looks
        read = _where(plain.is_not_null(), plain, read)
    return read.alias(values.name).fill_nan(None), True


def _unit(text: pl.Series) -> str:
    """The unit behind 95 % and more of the numbers that are written as these texts, such as `kg` or `㎡`."""
    ends = text.str.extract(r"\d\s*([^\d\s.,%)％）$€£¥￥₹][^\d\s]{0,7})$")
    found = ends.drop_nulls().value_counts(sort=True)
    if not len(found) or found["count"][0] < max(2, 0.95 * len(text)):
        return ""
    unit = str(found.to_series()[0])
    return "" if unit.rstrip("元円") in _TENS else unit  # 万元: ten thousands, also where 亿元 stand among them


def _bare_number(text: pl.Series, unit: str) -> pl.Series:
    """Texts without a unit, a currency, a sign of percents, an accountant's brackets; blanks before three digits stay."""
    if unit:
        text = text.str.strip_suffix(unit).str.strip_chars()
    return (
        text.str.replace_many(_WIDE)
        .str.strip_chars()
        .str.replace_all(r"^\((.*)\)$", "-$1")
        .str.replace_all(r"^([-+]?)\s*[$€£¥₹]\s*|\s*[$€£¥₹%元円]$", "$1")
        .str.strip_chars()
    )


def _where(condition: pl.Series, yes: pl.Series, no: pl.Series) -> pl.Series:
    return pl.select(pl.when(condition).then(yes).otherwise(no).alias(no.name)).to_series()


def dates(values: pl.Series, form: str | None = None, *, first: str | None = None, utc: bool = False) -> pl.Series:
    """Read strings as moments in time (microseconds, no zone) with the one form that reads most of them.

    `form`: the form to read them in, where `date_form` has found it for more values than these. `first`: the form to
    prefer where another reads as many. `utc`: an offset behind a time, as in `+08:00`, is taken off.

    >>> dates(pl.Series(["2024-02-29", "x"])).to_list()
    [datetime.datetime(2024, 2, 29, 0, 0), None]
    """
    moment = pl.Datetime("us")
    if values.dtype == pl.Date:
        return values.cast(moment)
    if values.dtype == pl.Datetime:
        return values.dt.replace_time_zone(None).cast(moment)
    text = _bare(values)
    read = _in_form(text, form or _best_form(lambda: [text], first))
    return read - _offsets(values) if utc else read


def date_form(slices: Callable[[], Iterable[pl.Series]], first: str | None = None) -> str | None:
    """Return the form in which `dates` would read all these slices together; None: they are no strings.

    >>> date_form(lambda: [pl.Series(["01/02/2024"]), pl.Series(["31/12/2024"])])
    '%d/%m/%Y'
    """
    if any(part.dtype in (pl.Date, pl.Datetime) for part in slices()):
        return None
    return _best_form(lambda: map(_bare, slices()), first)


def reads(values: pl.Series, form: str) -> bool:
    """Whether a form reads any of these strings, or needs not to: there are none."""
    if values.dtype != pl.String or not len(text := _bare(values).drop_nulls()):
        return True
    try:
        return "%" in form and _in_form(text, form).null_count() < len(text)
    except pl.exceptions.ComputeError:  # polars' word for a form that is none
        return False


def day_or_month(values: pl.Series) -> bool:
    """Whether no value tells the day from the month, as in 03/04/2024.

    >>> day_or_month(pl.Series(["03/04/2024"])), day_or_month(pl.Series(["03/14/2024"]))
    (True, False)
    """
    if values.dtype != pl.String:
        return False
    text = _bare(values)
    form = _best_form(lambda: [text], None)
    other = form.replace("%m/%d", "%d/%m")
    return other != form and bool((_in_form(text, other).is_not_null() == _in_form(text, form).is_not_null()).all())


def offsets_differ(values: pl.Series) -> bool:
    """Whether times are written with unlike offsets from UTC, as 08:00Z and 08:00+02:00 are."""
    return values.dtype == pl.String and _offsets(values.drop_nulls()).n_unique() > 1


def _best_form(slices: Callable[[], Iterable[pl.Series]], first: str | None) -> str:
    """The form that reads most of these bare texts, a slice at a time; of like ones the first."""
    most, best, there = -1, DATE_FORMS[0], sum(len(part) - part.null_count() for part in slices())
    for known in DATE_FORMS if first is None else (first, *DATE_FORMS):
        read = sum(len(part) - _in_form(part, known).null_count() for part in slices())
        if read > most:
            most, best = read, known
        if most == there:
            break
    return best


_OFFSET = r"(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(?:Z|([+-])(\d\d):?(\d\d))$"


def _offsets(values: pl.Series) -> pl.Series:
    """Durations that times written with an offset are ahead of UTC, 0 where there is none."""
    found = values.cast(pl.String).str.strip_chars().str.extract_groups(_OFFSET).struct
    parts = [found.field(str(place)).cast(pl.Int64, strict=False).fill_null(0) for place in (3, 4)]
    minutes = (parts[0] * 60 + parts[1]) * _where(found.field("2") == "-", pl.Series([-1]), pl.Series([1]))
    return (minutes.fill_null(0) * 60_000_000).cast(pl.Duration("us"))


def _bare(values: pl.Series) -> pl.Series:
    """Texts without the offset behind a time; the year of 31-12-2024 is none."""
    return values.cast(pl.String).str.strip_chars().str.replace(r"Z$|(:\d\d(?:\.\d+)?)\s*[+-]\d\d:?\d\d$", "$1")


def _in_form(text: pl.Series, form: str) -> pl.Series:
    """Moments; null also where a year is written with two digits and the form has four: 24 is not the year 24."""
    try:
        read = text.str.to_datetime(form, strict=False, time_unit="us")
    except pl.exceptions.ComputeError:  # polars refuses a form without hours for datetimes: read it as a date
        read = text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    return _where(read.dt.year() >= 100, read, pl.Series([None], dtype=read.dtype))
