"""Measures of a category target: truth y (n,) class numbers, answer p (n, C) probabilities, weights w.

The class answered is ŷ = argmax_c p_c. N_c: weight of the rows of class c; A_c: answered c; T_c: both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netwright.evaluation.metrics.base import (
    Form,
    Metric,
    Weighted,
    average_precision,
    checked,
    defined_mean,
    mean_of,
    one_hot,
    ratio,
    roc_area,
)

SELECTS = "log_loss"  # the measure that selects the best weights, where the user names none
HEADLINE = ("accuracy",)  # the measure that a result is told by

ONE_CLASS = "the rows are all of one class"
NO_SECOND = "no row is of the second class"


def accuracy(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Σ w_i 1[ŷ_i = y_i] / Σ w_i."""
    return mean_of((answer.argmax(1) == truth).astype(np.float64))


def log_loss(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """-Σ w_i ln p_i[y_i] / Σ w_i, with p held within [ε, 1 - ε], ε = 2.2e-16, as scikit-learn does."""
    epsilon = np.finfo(np.float64).eps
    return mean_of(-np.log(np.clip(answer[np.arange(len(truth)), truth], epsilon, 1 - epsilon)))


def brier(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Σ w_i Σ_c (p_ic - 1[y_i = c])² / Σ w_i; for two classes (p_i1 - y_i)², half of that (Brier 1950)."""
    if answer.shape[1] == 2:
        return mean_of((answer[:, 1] - truth) ** 2)
    own = answer[np.arange(len(truth)), truth]
    return mean_of((answer**2).sum(1) - 2 * own + 1)


BINS = 15  # as Guo et al. 2017


def ece(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Σ_b (W_b / W) |share right in b - mean p_ŷ in b|, over 15 bins of p_ŷ of like width (Naeini et al. 2015)."""
    sure = answer.max(1)
    bins = one_hot(np.minimum((sure * BINS).astype(np.int64), BINS - 1), BINS)
    gap = (answer.argmax(1) == truth) - sure  # (n,)

    def over(weights: np.ndarray) -> np.ndarray:
        return ratio(np.abs(bins @ (gap[:, None] * weights)).sum(0), weights.sum(0))

    return over


def roc_auc(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Two classes: the chance that a row of the second scores higher on it than a row of the first, ties half.

    Several: the plain mean of each class against the rest, over the classes present (Fawcett 2006).
    """
    if answer.shape[1] <= 2:
        return roc_area(truth == 1, answer[:, -1])
    parts = [roc_area(truth == c, answer[:, c]) for c in np.unique(truth)]
    return lambda weights: defined_mean(np.stack([part(weights) for part in parts]))


def pr_auc(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Average precision of the second class: Σ_k (R_k - R_{k-1}) P_k over falling thresholds of p_1."""
    return average_precision(truth == 1, answer[:, 1])


def _counted(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Weights (n, R) → (3, C, R): N_c, A_c and T_c."""
    chosen, classes = answer.argmax(1), answer.shape[1]
    parts = [one_hot(truth, classes), one_hot(chosen, classes), one_hot(truth, classes, chosen == truth)]
    return lambda weights: np.stack([part @ weights for part in parts])


def balanced_accuracy(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The mean of the recalls T_c / N_c over the classes present."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        true, _, both = counted(weights)
        return defined_mean(ratio(both, true))

    return over


def f1_macro(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """The mean of 2 T_c / (N_c + A_c) over the classes that are present or answered."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        true, chosen, both = counted(weights)
        return defined_mean(ratio(2 * both, true + chosen))

    return over


def precision(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """T_1 / A_1 of the second class; 0 where it is never answered, as in scikit-learn."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        true, chosen, both = counted(weights)[:, 1]
        return np.where(true > 0, np.divide(both, chosen, out=np.zeros_like(both), where=chosen > 0), np.nan)

    return over


def recall(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """T_1 / N_1 of the second class."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        true, _, both = counted(weights)[:, 1]
        return ratio(both, true)

    return over


def f1(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """2 T_1 / (N_1 + A_1) of the second class."""
    counted = _counted(truth, answer)

    def over(weights: np.ndarray) -> np.ndarray:
        true, chosen, both = counted(weights)[:, 1]
        return np.where(true > 0, ratio(2 * both, true + chosen), np.nan)

    return over


METRICS = (
    Metric("accuracy", "higher", "share of rows answered rightly", accuracy, decides=True, share=True),
    Metric("balanced_accuracy", "higher", "mean of the classes' recalls", balanced_accuracy, decides=True, share=True),
    Metric("f1_macro", "higher", "mean of the classes' F1", f1_macro, decides=True, share=True),
    Metric("log_loss", "lower", "mean of -ln p(true class)", log_loss),
    Metric("brier", "lower", "mean squared error of the probabilities", brier),
    Metric("ece", "lower", "expected calibration error: how far probabilities are from shares", ece),
    Metric("roc_auc", "higher", "area under the ROC curve, each class against the rest", roc_auc, ONE_CLASS, True),
)  # fmt: skip
BINARY = (
    Metric(
        "precision",
        "higher",
        "of the rows answered as the second class, the share that are",
        precision,
        NO_SECOND,
        decides=True,
        share=True,
    ),
    Metric(
        "recall",
        "higher",
        "of the rows of the second class, the share answered so",
        recall,
        NO_SECOND,
        decides=True,
        share=True,
    ),
    Metric(
        "f1",
        "higher",
        "harmonic mean of precision and recall of the second class",
        f1,
        NO_SECOND,
        decides=True,
        share=True,
    ),
    Metric("pr_auc", "higher", "average precision of the second class", pr_auc, NO_SECOND, True),
)


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of a target of so many classes."""
    return METRICS + (BINARY if classes == 2 else ())


def form(truth: np.ndarray, answer: Mapping[str, np.ndarray]) -> Form:
    """{"probability": (n, C)}, and the classes that a threshold chose as "choice" (n,)."""
    given = np.asarray(answer["probability"], np.float64)
    fits = given.shape[:1] == truth.shape and given.ndim == 2
    wrong, C = checked(truth, given, fits=fits, kind="category"), given.shape[-1]
    decided = np.eye(C)[answer["choice"]] if "choice" in answer else given
    return Form(given, decided, C, 1 if C <= 2 else C, wrong)
