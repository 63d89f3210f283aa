"""The linear family ends where scikit-learn does: its optimum is convex, and L-BFGS finds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from .small import trained, worked

ALL = {"split": {"validation": 0, "test": 0}, "training": {"epochs": 60, "patience": 0}}  # every row trains


def with_l2(value: float) -> dict[str, Any]:
    return {**ALL, "training": {**ALL["training"], "l2": value}}


def scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0)


def columns(x: np.ndarray, **more: Any) -> dict[str, Any]:
    return {f"x{k}": column for k, column in enumerate(x.T)} | more


@pytest.mark.parametrize("strength", [1.0, 0.1])
def test_three_classes_end_at_scikit_learns_logistic_regression(strength: float) -> None:
    """Its C times n is our 1 / l2; 1 / rows is the family's own choice, scikit-learn's C = 1."""
    x, y = load_iris(return_X_y=True)
    data = columns(x, y=np.array(list("abc"))[y])
    work = worked(data, "y", "linear", ALL if strength == 1 else with_l2(1 / (strength * len(y))))
    assert work.recipe.training.optimizer == "lbfgs" and work.recipe.training.l2 == pytest.approx(
        1 / (strength * len(y))
    )
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(scaled(x), y).predict_proba(scaled(x))
    ours = trained(work).predict(data).select("p_a", "p_b", "p_c").to_numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_two_classes_with_one_sigmoid_end_there_too() -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[50:], y[50:] - 1
    data = columns(x, y=np.array(list("ab"))[y])
    work = worked(data, "y", "linear", {**ALL, "heads": {"y": {"loss": "binary_cross_entropy"}}})
    theirs = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(scaled(x), y).predict_proba(scaled(x))
    np.testing.assert_allclose(trained(work).predict(data).select("p_a", "p_b").to_numpy(), theirs, atol=1e-3)


def test_two_classes_with_two_logits_are_penalised_half_as_much() -> None:
    """The difference w of two logits costs w²/4, not w²/2, for it is shared between them: scikit-learn's C = 2."""
    x, y = load_iris(return_X_y=True)
    x, y = x[50:], y[50:] - 1
    data = columns(x, y=np.array(list("ab"))[y])
    theirs = LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(scaled(x), y).predict_proba(scaled(x))
    work = worked(data, "y", "linear", {**ALL, "heads": {"y": {"loss": "cross_entropy"}}})
    np.testing.assert_allclose(trained(work).predict(data).select("p_a", "p_b").to_numpy(), theirs, atol=1e-3)


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_numbers_end_at_least_squares_and_ridge(l2: float) -> None:
    """Ours is mean e² + l2/2 Σw² on the scaled target; theirs Σe² + α Σw², so α is n·l2/2."""
    x, y = load_diabetes(return_X_y=True)
    work = worked(columns(x, y=y), "y", "linear", with_l2(l2))
    reference = LinearRegression() if l2 == 0 else Ridge(alpha=len(y) * l2 / 2)
    theirs = reference.fit(scaled(x), y).predict(scaled(x))
    ours = trained(work).predict(columns(x))["y_predicted"].to_numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * y.std())


def test_row_weights_are_repeated_rows() -> None:
    x, y = load_diabetes(return_X_y=True)
    x, y, count = x[:60, :3], y[:60], np.arange(60) % 3 + 1
    settings = {
        **with_l2(0.0),
        "columns": {
            **{f"x{k}": {"kind": "number", "scale": "none"} for k in range(3)},
            "y": {"kind": "number", "scale": "none"},
        },
    }
    weighed = trained(worked(columns(x, y=y, n=count), "y", "linear", {**settings, "weight": "n"}))
    repeated = LinearRegression().fit(np.repeat(x, count, 0), np.repeat(y, count))
    np.testing.assert_allclose(weighed.predict(columns(x))["y_predicted"].to_numpy(), repeated.predict(x), rtol=2e-3)
