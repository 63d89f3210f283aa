"""Gradient-boosted trees on numbers, dates and categories: scikit-learn's HistGradientBoosting with its defaults.

It follows LightGBM (Ke et al. 2017): 100 rounds of trees with 31 leaves, learning rate 0.1; with more than 10,000 rows
it holds out a tenth of them and stops when these no longer get better. Categories are split as sets of values, at most
255 of them (the rarest share a code); unseen and missing ones, and missing numbers, go their own way in each split.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from netwright.evaluation.baselines import features
from netwright.evaluation.baselines.models import fitted_answer, random_state
from netwright.evaluation.baselines.rows import Rows, check, columns_of, note

NAME = "boosting"
TARGETS, READS, LEAST = ("one_of", "value"), ("number", "category", "date"), 1
VALUES = 255  # of a category: HistGradientBoosting's limit
# Values up to which one thread is used. Measured on two cores with 0.4 million values: 2 s, against 5 s to 55 s with
# two threads while other work was running, since they wait for each other at every node of a tree.
ONE_THREAD = 5_000_000
CLASSES = 100  # each round grows a tree a class, so that more classes take too long


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Fit on the training rows and answer for the test rows. Raises ValueError for too many classes or one only."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    check(train, target)
    if target == "one_of" and classes > CLASSES:
        raise ValueError(f"{classes:,} classes would need as many trees a round; it is fitted for up to {CLASSES}")
    known, asked, native = _table(train, test, columns)
    there = np.isfinite(known).any(0)  # scikit-learn cannot bin a column without any value
    if not there.any():
        raise ValueError("no column has a value")
    settings = {
        "categorical_features": (np.arange(known.shape[1]) >= native)[there],
        "random_state": random_state(seed),
        "early_stopping": "auto" if target == "value" else _early(train.truth),
    }
    threads = 1 if known.size <= ONE_THREAD else None
    with threadpool_limits(threads, user_api="openmp"):
        return fitted_answer(
            partial(HistGradientBoostingClassifier, **settings),
            partial(HistGradientBoostingRegressor, **settings),
            train=known if there.all() else known[:, there],
            test=asked if there.all() else asked[:, there],
            truth=train.truth,
            weight=train.weight,
            target=target,
            classes=classes,
        )


def _table(train: Rows, test: Rows, columns: dict[str, str]) -> tuple[np.ndarray, np.ndarray, int]:
    """(n, k) and (m, k) features, NaN where missing or unseen, and where the category columns begin."""
    from sklearn.preprocessing import OrdinalEncoder

    known, asked = features.numbers([train.frame, test.frame], columns)
    first = known.shape[1]
    names = columns_of(columns, "category")
    if names:
        coder = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=VALUES,
        )
        known = np.hstack([known, coder.fit_transform(features.categories(train.frame, columns))])
        asked = np.hstack([asked, coder.transform(features.categories(test.frame, columns))])
        many = [name for name, rare in zip(names, coder.infrequent_categories_, strict=True) if rare is not None]
        if many:
            note(f"{', '.join(many)}: more than {VALUES} values, of which the rarest share a code")
    return known, asked, first


def _early(truth: np.ndarray) -> bool | str:
    """Holding out a tenth by class needs two rows of each; where one has a single row, all rounds are run."""
    alone = bool((np.unique(truth, return_counts=True)[1] < 2).any())
    return False if alone else "auto"
