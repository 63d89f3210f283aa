"""The general way in which a kind's columns are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from netwright.report.kinds import values
from netwright.report.page.written import number

if TYPE_CHECKING:
    from markupsafe import Markup

    from netwright.kinds.base import Kind, Target
    from netwright.report.kinds.words import Said
    from netwright.report.page.verdict import Verdict


class Shown:
    """How columns of a kind are shown.

    `called`: what its values are called; `counted`: of what shares are. `worst`: by what the worst answers were found.
    """

    called: ClassVar[str] = "Classes"
    counted: ClassVar[str] = "rows"
    worst: ClassVar[str] = "the loss is largest"

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        """Return what stands in a column; `samples`: some of its values by part of the rows."""
        if column.dtype.is_numeric():
            return values.distinct(column) | values.amounts(column, samples, values.numbers)
        if column.dtype.is_nested() or column.dtype == pl.Binary:
            return {}
        return values.frequent({name: values.strings(each) for name, each in samples.items()}, role) | values.distinct(column)  # fmt: skip

    def amount(self, value: float) -> str:
        """Return an amount of the profile in words."""
        return number(value)

    def achieved(self, told: Verdict, where: str) -> str | None:
        """Return a target's score as the beginning of a sentence; None: the general one."""
        return None

    def said(self, kind: Target, frame: pl.DataFrame) -> Said:
        """Return truth and answer of a target about the words of a text, read back from the predictions."""
        raise NotImplementedError(f"{type(self).__name__} tells of no words")

    def lost(self, one: Said, place: int) -> float:
        """Return how wrong the answer of a row is, of such a target."""
        raise NotImplementedError(f"{type(self).__name__} tells of no words")

    def row(self, one: Said, place: int, text: Any) -> dict[str, Any]:
        """Return what is kept of such a row, whose text has these words."""
        raise NotImplementedError(f"{type(self).__name__} tells of no words")

    def words(self, answered: Said) -> Markup | None:
        """Return what is right and wrong of the words, as a part of the page."""
        return None
