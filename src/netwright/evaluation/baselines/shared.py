"""Pairs by the words and characters that their texts share.

Each text is a bag of n-grams weighted by TF-IDF (as the baseline `tfidf` weighs them), learnt of all training texts; a
pair is as alike as the cosine of its two bags. Words of 1 and 2, or characters of 1 to 4 within words: the better one on
the validation rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netwright.evaluation import metrics
from netwright.evaluation.baselines import features
from netwright.evaluation.baselines.rows import Rows, columns_of, note
from netwright.kinds import words

NAME = "shared"
TARGETS, READS, LEAST = ("match",), ("text",), 2
TEXTS = 100_000
WEIGHTS = 1_000_000


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return {"cosine": (n,), "left", "right": (n, V) sparse}. Raises ValueError where no training text holds a word."""
    if not len(train):
        raise ValueError("there are no training rows")
    left, right = columns_of(columns, "text")
    train = train.at_most(TEXTS, seed=seed)
    known = [text for name in (left, right) for text in words.whole(train.frame[name])]
    judge = validation if validation is not None and len(validation) else train.at_most(2_000, seed=seed)
    tried = {}
    for variant in ("words", "characters"):
        fitted = features.bags(variant, WEIGHTS).fit(known)
        tried[variant] = metrics.score(target, metrics.selects(target), judge.truth, _of(fitted, judge, left, right)), fitted  # fmt: skip
    best = max(tried, key=lambda name: np.nan_to_num(tried[name][0], nan=-1.0))
    note(f"n-grams of {best}, by {metrics.selects(target)} on the validation rows")
    return _of(tried[best][1], test, left, right)


def _of(fitted: Any, rows: Rows, left: str, right: str) -> dict[str, Any]:
    one, other = (fitted.transform(words.whole(rows.frame[name])) for name in (left, right))
    return {"cosine": np.asarray(one.multiply(other).sum(1)).ravel(), "left": one, "right": other}
