"""Dates in the report: days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from netwright.kinds import parse
from netwright.report.kinds import base, values
from netwright.report.page.written import number

if TYPE_CHECKING:
    from netwright.kinds.base import Kind


class Shown(base.Shown):
    """Days since 1970."""

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return values.distinct(column) | values.amounts(column, samples, _days)

    def amount(self, value: float) -> str:
        try:
            return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
        except OverflowError:
            return number(value)


def _days(sample: pl.Series) -> np.ndarray:
    return values.there(parse.dates(sample).cast(pl.Int64).cast(pl.Float64) / 86_400e6)
