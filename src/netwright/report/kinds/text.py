"""Texts in the report: how long they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from netwright.report.kinds import base, values

if TYPE_CHECKING:
    from netwright.kinds.base import Kind


class Shown(base.Shown):
    """Lengths in characters."""

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return values.distinct(column) | values.texts(samples)
