"""Categories in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from netwright.report.kinds import base, values
from netwright.report.page.html import cut
from netwright.report.page.written import share

if TYPE_CHECKING:
    from netwright.kinds.base import Kind
    from netwright.report.page.verdict import Verdict


class Shown(base.Shown):
    """Classes."""

    worst: ClassVar[str] = "the least probability was given to the truth"

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return values.frequent({name: values.strings(each) for name, each in samples.items()}, role) | values.distinct(column)  # fmt: skip

    def achieved(self, told: Verdict, where: str) -> str | None:
        if told.metric != "accuracy":
            return None
        return f"The network answers {cut(told.target, 60)} rightly in {share(told.ours['value'])} of {where}"
