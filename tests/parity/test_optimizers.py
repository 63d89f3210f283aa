"""Ten steps of every optimizer equal its textbook formula, written in NumPy with float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from netwright.recipe import Training
from netwright.training import optimizers

Vector = np.ndarray
Rule = Callable[[Vector, Callable[[Vector], Vector], int], Vector]
RATE = 0.05
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(20, 6)), RANDOM.normal(size=20)
START, BIAS = RANDOM.normal(size=(2, 3)), RANDOM.normal()


class Line(nn.Module):
    """A matrix of 6 weights (2, 3) and a bias, so that rules for matrices alone can be told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor(START))
        self.bias = nn.Parameter(torch.tensor(np.array([BIAS])))

    def loss(self) -> torch.Tensor:
        """Mean squared error."""
        return (torch.tensor(X) @ self.matrix.flatten() + self.bias - torch.tensor(Y)).square().mean()


def gradient(w: Vector) -> Vector:
    """Of the mean squared error: 2 Xᵀ(Xw + b - y) / n; the last weight is the bias."""
    inputs = np.column_stack([X, np.ones(20)])
    return 2 * inputs.T @ (inputs @ w - Y) / 20


def descent() -> Rule:
    return lambda w, g, t: w - RATE * g(w)


def momentum(share: float, *, nesterov: bool) -> Rule:
    v = np.zeros(7)

    def step(w: Vector, g: Any, t: int) -> Vector:
        nonlocal v
        slope = g(w)
        v = share * v + slope
        return w - RATE * (slope + share * v if nesterov else v)

    return step


def nesterovs_own(share: float) -> Rule:
    """Nesterov's form looks ahead before it measures; torch keeps w - η μ v in w's place, so that is what is compared."""
    v = np.zeros(7)

    def step(ahead: Vector, g: Any, t: int) -> Vector:
        nonlocal v
        w = ahead + RATE * share * v
        v = share * v + g(ahead)
        w = w - RATE * v
        return w - RATE * share * v

    return step


def rmsprop(decay: float, epsilon: float) -> Rule:
    v = np.zeros(7)

    def step(w: Vector, g: Any, t: int) -> Vector:
        nonlocal v
        v = decay * v + (1 - decay) * g(w) ** 2
        return w - RATE * g(w) / (np.sqrt(v) + epsilon)

    return step


def adam(beta1: float, beta2: float, epsilon: float, decay: float = 0.0) -> Rule:
    m, v = np.zeros(7), np.zeros(7)
    matrix = np.array([1.0] * 6 + [0.0])  # the bias does not decay

    def step(w: Vector, g: Any, t: int) -> Vector:
        nonlocal m, v
        m = beta1 * m + (1 - beta1) * g(w)
        v = beta2 * v + (1 - beta2) * g(w) ** 2
        hat_m, hat_v = m / (1 - beta1**t), v / (1 - beta2**t)
        return w - RATE * hat_m / (np.sqrt(hat_v) + epsilon) - RATE * decay * matrix * w

    return step


CASES: list[tuple[str, dict[str, Any], Rule]] = [
    ("gradient_descent", {}, descent()),
    ("sgd", {}, descent()),
    ("momentum", {}, momentum(0.9, nesterov=False)),
    ("momentum", {"momentum": 0.5}, momentum(0.5, nesterov=False)),
    ("nesterov", {}, momentum(0.9, nesterov=True)),
    ("nesterov", {"momentum": 0.5}, nesterovs_own(0.5)),
    ("rmsprop", {}, rmsprop(0.99, 1e-8)),
    ("rmsprop", {"beta2": 0.9, "epsilon": 1e-3}, rmsprop(0.9, 1e-3)),
    ("adam", {}, adam(0.9, 0.999, 1e-8)),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "epsilon": 0.01}, adam(0.5, 0.9, 0.01)),
    ("adamw", {"weight_decay": 0.3}, adam(0.9, 0.999, 1e-8, 0.3)),
]


def test_each_optimizer_that_is_offered_is_tested() -> None:
    offered = {name for part in get_args(Training.model_fields["optimizer"].annotation) for name in get_args(part)}
    assert offered == {name for name, _, _ in CASES} | {"lbfgs", "muon"}  # muon: tests/training/test_muon.py


@pytest.mark.parametrize(("name", "settings", "rule"), CASES, ids=[f"{name} {given}" for name, given, _ in CASES])
def test_ten_steps_equal_the_formula(name: str, settings: dict[str, Any], rule: Rule) -> None:
    line, w = Line(), np.append(START.ravel(), BIAS)
    optimizer = optimizers.make(line, Training(optimizer=name, learning_rate=RATE, **settings))  # type: ignore[arg-type]
    for t in range(1, 11):
        optimizer.zero_grad()
        line.loss().backward()
        optimizer.step()
        w = rule(w, gradient, t)
        ours = torch.cat([line.matrix.flatten(), line.bias]).detach().numpy()
        np.testing.assert_allclose(ours, w, rtol=1e-9, atol=1e-12, err_msg=f"step {t}")


def test_lbfgs_finds_the_least_squares_in_one_step_of_the_loop() -> None:
    line = Line()
    optimizer = optimizers.make(line, Training(optimizer="lbfgs", learning_rate=1.0))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = line.loss()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    best = np.linalg.lstsq(np.column_stack([X, np.ones(20)]), Y, rcond=None)[0]
    np.testing.assert_allclose(torch.cat([line.matrix.flatten(), line.bias]).detach().numpy(), best, atol=1e-3)


def test_a_penalty_is_of_matrices_alone() -> None:
    """λ₁ Σ|w| + λ₂/2 Σw²; its gradient is λ₁ sign(w) + λ₂ w, and biases are free."""
    line = Line()
    found = optimizers.penalty(line.parameters(), 0.3, 0.2)
    assert found is not None
    np.testing.assert_allclose(float(found.detach()), 0.3 * np.abs(START).sum() + 0.1 * (START**2).sum())
    found.backward()
    assert line.matrix.grad is not None and line.bias.grad is None
    np.testing.assert_allclose(line.matrix.grad.numpy(), 0.3 * np.sign(START) + 0.2 * START)
    assert optimizers.penalty(line.parameters(), 0.0, 0.0) is None
