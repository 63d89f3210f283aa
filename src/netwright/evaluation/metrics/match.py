"""Measures of pairs: whether a text finds its partner among those of all rows, and whether cosines follow scores.

For each row the partners of all rows are ranked by cosine with its text; each different partner counts once, those of
rows with the same text are left out, and of equal cosines the wrong one stands first. r_i is the place of its own, w_i
the row's weight. Rows with a score below 0.5 (from 0 to 1) have no partner to find. Truth: (n,) of
`kinds.match.TRUTH`; ranks: Manning, Raghavan & Schütze 2008, Introduction to Information Retrieval, chapter 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, mean_of, ratio

SELECTS = "mrr"  # the measure that selects the best weights, where the user names none
HEADLINE = ("spearman", "mrr")  # the measure that a result is told by
BELONGS = 0.5
_ROWS = 1024  # ranked at once


@dataclass(frozen=True)
class Pairs:
    """(n,) each row's cosine and the place of its own partner, 0 where it has none to find."""

    cosine: np.ndarray
    rank: np.ndarray


def ranks(left: Any, right: Any, truth: np.ndarray) -> np.ndarray:
    """(n,) the place of each row's own partner among all, by left · right; `left`, `right` (n, D), dense or sparse.

    >>> truth = np.array([(1, 1, 4), (1, 2, 5), (1, 3, 6)], [("score", "f8"), ("asked", "i8"), ("own", "i8")])
    >>> ranks(np.eye(3), np.array([[1, 0, 0], [0, 0, 1], [0, 0.5, 0.5]]), truth).tolist()
    [1, 3, 2]
    """
    first = np.unique(truth["own"], return_index=True)[1]
    shown, out = right[first], np.zeros(len(truth), np.int64)
    places = {own: place for place, own in enumerate(truth["own"][first])}
    mine = np.array([places[own] for own in truth["own"]], np.int64)
    of_text: dict[int, list[int]] = {}
    for row, asked in enumerate(truth["asked"]):
        of_text.setdefault(int(asked), []).append(row)
    for at in range(0, len(truth), _ROWS):
        part = slice(at, at + _ROWS)
        near = left[part] @ shown.T
        near = np.asarray(near.toarray() if hasattr(near, "toarray") else near)
        own = near[np.arange(len(near)), mine[part]]
        before = (near >= own[:, None]).sum(1)  # with its own
        for row, asked in enumerate(truth["asked"][part]):
            others = {int(mine[other]) for other in of_text[int(asked)]} - {int(mine[at + row])}
            before[row] -= sum(near[row, other] >= own[row] for other in others)
        out[part] = before
    return np.where(truth["score"] >= BELONGS, out, 0)


def _found(most: int) -> Any:
    def prepare(truth: Any, answer: Pairs) -> Weighted:
        there = (answer.rank > 0).astype(np.float64)
        return lambda weights: ratio(((answer.rank <= most) * there) @ weights, there @ weights)

    return prepare


def mrr(truth: Any, answer: Pairs) -> Weighted:
    """Σ w_i / r_i over Σ w_i, of rows with a partner to find."""
    there = (answer.rank > 0).astype(np.float64)
    inverse = there / np.maximum(answer.rank, 1)
    return lambda weights: ratio(inverse @ weights, there @ weights)


def spearman(truth: np.ndarray, answer: Pairs) -> Weighted:
    """Pearson's correlation of the ranks of cosines and scores (equal ones share their mean rank), weighted by w."""
    from scipy.stats import rankdata

    x, y = rankdata(answer.cosine), rankdata(truth["score"])

    def over(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(0)
        a, b = x[:, None] - ratio(x @ weights, total), y[:, None] - ratio(y @ weights, total)
        return ratio((a * b * weights).sum(0), np.sqrt((a * a * weights).sum(0) * (b * b * weights).sum(0)))

    return over


def cosine(truth: Any, answer: Pairs) -> Weighted:
    """Σ w_i c_i / Σ w_i, the mean cosine of pairs."""
    return mean_of(answer.cosine)


METRICS = (
    Metric("mrr", "higher", "mean over rows of 1 / the place of its own partner among all", mrr, "no row has a partner to find"),
    Metric("found_1", "higher", "share of rows whose own partner is the nearest", _found(1), "no row has a partner to find", share=True),
    Metric("found_10", "higher", "share of rows whose own partner is among the nearest ten", _found(10), "no row has a partner to find", share=True),
    Metric("spearman", "higher", "correlation of the ranks of cosines and scores", spearman, "scores or cosines are all alike", needs="scored"),
    Metric("cosine", "higher", "mean cosine of pairs", cosine),
)  # fmt: skip


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of pairs."""
    return METRICS


def form(truth: np.ndarray, answer: Mapping[str, Any]) -> Form:
    """{"cosine": (n,), "left", "right": (n, D)}."""
    if len(answer["cosine"]) != len(truth):
        raise ValueError(f"{len(answer['cosine'])} answers do not fit {len(truth)} rows")
    wrong = "" if np.isfinite(answer["cosine"]).all() else "some cosines are not finite numbers"
    place = np.zeros(len(truth), np.int64) if wrong else ranks(answer["left"], answer["right"], truth)
    found = Pairs(np.asarray(answer["cosine"], np.float64), place)
    scored = len(truth) > 0 and bool((truth["score"] != truth["score"][0]).any())
    return Form(found, found, wrong=wrong, holds=("scored",) if scored else ())
