"""The other half of a pair in the report: a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from netwright.report.kinds import text
from netwright.report.page.html import cut
from netwright.report.page.written import score

if TYPE_CHECKING:
    from netwright.report.page.verdict import Verdict


class Shown(text.Shown):
    """A text that is found again."""

    worst: ClassVar[str] = "the cosine of two texts that belong together is least"

    def achieved(self, told: Verdict, where: str) -> str | None:
        if told.metric != "mrr":
            return None
        value = score(told.ours["value"])
        return f"Among the {cut(told.target, 60)} of {where} the network ranks the right one at {value} (mean of 1 / its place)"  # fmt: skip
