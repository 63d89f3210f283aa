"""Logistic regression (category, labels) or ridge regression (number) on a table's columns.

Numbers and dates: the median where missing, then mean 0 and deviation 1. Categories: one 0/1 column a value, a missing
one being a value too; an unseen one is all zeros. The objectives are scikit-learn's, with its defaults:
½ |w|² + C Σ_i w_i · log loss_i with C = 1, and Σ_i w_i e_i² + α |w|² with α = 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from netwright.evaluation.baselines import features
from netwright.evaluation.baselines.models import fitted_answer
from netwright.evaluation.baselines.rows import Rows, check, columns_of

NAME = "linear"
TARGETS, READS, LEAST = ("one_of", "value", "some_of"), ("number", "category", "date"), 1
ROWS = 100_000  # a linear model has long seen enough by then (assumed), and takes under a minute
STEPS = 1_000
DENSE = 0.3  # share of values other than 0 from which a full matrix is faster, as in scikit-learn's ColumnTransformer


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Fit on the training rows and answer for the test rows. Raises ValueError where there is one class only."""
    from sklearn.linear_model import LogisticRegression, Ridge

    check(train, target)
    train = train.at_most(ROWS, seed=seed)
    known, asked = _table(train, test, columns)
    return fitted_answer(
        partial(LogisticRegression, max_iter=STEPS), Ridge,
        train=known, test=asked, truth=train.truth, weight=train.weight, target=target, classes=classes,
    )  # fmt: skip


def _table(train: Rows, test: Rows, columns: dict[str, str]) -> tuple[Any, Any]:
    """(n, k) and (m, k) features, sparse where most are 0."""
    from scipy.sparse import csr_array, hstack
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    parts: list[tuple[Any, Any]] = []
    if columns_of(columns, "number", "date"):
        scaler = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        known, asked = features.numbers([train.frame, test.frame], columns)
        parts.append((csr_array(scaler.fit_transform(known)), csr_array(scaler.transform(asked))))
    if columns_of(columns, "category"):
        coder = OneHotEncoder(handle_unknown="ignore")
        known = coder.fit_transform(features.categories(train.frame, columns))
        parts.append((csr_array(known), csr_array(coder.transform(features.categories(test.frame, columns)))))
    joined: list[Any] = [hstack(side, format="csr") for side in zip(*parts, strict=True)]
    if joined[0].nnz >= DENSE * np.prod(joined[0].shape):
        joined = [side.toarray() for side in joined]
    return joined[0], joined[1]
