"""Labels in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from netwright.report.kinds import base, values

if TYPE_CHECKING:
    from netwright.kinds.base import Kind


class Shown(base.Shown):
    """Labels, of which a row has several."""

    called: ClassVar[str] = "Labels"
    worst: ClassVar[str] = "the least probability was given to the true labels"

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return values.frequent({name: _parts_of(sample, kind) for name, sample in samples.items()}, role)


def _parts_of(sample: pl.Series, kind: Any) -> pl.Series:
    """All labels of all rows."""
    if sample.dtype == pl.String:
        sample = sample.str.split(kind.separator if kind is not None and kind.separator else "|")
    parts = sample.drop_nulls().explode().drop_nulls() if sample.dtype.is_nested() else sample.drop_nulls()
    texts = parts.cast(pl.String).str.strip_chars()
    return texts.filter(texts != "")
