"""Reading strings as numbers and dates, whole columns at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import polars as pl

_DATE_FORMS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d", "%Y年%m月%d日", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y", "%d %b %Y",
    "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d",
)  # fmt: skip


def numbers(values: pl.Series) -> tuple[pl.Series, bool]:
    """Read strings as numbers: `1,234.5`, `$5`, `12 %`, `(3)`; what cannot be read becomes null.

    Returns the numbers (Float64) and whether any needed more than plain reading. A percentage keeps its figure: 12 %
    is 12.

    >>> numbers(pl.Series(["1,234.5", "$5", "12 %", "x", None]))[0].to_list()
    [1234.5, 5.0, 12.0, None, None]
    """
    if values.dtype == pl.Boolean or values.dtype.is_numeric() or values.dtype == pl.Decimal:
        return values.cast(pl.Float64, strict=False).fill_nan(None), False
    text = values.cast(pl.String).str.strip_chars()
    plain = text.cast(pl.Float64, strict=False)
    if plain.null_count() == text.null_count():
        return plain.fill_nan(None), False
    bare = (
        text.str.replace_all(r"^\((.*)\)$", "-$1")  # an accountant's minus
        .str.replace_all(r"^([-+]?)\s*[$€£¥₹]\s*|\s*[$€£¥₹%元]$", "$1")
        .str.strip_chars()
        .str.replace_all(r"^([-+]?\d{1,3}(?:[,\u00a0\u202f' ]\d{3})+)(\.\d+)?$", "$1$2")
    )
    grouped = bare.str.contains(r"^[-+]?\d{1,3}([,\u00a0\u202f' ]\d{3})+(\.\d+)?$")
    ungrouped = pl.select(
        pl.when(grouped).then(bare.str.replace_all(r"[,\u00a0\u202f' ]", "")).otherwise(bare).alias(values.name)
    ).to_series()
    read = pl.select(plain.fill_null(ungrouped.cast(pl.Float64, strict=False)).alias(values.name)).to_series()
    return read.fill_nan(None), True


def dates(values: pl.Series, form: str | None = None) -> pl.Series:
    """Read strings as moments in time (microseconds, no zone) with the one form that reads most of them.

    `form`: the form to read them in, where `date_form` has found it for more values than these.

    >>> dates(pl.Series(["2024-02-29", "x"])).to_list()
    [datetime.datetime(2024, 2, 29, 0, 0), None]
    """
    moment = pl.Datetime("us")
    if values.dtype == pl.Date:
        return values.cast(moment)
    if values.dtype == pl.Datetime:
        return values.dt.replace_time_zone(None).cast(moment)
    text = _bare(values)
    if form is not None:
        return _in_form(text, form)
    best: pl.Series | None = None
    for known in _DATE_FORMS:
        read = _in_form(text, known)
        if best is None or read.null_count() < best.null_count():
            best = read
        if best.null_count() == text.null_count():
            break
    assert best is not None
    return best


def date_form(slices: Callable[[], Iterable[pl.Series]]) -> str | None:
    """Return the form in which `dates` would read all these slices together; None: they are no strings.

    >>> date_form(lambda: [pl.Series(["01/02/2024"]), pl.Series(["31/12/2024"])])
    '%d/%m/%Y'
    """
    if any(part.dtype in (pl.Date, pl.Datetime) for part in slices()):
        return None
    least, best = -1, _DATE_FORMS[0]
    missing = sum(_bare(part).null_count() for part in slices())
    for known in _DATE_FORMS:
        lost = sum(_in_form(_bare(part), known).null_count() for part in slices())
        if least < 0 or lost < least:
            least, best = lost, known
        if least == missing:
            break
    return best


def _bare(values: pl.Series) -> pl.Series:
    return values.cast(pl.String).str.strip_chars().str.replace(r"(Z|[+-]\d\d:?\d\d)$", "")


def _in_form(text: pl.Series, form: str) -> pl.Series:
    try:
        return text.str.to_datetime(form, strict=False, time_unit="us")
    except pl.exceptions.ComputeError:  # polars refuses a form without hours for datetimes: read it as a date
        return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
