"""Measures of a span target: how far the piece of text that is answered agrees with the right one.

The rules are SQuAD's (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1, and evaluate-v2.0.py): small letters, without
punctuation, the articles a, an, the, and more than one blank; of several right answers the best counts. In a text with
Chinese, Japanese or Korean characters each of them is a word by itself, and their punctuation is left out too, as in CMRC
2018's script (Cui et al. 2019, arXiv 1810.07366); what words have in common is counted as SQuAD does. No answer is the
empty text. Truth: (n,) of `Right`; w are the rows' weights.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, ratio

SELECTS = "f1"  # the measure that selects the best weights, where the user names none
HEADLINE = ("f1",)  # the measure that a result is told by

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WIDE = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f])")


@dataclass(frozen=True)
class Scores:
    """(n,) each row's exact match and F1; whether it has an answer, and whether one was given."""

    exact: np.ndarray
    f1: np.ndarray
    has: np.ndarray
    given: np.ndarray


def plain(text: str) -> list[str]:
    """Return the words of an answer that count.

    >>> plain("The  Eiffel Tower!"), plain("在1990年")
    (['eiffel', 'tower'], ['在', '1990', '年'])
    """
    wide = _WIDE.search(text) is not None
    bare = "".join(c for c in text.lower() if c not in string.punctuation and not (wide and _mark(c)))
    return _WIDE.sub(r" \1 ", _ARTICLES.sub(" ", bare)).split()


def _mark(letter: str) -> bool:
    """Whether it is punctuation beyond ASCII, as CMRC's script leaves out."""
    return not letter.isascii() and unicodedata.category(letter).startswith("P")


def agreement(answer: str, right: str) -> tuple[float, float]:
    """Return exact match (0 or 1) and F1 = 2 · words in common / (words of both) of an answer.

    >>> agreement("the Eiffel Tower", "Eiffel Tower in Paris")
    (0.0, 0.6666666666666666)
    """
    given, true = plain(answer), plain(right)
    exact = float(given == true)
    if not given or not true:
        return exact, exact
    common = (Counter(given) & Counter(true)).total()
    return exact, 2 * common / (len(given) + len(true))


def _mean(values: np.ndarray, where: np.ndarray | None = None) -> Weighted:
    there = np.ones(len(values)) if where is None else where.astype(np.float64)
    return lambda weights: ratio((values * there) @ weights, there @ weights)


def exact_match(truth: Any, answer: Scores) -> Weighted:
    """Σ w_i 1[answer = right] / Σ w_i."""
    return _mean(answer.exact)


def f1(truth: Any, answer: Scores) -> Weighted:
    """Σ w_i F1_i / Σ w_i."""
    return _mean(answer.f1)


def answered_f1(truth: Any, answer: Scores) -> Weighted:
    """The mean F1 of the rows that have an answer."""
    return _mean(answer.f1, answer.has)


def unanswerable(truth: Any, answer: Scores) -> Weighted:
    """Of the rows without an answer, the share for which none was given."""
    return _mean((~answer.given).astype(np.float64), ~answer.has)


METRICS = (
    Metric("f1", "higher", "mean over rows of the F1 of words in common", f1),
    Metric("exact_match", "higher", "share of rows answered word for word", exact_match, share=True),
    Metric("answered_f1", "higher", "mean F1 of the rows that have an answer", answered_f1, "no row has an answer", needs="unanswerable"),
    Metric("unanswerable", "higher", "of the rows without an answer, the share left unanswered", unanswerable, "all rows have an answer", needs="unanswerable", share=True),
)  # fmt: skip


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of spans."""
    return METRICS


def form(truth: np.ndarray, answer: Mapping[str, Any]) -> Form:
    """{"begin": (n,), "end": (n,)} characters of the row's text, -1 for no answer."""
    begin, end = np.asarray(answer["begin"]), np.asarray(answer["end"])
    if not len(truth) == len(begin) == len(end):
        raise ValueError(f"{len(begin)} answers do not fit {len(truth)} rows")
    pairs = []
    for right, first, last in zip(truth, begin.tolist(), end.tolist(), strict=True):
        given = right.text[first:last] if first >= 0 else ""
        pairs.append(np.max([agreement(given, one) for one in right.answers or ("",)], axis=0))
    exact, f1_ = np.array(pairs, np.float64).reshape(-1, 2).T
    has = np.array([bool(right.answers) for right in truth], bool)
    scores = Scores(exact, f1_, has, begin >= 0)
    return Form(scores, scores, holds=() if has.all() else ("unanswerable",))
