"""How far places are from the right ones: the mean distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, checked, mean_of

SELECTS, HEADLINE = "distance", ("distance",)


def distance(truth: np.ndarray, answer: np.ndarray) -> Weighted:
    """Σ w |a - t| / Σ w."""
    return mean_of(np.linalg.norm(answer - truth, axis=1))


def metrics(classes: int) -> tuple[Metric, ...]:
    """The distance alone."""
    return (Metric("distance", "lower", "mean distance", distance),)


def form(truth: np.ndarray, answer: Any) -> Form:
    """{"at": (n, 2)}."""
    given = np.asarray(answer["at"], np.float64)
    return Form(given, given, wrong=checked(truth, given, fits=given.shape == truth.shape, kind="place"))
