"""One sigmoid neuron, by hand in NumPy and with netwright: the same gradients, the same ten weight vectors.

y = σ(xW + b), the loss is the mean binary cross-entropy L = -mean(y ln ŷ + (1 - y) ln(1 - ŷ)), and its gradient is

    dW = Xᵀ(ŷ - y) / n        db = mean(ŷ - y)

A version that circulates in courses makes two mistakes, which its small data hide:

- it defines the squared error (ŷ - y)², and then uses the gradient above, which is the cross-entropy's; the squared
  error's has another factor, 2 ŷ(1 - ŷ);
- it divides dW by n but leaves 1/n out of db, so that the bias learns n times too fast.

Run it: python examples/1_one_neuron.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import netwright as nw

RATE, STEPS = 0.1, 10


def data(rows: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of points in the plane: X (n, 2), y (n,) of 0 and 1."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % 2
    return random.normal(size=(rows, 2)) + np.where(y[:, None], 1.0, -1.0), y


def by_hand(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Full-batch gradient descent from zero: the weights [w1, w2, b] after each step, and the gradient at each, (10, 3)."""
    w, b, weights, gradients = np.zeros(2), 0.0, [], []
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-(x @ w + b)))
        dw, db = x.T @ (p - y) / len(y), np.mean(p - y)
        w, b = w - RATE * dw, b - RATE * db
        gradients.append([*dw, db])
        weights.append([*w, b])
    return np.array(weights), np.array(gradients)


def with_netwright(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with `nw.train`: one training of each length from 1 to 10, for a training gives its last weights."""
    weights = []
    for steps in range(1, STEPS + 1):
        with tempfile.TemporaryDirectory() as folder:
            model = nw.train(
                {"x1": x[:, 0], "x2": x[:, 1], "y": y},
                target="y",
                model={
                    "family": "layers",
                    "layers": [{"dense": {"units": 1, "activation": "sigmoid", "init": "zeros"}}],
                },
                output=Path(folder) / "run",
                settings={
                    "columns": {name: {"kind": "number", "scale": "none"} for name in ("x1", "x2")},
                    "heads": {"y": {"loss": "binary_cross_entropy"}},
                    "split": {"validation": 0, "test": 0},
                    "training": {"optimizer": "gradient_descent", "learning_rate": RATE, "epochs": steps},
                    "plan": {"precision": "float64", "threads": 1},
                },
            )
        state = model.network.state_dict()
        weights.append([*state["trunk.layers.0.inner.weight"][0].tolist(), state["trunk.layers.0.inner.bias"].item()])
    before = np.vstack([np.zeros(3), weights[:-1]])
    return np.array(weights), (before - weights) / RATE  # w ← w - rate · gradient, turned round


def main() -> None:
    """Print both side by side."""
    (ours, slopes), (theirs, expected) = with_netwright(*data()), by_hand(*data())
    print("step   netwright  w1       w2       b         by hand  w1       w2       b")
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True), 1):
        print(f"{step:4}   {a[0]:18.6f} {a[1]:8.6f} {a[2]:9.6f} {b[0]:16.6f} {b[1]:8.6f} {b[2]:9.6f}")
    print(
        f"largest difference: weights {np.abs(ours - theirs).max():.1e}, gradients {np.abs(slopes - expected).max():.1e}"
    )


if __name__ == "__main__":
    main()
