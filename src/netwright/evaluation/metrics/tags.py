"""Measures of a tags target: truth (n,) lists of a tag for each word, None where it does not count; answers likewise.

Entities are read from tags as seqeval 1.2.2 reads them in its default mode, which is that of CoNLL's own script: tags are
B-X, I-X, E-X, S-X and O, or X-B and so on; where B is missing an entity begins all the same. M-X, which seqeval does not
know, is I-X. w are the rows' weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, defined_mean, ratio

SELECTS = "accuracy"  # the measure that selects the best weights, where the user names none
HEADLINE = ("entity_f1", "accuracy")  # the measure that a result is told by: the first that is there

Entity = tuple[str, int, int]
"""What it is, and its first and last word."""


@dataclass(frozen=True)
class Words:
    """All words that count, one after the other: their row, right tag and answered tag, as numbers in `names`."""

    row: np.ndarray
    truth: np.ndarray
    answer: np.ndarray
    names: list[str]
    rows: int

    @classmethod
    def of(cls, truth: Sequence[Sequence[str | None]], answer: Sequence[Sequence[str | None]]) -> Words:
        """Join the rows' words."""
        triples = [
            (row, right, given)
            for row, pair in enumerate(zip(truth, answer, strict=True))
            for right, given in zip(*pair, strict=True)
            if right is not None
        ]
        names = sorted({str(tag) for _, *both in triples for tag in both})
        place = {name: number for number, name in enumerate(names)}
        codes = np.array([(row, place[str(a)], place[str(b)]) for row, a, b in triples], np.int64).reshape(-1, 3)
        return cls(codes[:, 0], codes[:, 1], codes[:, 2], names, len(truth))

    def summed(self, values: np.ndarray) -> np.ndarray:
        """(n,) the sum over a row's words."""
        return np.bincount(self.row, values, minlength=self.rows)

    def by_tag(self, tags: np.ndarray, where: np.ndarray) -> Any:
        """(C, n) sparse: how many words `where` of each row have each tag."""
        from scipy.sparse import csr_array

        shape = (len(self.names), self.rows)
        return csr_array((np.ones(int(where.sum())), (tags[where], self.row[where])), shape=shape)


def accuracy(truth: Any, answer: Words) -> Weighted:
    """Σ w_i (right words of row i) / Σ w_i (words of row i)."""
    right, every = answer.summed((answer.truth == answer.answer) * 1.0), answer.summed(np.ones(len(answer.row)))
    return lambda weights: ratio(right @ weights, every @ weights)


def row_accuracy(truth: Any, answer: Words) -> Weighted:
    """The share of rows all whose words are right: Σ w_i 1[all right] / Σ w_i."""
    wrong, every = answer.summed((answer.truth != answer.answer) * 1.0), answer.summed(np.ones(len(answer.row)))
    right, counts = ((wrong == 0) & (every > 0)) * 1.0, (every > 0) * 1.0
    return lambda weights: ratio(right @ weights, counts @ weights)


def f1_macro(truth: Any, answer: Words) -> Weighted:
    """The mean of 2 T_c / (N_c + A_c) over the tags present or answered."""
    everything = np.ones(len(answer.row), bool)
    either = answer.by_tag(answer.truth, everything) + answer.by_tag(answer.answer, everything)
    both = answer.by_tag(answer.truth, answer.truth == answer.answer)
    return lambda weights: defined_mean(ratio(2 * (both @ weights), either @ weights))


def _entity(truth: Any, answer: Words, *, share: str) -> Weighted:
    """Over entities that are right in kind, first and last word: T / A (precision), T / N (recall), 2 T / (A + N)."""
    counts = np.zeros((3, answer.rows))
    borders = np.searchsorted(answer.row, np.arange(answer.rows + 1))
    for row, (begin, end) in enumerate(zip(borders, borders[1:], strict=False)):
        true, given = (
            set(entities([answer.names[code] for code in codes[begin:end]])) for codes in (answer.truth, answer.answer)
        )
        counts[:, row] = len(true), len(given), len(true & given)

    def over(weights: np.ndarray) -> np.ndarray:
        true, given, both = counts @ weights
        below = {"precision": given, "recall": true, "f1": (true + given) / 2}[share]
        return np.where(true > 0, np.divide(both, below, out=np.zeros_like(both), where=below > 0), np.nan)

    return over


def marks_entities(names: Sequence[str]) -> bool:
    """Say whether tags mark where entities begin and end.

    >>> marks_entities(["B-PER", "I-PER", "O"]), marks_entities(["NN", "VB"])
    (True, False)
    """
    marked = [name for name in names if name != "O"]
    fits = all(name[:2] in _FIRST or name[-2:] in _LAST or name in tuple("BIMES") for name in marked)
    return bool(marked) and fits and any(name[0] in "BS" or name[-1] in "BS" for name in marked)


_FIRST, _LAST = tuple(f"{mark}-" for mark in "BIMES"), tuple(f"-{mark}" for mark in "BIMES")


def entities(tags: Sequence[str]) -> list[Entity]:
    """Return the entities of a row's tags, as seqeval does.

    >>> entities(["B-PER", "I-PER", "O", "I-ORG", "B-ORG"])
    [('PER', 0, 1), ('ORG', 3, 3), ('ORG', 4, 4)]
    """
    found: list[Entity] = []
    before, kind, begun = "O", "", 0
    for place, tag in enumerate([*tags, "O"]):
        mark, own = _parts(tag)
        if _ends(before, mark, kind, own):
            found.append((kind, begun, place - 1))
        if _begins(before, mark, kind, own):
            begun = place
        before, kind = mark, own
    return found


def _parts(tag: str) -> tuple[str, str]:
    """A tag's mark and what it is of: B-PER gives B and PER, PER-B too, B alone B and _; M is I."""
    mark, own = tag[:1] or "O", tag[1:].split("-", maxsplit=1)[-1] or "_"
    if tag[-2:] in _LAST and tag[:2] not in _FIRST:
        mark, own = tag[-1], tag[:-2]
    return "I" if mark == "M" else mark, own


def _ends(before: str, mark: str, kind: str, own: str) -> bool:
    if before in "ES" or (before in "BI" and mark in "BSO"):
        return True
    return before not in "O." and kind != own


def _begins(before: str, mark: str, kind: str, own: str) -> bool:
    if mark in "BS" or (before in "ESO" and mark in "EI"):
        return True
    return mark not in "O." and kind != own


NO_ENTITY = "no row has an entity"
NO_WORD = "no word has a tag that counts"
METRICS = (
    Metric("accuracy", "higher", "share of words tagged rightly", accuracy, NO_WORD),
    Metric("f1_macro", "higher", "mean of the tags' F1", f1_macro, NO_WORD),
    Metric("row_accuracy", "higher", "share of rows all of whose words are tagged rightly", row_accuracy, NO_WORD, share=True),
    Metric("entity_f1", "higher", "harmonic mean of entity precision and recall", partial(_entity, share="f1"), NO_ENTITY, needs="entities"),
    Metric("entity_precision", "higher", "share of answered entities that are right", partial(_entity, share="precision"), NO_ENTITY, needs="entities"),
    Metric("entity_recall", "higher", "share of the entities that are answered rightly", partial(_entity, share="recall"), NO_ENTITY, needs="entities"),
)  # fmt: skip


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of tags, however many there are."""
    return METRICS


def form(truth: np.ndarray, answer: Mapping[str, Any]) -> Form:
    """{"tags": (n,) lists of tags}. Raises ValueError where a row's words and its answer are not as many."""
    given = answer["tags"]
    fits = len(given) == len(truth) and all(len(a) == len(b) for a, b in zip(truth, given, strict=True))
    if not fits:
        raise ValueError("the answers have other numbers of words than the truth")
    words = Words.of(truth, given)  # type: ignore[arg-type]
    holds = ("entities",) if marks_entities(words.names) else ()
    return Form(words, words, 0, max(len(words.names), 1), "" if len(words.row) else NO_WORD, holds)
