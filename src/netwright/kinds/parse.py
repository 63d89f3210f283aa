"""Reading strings as numbers and dates, whole columns at once."""

from __future__ import annotations

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


def dates(values: pl.Series) -> pl.Series:
    """Read strings as moments in time (microseconds, no zone) with the one form that reads most of them.

    >>> dates(pl.Series(["2024-02-29", "x"])).to_list()
    [datetime.datetime(2024, 2, 29, 0, 0), None]
    """
    moment = pl.Datetime("us")
    if values.dtype == pl.Date:
        return values.cast(moment)
    if values.dtype == pl.Datetime:
        return values.dt.replace_time_zone(None).cast(moment)
    text = values.cast(pl.String).str.strip_chars().str.replace(r"(Z|[+-]\d\d:?\d\d)$", "")
    best: pl.Series | None = None
    for form in _DATE_FORMS:
        try:
            read = text.str.to_datetime(form, strict=False, time_unit="us")
        except pl.exceptions.ComputeError:  # polars refuses a form without hours for datetimes: read it as a date
            read = text.str.to_date(form, strict=False).cast(moment)
        if best is None or read.null_count() < best.null_count():
            best = read
        if best.null_count() == text.null_count():
            break
    assert best is not None
    return best
