"""Images in the report: their size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from netwright.report.kinds import base

if TYPE_CHECKING:
    from netwright.kinds.base import Kind


class Shown(base.Shown):
    """Height, width and channels."""

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return {} if kind is None else {name: getattr(kind, name) for name in ("height", "wide", "channels")}
