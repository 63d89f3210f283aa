"""Date: a moment, read as its distance in time and its place in the day, week, month and year (sine and cosine). n rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem, quoted
from netwright.events import say_rows
from netwright.kinds import base
from netwright.kinds.values import Value, value
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from netwright.kinds.facts import Facts

DAY = 86_400.0  # seconds


class Options(base.Options):
    """Settings of a date column."""

    kind: Literal["date"] = "date"
    layout: str | None = Field(
        default=None, description="date format, such as %d/%m/%Y; default: the format that most values match"
    )


class Input(base.Input):
    """A fitted date column."""

    moment: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["date"] = "date"
    center: float
    spread: float
    timed: bool
    missing: tuple[bool, ...]
    layout: str | None = None
    utc: bool = False

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Columns stored as dates; strings of which at least 95 % can be read in one form."""
        import polars as pl

        from netwright.kinds import parse

        if facts.values.dtype in (pl.Date, pl.Datetime):
            return base.Guess(sure=0.95, reason="it is stored as a date")
        if not facts.is_text or not facts.sample or facts.number_share > 0.5:
            return None
        if sum(any(mark in one for mark in "-/.年 ") and one[:1].isalnum() for one in facts.sample) < 0.9 * len(
            facts.sample
        ):
            return None
        sample = pl.Series(facts.sample, dtype=pl.String)
        read = parse.dates(sample)
        share = 1 - read.null_count() / len(read)
        if share < 0.95:
            return None
        reason = f"{share:.0%} of its values are dates"
        if parse.day_or_month(sample) and parse.day_or_month(facts.present):  # few are looked at before all are
            reason += ", the month first as far as can be told: no value tells day from month"
        if parse.offsets_differ(facts.present):
            reason += " with unlike offsets, all brought to UTC"
        return base.Guess(sure=0.9, reason=reason)

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn the layout, the centre and spread of the moments, and whether they have a time of day."""
        from netwright.kinds import parse

        column = frame.to_series(0)
        layout = parse.date_layout(column) if options.layout is None else _asked(options.layout, column)
        utc = parse.offsets_differ(column)
        seconds = value({"form": "date", "layout": layout, "utc": utc}).read(base.cells(column))[0][""]
        present = seconds[np.isfinite(seconds)]
        return cls(
            columns=tuple(frame.columns),
            center=float(present.mean()) if len(present) else 0.0,
            spread=(float(present.std()) if len(present) else 0.0) or 1.0,
            timed=bool((present % DAY != 0).any()),
            missing=(bool(len(present) < len(seconds)),) * (9 if (present % DAY != 0).any() else 7),
            layout=layout,
            utc=utc,
        )

    @property
    def width(self) -> int:
        """How many values a row has: 7, or 9 with a time of day."""
        return len(self.missing)

    def value(self, column: str) -> Value:
        """A day, or a moment, in the layout of training."""
        return value({"form": "date", "timed": self.timed, "layout": self.layout, "utc": self.utc})

    def encode(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """{"values": (n, 7 or 9) float32}: scaled time, then sine and cosine of week, month, year (and day)."""
        found, wrong = self.value(self.columns[0]).read(cells[0])
        if wrong:
            name, first = self.columns[0], cells[0][next(iter(wrong))]
            text = f"{name}: not dates, such as {quoted(first)}; read as missing"
            say_rows("date.unreadable", text, ids(list(wrong)), column=name)
        seconds = found[""]
        days = np.floor(seconds / DAY)
        moments = days.astype("datetime64[D]")
        month = moments.astype("datetime64[M]")
        year = moments.astype("datetime64[Y]")
        with np.errstate(invalid="ignore"):
            cycles = [
                (days % 7) / 7,
                (moments - month.astype("datetime64[D]")).astype(float) / 31,
                (moments - year.astype("datetime64[D]")).astype(float) / 366,
            ] + ([seconds % DAY / DAY] if self.timed else [])
        parts = [(seconds - self.center) / self.spread]
        for cycle in cycles:
            parts += [np.sin(2 * np.pi * cycle), np.cos(2 * np.pi * cycle)]
        out = np.column_stack(parts)
        out[np.isnan(seconds)] = np.nan
        return {"values": out.astype(np.float32)}


def _asked(layout: str, column: pl.Series) -> str:
    """The layout that the user names. Raises `InputError` where it reads none of the column's values."""
    from netwright.kinds import parse

    if parse.reads(column, layout):
        return layout
    what = f"{layout!r} reads none of its values, such as {column.drop_nulls().head(1).to_list()[0]!r}"
    allowed = "%Y year, %m month, %d day, %H:%M:%S time, as in %d/%m/%Y"
    raise InputError(Problem(f"columns.{column.name}.layout", what, allowed=allowed))
