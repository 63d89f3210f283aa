"""Regression on four numbers: fit, evaluate, predict, watching the mean absolute error.

A hidden layer of 10 ReLU, Adam, mean squared error, 10 epochs of 3,200 rows in batches of 32. `training.metric` names
the score that is watched: the weights of the epoch with the lowest MAE on the validation rows are kept.

Run it: python examples/5_regression.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import netwright as nw

SETTINGS = {
    "heads": {"y": {"loss": "mse"}},
    "split": {"validation": 0.1, "test": 0.1},  # of 4,000 rows: 3,200 train
    "training": {"optimizer": "adam", "epochs": 10, "batch_size": 32, "metric": "mae"},
}
MODEL = {"family": "layers", "layers": [{"dense": {"units": 10, "activation": "relu"}}, {"dense": 1}]}


def data(rows: int = 4_000, seed: int = 0) -> dict[str, np.ndarray]:
    """Four numbers and a sum of them that bends, with noise of deviation 0.1."""
    random = np.random.default_rng(seed)
    a, b, c, d = random.normal(size=(4, rows))
    return {"a": a, "b": b, "c": c, "d": d, "y": 2 * a - b + np.abs(c) + 0.5 * d + 0.1 * random.normal(size=rows)}


def fit(folder: Path) -> nw.Model:
    """Train into a run folder."""
    return nw.train(data(), target="y", model=MODEL, output=folder, settings=SETTINGS)


def main() -> None:
    """Fit, evaluate on rows that were never seen, predict."""
    with tempfile.TemporaryDirectory() as folder:
        model = fit(Path(folder) / "run")
        for entry in model.metrics["history"]:
            print(f"epoch {entry['epoch']:2.0f}: validation mae {entry['mae']:.3f}")
        found = model.evaluate(data(1_000, seed=1))["metrics"]["mae"]
        print(
            f"1,000 new rows: mae {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]; the noise alone gives 0.080"
        )
        print(model.predict([{"a": 1, "b": 0, "c": -1, "d": 0}]), "\nin truth: 3")


if __name__ == "__main__":
    main()
