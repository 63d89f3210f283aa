"""The rows whose words a network answers worst: a text with its right and its answered tags, or its right piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netwright.evaluation.metrics.span import agreement
from netwright.kinds.span import Span
from netwright.kinds.words import parted
from netwright.report.kept.worst import INPUTS, LENGTH, ROWS

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.report.page.words import Said

WORDS = 40
"""Words of a text that are kept, the first wrong one among them."""


def worst_words(answered: dict[str, Said], table: Table, rows: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """Return, by target, the ROWS rows of the largest losses; `rows` are the places in the table of the predictions."""
    out = {}
    for name, one in answered.items():
        spans = isinstance(one.kind, Span)
        lost = np.array([_span_loss(one, k) if spans else _tags_loss(one, k) for k in range(len(one))])
        order = np.argsort(-lost, kind="stable")[:ROWS]
        found = []
        for place in order[lost[order] > 0].tolist():
            row = int(rows[one.rows[place]])
            about = one.kind.beside[0]
            text = parted(table.frame[about].slice(row, 1).to_list()[0])
            told = _span(one, place) if spans else _tags(one, place, text.words)
            others = [column for column in table.columns if column not in (name, about)][:INPUTS] if spans else []
            inputs = {column: _cut(str(table.frame[column].slice(row, 1).to_list()[0])) for column in others}
            shown = {about: _cut(text.text)} if spans else {}
            found.append({"id": one.ids[place], "loss": float(lost[place]), **told, "inputs": {**inputs, **shown}, "images": {}})  # fmt: skip
        out[name] = found
    return out


def _tags_loss(one: Said, place: int) -> float:
    """The sum of the probabilities that were given to wrong tags."""
    pairs = zip(one.truth[place], one.chosen[place], one.probability[place], strict=True)
    return float(sum(sure for right, given, sure in pairs if right != given))


def _span_loss(one: Said, place: int) -> float:
    """What the answer and the right one have not in common: 1 - F1."""
    return 1 - max(agreement(one.chosen[place], right)[1] for right in one.truth[place] or ("",))


def _tags(one: Said, place: int, words: list[str]) -> dict[str, Any]:
    """A part of the text with right and answered tags, from shortly before the first wrong word on."""
    right, given = one.truth[place], one.chosen[place]
    first = next(k for k, pair in enumerate(zip(right, given, strict=True)) if pair[0] != pair[1])
    begin = max(0, first - WORDS // 4)
    part = slice(begin, begin + WORDS)
    shown = [list(triple) for triple in zip(words[part], right[part], given[part], strict=False)]
    wrong = sum(a != b for a, b in zip(right, given, strict=True))
    return {"truth": right[part], "answer": given[part], "words": shown, "wrong": wrong, "of": len(right)}


def _span(one: Said, place: int) -> dict[str, Any]:
    return {
        "truth": _cut(" / ".join(one.truth[place])) or "no answer", "answer": _cut(one.chosen[place]) or "no answer",
        "p_truth": None, "p_answer": one.probability[place],
    }  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
