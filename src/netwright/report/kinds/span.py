"""Pieces of a text that answer, in the report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from markupsafe import Markup

from netwright.evaluation.metrics.span import agreement
from netwright.kinds.span import answers_of
from netwright.report.kinds import base, words
from netwright.report.kinds.words import Said, read
from netwright.report.page.html import cut, table
from netwright.report.page.written import share

if TYPE_CHECKING:
    from netwright.kinds.base import Kind, Target
    from netwright.report.page.verdict import Verdict


class Shown(base.Shown):
    """How far answered pieces are right."""

    worst: ClassVar[str] = "the answer has least in common with the right one"

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return {}

    def achieved(self, told: Verdict, where: str) -> str | None:
        value, target = share(told.ours["value"]), cut(told.target, 60)
        return f"The network's answers for {target} agree with the right ones by {value} (F1) on {where}"

    def said(self, kind: Target, frame: pl.DataFrame) -> Said:
        name = kind.columns[0]
        truth, chosen, sure = (frame[f"{name}{end}"].to_list() for end in ("", "_predicted", "_probability"))
        right = [tuple(text for text, _ in answers_of(read(value))) for value in truth]
        rows = np.arange(frame.height)
        return Said(name, kind, rows, frame["id"], right, [text or "" for text in chosen], [float(p) for p in sure])

    def lost(self, one: Said, place: int) -> float:
        """What the answer and the right one have not in common: 1 - F1."""
        return 1 - max(agreement(one.chosen[place], right)[1] for right in one.truth[place] or ("",))

    def row(self, one: Said, place: int, text: Any) -> dict[str, Any]:
        return {
            "truth": words.cut(" / ".join(one.truth[place])) or "no answer", "answer": words.cut(one.chosen[place]) or "no answer",
            "p_truth": None, "p_answer": one.probability[place], "beside": True,
        }  # fmt: skip

    def words(self, answered: Said) -> Markup | None:
        """How many rows are answered word for word, partly, wrongly or not at all."""
        counts = {True: Counter[str](), False: Counter[str]()}
        for right, given in zip(answered.truth, answered.chosen, strict=True):
            f1 = max(agreement(given, one)[1] for one in right or ("",))
            exact = any(agreement(given, one)[0] for one in right or ("",))
            name = "right" if exact else "partly right" if f1 > 0 else "not answered" if not given else "wrong"
            counts[bool(right)][name] += 1
        names = [
            name for name in ("right", "partly right", "wrong", "not answered") if any(c[name] for c in counts.values())
        ]
        lines = []
        for has, told in ((True, "have an answer"), (False, "have none")):
            total = counts[has].total()
            if total:
                lines.append([f"rows that {told}", f"{total:,}", *(share(counts[has][name] / total) for name in names)])
        return table(
            ["", "rows", *names],
            lines,
            caption="How far answers are right",
            class_="fit",
            numbers=range(1, 2 + len(names)),
        )
