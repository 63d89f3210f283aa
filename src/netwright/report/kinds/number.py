"""Numbers in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from netwright.report.kinds import base, values
from netwright.report.page.html import cut
from netwright.report.page.written import score, share

if TYPE_CHECKING:
    from netwright.kinds.base import Kind
    from netwright.report.page.verdict import Verdict


class Shown(base.Shown):
    """Amounts."""

    worst: ClassVar[str] = "the answer is furthest from the truth"

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return values.distinct(column) | values.amounts(column, samples, values.numbers)

    def achieved(self, told: Verdict, where: str) -> str | None:
        value, target = told.ours["value"], cut(told.target, 60)
        if value <= 0:
            return f"On {where} the network answers {target} no better than its mean would (R² {score(value)})"
        return f"The network explains {share(value)} of how {target} varies over {where} (R² {score(value)})"
