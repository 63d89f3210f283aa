"""Fitting scikit-learn's models by target kind: lacking classes, labels, weights, warnings. n rows, C classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from netwright.evaluation.baselines.rows import note

Answer = dict[str, np.ndarray]
Make = Callable[[], Any]
"""Makes a scikit-learn model that is not fitted yet."""


def random_state(seed: int) -> int:
    """A seed in the range that scikit-learn takes."""
    return seed % 2**32


def fitted_answer(
    classifier: Make, regressor: Make, *, train: Any, test: Any, truth: np.ndarray, weight: np.ndarray | None,
    target: str, classes: int,
) -> Answer:  # fmt: skip
    """Fit on the features `train` (n, k) and answer for the features `test`.

    Labels are fitted one by one, each against the rest. A class without training rows has the probability 0. Raises
    ValueError where scikit-learn cannot fit these rows.
    """
    if target == "value":
        return {"value": _fit(regressor(), train, truth, weight).predict(test).astype(np.float64).reshape(-1)}
    if target == "some_of":
        labels = [_label(classifier, train, test, truth[:, c], weight) for c in range(truth.shape[1])]
        return {"probability": np.column_stack(labels)}
    model = _fit(classifier(), train, truth, weight)
    probability = np.zeros((test.shape[0], classes))
    probability[:, model.classes_] = model.predict_proba(test)
    return {"probability": probability}


def _label(classifier: Make, train: Any, test: Any, truth: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """(m,) probability of one label; that of a label which all or no training rows have is 1 or 0."""
    if len(np.unique(truth)) < 2:
        return np.full(test.shape[0], float(truth[0]))
    return _fit(classifier(), train, truth, weight).predict_proba(test)[:, 1]


def _fit(model: Any, features: Any, truth: np.ndarray, weight: np.ndarray | None) -> Any:
    """Fit, and note where the iterations ended before the optimum."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")  # netwright has said so
        model.fit(features, truth, sample_weight=weight)
    early = [warning for warning in caught if issubclass(warning.category, ConvergenceWarning)]
    if early:
        note(f"{type(model).__name__} stopped before its optimum")
    for warning in caught:
        if warning not in early:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return model
