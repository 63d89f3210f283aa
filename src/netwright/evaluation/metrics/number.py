"""Measures of a number target: truth y (n,), answer a (n,), both in the target's own unit; weights w; e = a - y."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, checked, mean_of, middle, ratio

SELECTS = "rmse"  # the measure that selects the best weights, where the user names none
HEADLINE = ("r2",)  # the measure that a result is told by


def r2(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """1 - Σ w_i e_i² / Σ w_i (y_i - ȳ)², ȳ the weighted mean of the truth."""
    first = mean_of(centred := truth - truth.mean())  # centred, so that the squares below keep their digits
    second, error = mean_of(centred**2), mean_of((answer - truth) ** 2)

    def over(weights: np.ndarray) -> np.ndarray:
        squares = second(weights)
        spread = squares - first(weights) ** 2
        return 1 - ratio(error(weights), np.where(spread > 1e-12 * squares, spread, 0.0))

    return over


def mae(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Σ w_i |e_i| / Σ w_i."""
    return mean_of(np.abs(answer - truth))


def rmse(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """√(Σ w_i e_i² / Σ w_i)."""
    squared = mean_of((answer - truth) ** 2)
    return lambda weights: np.sqrt(squared(weights))


def median_absolute_error(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The weighted median of |e_i|."""
    return middle(np.abs(answer - truth))


EQUAL = "the true values are all equal"
METRICS = (
    Metric("r2", "higher", "share of the target's variance that the answers explain", r2, EQUAL, relative=True),
    Metric("mae", "lower", "mean absolute error, in the target's unit", mae),
    Metric("rmse", "lower", "root of the mean squared error, in the target's unit", rmse),
    Metric("median_absolute_error", "lower", "median absolute error, in its unit", median_absolute_error, sorts=True),
)  # fmt: skip


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of a number; `classes` is of no meaning here."""
    return METRICS


def form(truth: np.ndarray, answer: Mapping[str, np.ndarray]) -> Form:
    """{"value": (n,)} in the target's own unit."""
    given = np.asarray(answer["value"], np.float64)
    return Form(given, given, wrong=checked(truth, given, fits=given.shape == truth.shape, kind="number"))
