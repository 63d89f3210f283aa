"""Tags of words in the report."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from markupsafe import Markup

from netwright.kinds.words import parted
from netwright.report.kinds import base, values
from netwright.report.kinds.words import Said, read
from netwright.report.page.html import brief, cut, joined, more, note, table
from netwright.report.page.written import score, share

if TYPE_CHECKING:
    from netwright.kinds.base import Kind, Target
    from netwright.report.page.verdict import Verdict

WORDS = 40
"""Words of a text that are kept, the first wrong one among them."""
PAIRS = 12
FIRST, LISTED = 12, 100


class Shown(base.Shown):
    """Which tags there are, and which are taken for which."""

    called: ClassVar[str] = "Tags"
    counted: ClassVar[str] = "words"
    worst: ClassVar[str] = "the surest answers are wrong, of the most words"

    def profile(self, column: pl.Series, samples: dict[str, pl.Series], kind: Kind | None, role: str) -> dict[str, Any]:
        return values.frequent({name: _tags_of(sample) for name, sample in samples.items()}, role)

    def achieved(self, told: Verdict, where: str) -> str | None:
        if told.metric != "accuracy":
            return None
        return f"The network tags {share(told.ours['value'])} of the words of {where} rightly ({cut(told.target, 60)})"

    def said(self, kind: Target, frame: pl.DataFrame) -> Said:
        name = kind.columns[0]
        truth, chosen, sure = (frame[f"{name}{end}"].to_list() for end in ("", "_predicted", "_probability"))
        lists = [[str(tag) for tag in json.loads(text)] if text else [] for text in chosen]
        given = [parted(read(value)).words for value in truth]
        rows = np.flatnonzero([0 < len(one) == len(other) for one, other in zip(given, lists, strict=True)])
        kept = rows.tolist()
        return Said(
            name, kind, rows, frame["id"][rows], [given[k] for k in kept], [lists[k] for k in kept],
            [json.loads(sure[k]) for k in kept],
        )  # fmt: skip

    def lost(self, one: Said, place: int) -> float:
        """The sum of the probabilities that were given to wrong tags."""
        pairs = zip(one.truth[place], one.chosen[place], one.probability[place], strict=True)
        return float(sum(sure for right, given, sure in pairs if right != given))

    def row(self, one: Said, place: int, text: Any) -> dict[str, Any]:
        """A part of the text with right and answered tags, from shortly before the first wrong word on."""
        right, given = one.truth[place], one.chosen[place]
        first = next(k for k, pair in enumerate(zip(right, given, strict=True)) if pair[0] != pair[1])
        begin = max(0, first - WORDS // 4)
        part = slice(begin, begin + WORDS)
        shown = [list(triple) for triple in zip(text.words[part], right[part], given[part], strict=False)]
        wrong = sum(a != b for a, b in zip(right, given, strict=True))
        return {"truth": right[part], "answer": given[part], "words": shown, "wrong": wrong, "of": len(right)}

    def words(self, answered: Said) -> Markup | None:
        pairs: Counter[tuple[str, str]] = Counter()
        for right, given in zip(answered.truth, answered.chosen, strict=True):
            pairs.update(zip(right, given, strict=True))
        every = pairs.total()
        wrong = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
        lost = sum(wrong.values())
        told = note(f"{lost:,} of {every:,} words tagged wrongly.")
        order = sorted(wrong, key=lambda pair: (-wrong[pair], pair))[:PAIRS]
        lines = [[brief(a, 24), brief(b, 24), f"{wrong[a, b]:,}", share(wrong[a, b] / lost)] for a, b in order]
        taken = table(
            ["truth", "answer", "words", "of the wrong"], lines, caption="Which tags are taken for which", class_="fit",
            numbers=(2, 3),
        )  # fmt: skip
        return joined([told, taken if lines else None, _each(pairs)])


def _each(pairs: Counter[tuple[str, str]]) -> Markup:
    """How well each tag is found: precision, recall and F1 over words."""
    true, given = Counter[str](), Counter[str]()
    for (right, answer), count in pairs.items():
        true[right] += count
        given[answer] += count
    lines = []
    for name in sorted(true | given, key=lambda name: (-true[name], name))[:LISTED]:
        both = pairs[name, name]
        parts = [both / given[name] if given[name] else None, both / true[name] if true[name] else None]
        lines.append(
            [brief(name, 24), f"{true[name]:,}", *map(share, parts), score(2 * both / (true[name] + given[name]))]
        )
    head = ["tag", "words", "precision", "recall", "F1"]

    def shown(part: list[list[str]], caption: str) -> Markup:
        return table(head, part, caption=caption, class_="fit", numbers=(1, 2, 3, 4))

    rest = more(f"{len(lines) - FIRST} more tags", shown(lines[FIRST:], "More tags")) if lines[FIRST:] else None
    return joined([shown(lines[:FIRST], "How well each tag is found"), rest])


def _tags_of(sample: pl.Series) -> pl.Series:
    """All tags of all rows."""
    return values.joined(sample).drop_nulls().str.split(" ").explode().drop_nulls().replace("", None).drop_nulls()
