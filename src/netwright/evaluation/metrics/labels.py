"""Measures of a labels target: truth y (n, C) 0/1, answer p (n, C) probabilities, weights w.

A label is answered where p > ½. N_c: weight of the rows with label c; A_c: answered c; T_c: both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, checked, defined_mean, mean_of, ratio, roc_area

SELECTS = "log_loss"  # the measure that selects the best weights, where the user names none
HEADLINE = ("f1_micro",)  # the measure that a result is told by


def accuracy(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The share of rows whose labels are all right: Σ w_i 1[ŷ_i = y_i] / Σ w_i."""
    return mean_of(((answer > 0.5) == (truth > 0)).all(1).astype(np.float64))


def hamming_loss(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The share of wrong labels: Σ w_i Σ_c 1[ŷ_ic ≠ y_ic] / (C Σ w_i)."""
    return mean_of(((answer > 0.5) != (truth > 0)).mean(1))


def log_loss(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """-Σ w_i Σ_c ln p_i(y_ic) / (C Σ w_i), where p(1) = p and p(0) = 1 - p, held within [ε, 1 - ε], ε = 2.2e-16."""
    epsilon = np.finfo(np.float64).eps
    own = np.where(truth > 0, answer, 1 - answer)
    return mean_of(-np.log(np.clip(own, epsilon, 1 - epsilon)).mean(1))


def _counted(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Weights (n, R) → (2, C, R): N_c + A_c, and T_c."""
    from scipy.sparse import csr_array

    true, chosen = truth > 0, answer > 0.5
    parts = [csr_array((true * 1.0 + chosen).T), csr_array((true & chosen).T.astype(np.float64))]
    return lambda weights: np.stack([part @ weights for part in parts])


def f1_micro(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """2 Σ_c T_c / Σ_c (N_c + A_c)."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        either, both = counted(weights)
        return ratio(2 * both.sum(0), either.sum(0))

    return over


def f1_macro(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The mean of 2 T_c / (N_c + A_c) over the labels that stand in a row or are answered."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        either, both = counted(weights)
        return defined_mean(ratio(2 * both, either))

    return over


def roc_auc(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The mean area under the ROC curve, over the labels that some rows have and others have not."""
    some = np.flatnonzero((truth > 0).any(0) & ~(truth > 0).all(0))
    parts = [roc_area(truth[:, c] > 0, answer[:, c]) for c in some]
    if not parts:
        return lambda weights: np.full(weights.shape[1], np.nan)
    return lambda weights: defined_mean(np.stack([part(weights) for part in parts]))


NO_LABEL = "no row has a label, and none is answered"
ALL_OR_NONE = "every label stands in all rows or in none"
METRICS = (
    Metric("f1_micro", "higher", "F1 over all labels together", f1_micro, NO_LABEL),
    Metric("f1_macro", "higher", "mean of the labels' F1", f1_macro, NO_LABEL),
    Metric("accuracy", "higher", "share of rows whose labels are all right", accuracy, share=True),
    Metric("hamming_loss", "lower", "share of wrong labels", hamming_loss),
    Metric("log_loss", "lower", "mean of -ln p(truth) over rows and labels", log_loss),
    Metric("roc_auc", "higher", "mean area under the labels' ROC curves", roc_auc, ALL_OR_NONE, True),
)  # fmt: skip


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of labels, however many."""
    return METRICS


def form(truth: np.ndarray, answer: Mapping[str, np.ndarray]) -> Form:
    """{"probability": (n, C)}."""
    given = np.asarray(answer["probability"], np.float64)
    wrong, C = checked(truth, given, fits=given.shape == truth.shape, kind="labels"), given.shape[-1]
    return Form(given, given, C, max(C, 1), wrong)
