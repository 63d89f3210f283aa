"""The running mean of the weights is what its formula says, and is what is judged and kept."""

from __future__ import annotations

from pathlib import Path

import torch

import netwright as nw
from netwright.training.averaging import Average


def test_the_mean_is_the_formulas() -> None:
    """m ← d m + (1 - d) w, d the smaller of 0.5 and (1 + t) / (10 + t); the first weights count as m's beginning."""
    weights = {"w": torch.tensor([1.0]), "seen": torch.tensor(3)}
    average, wanted = Average(0.5), 1.0
    for step, value in enumerate((1.0, 2.0, 4.0, 8.0), 1):
        weights["w"].fill_(value)
        average.add(weights, 1)
        share = min(0.5, (1 + step) / (10 + step))
        wanted = share * wanted + (1 - share) * value
        assert torch.allclose(average.mean["w"], torch.tensor([wanted]))
    with average.instead(weights):
        assert torch.allclose(weights["w"], torch.tensor([wanted]))
    assert weights["w"].item() == 8.0
    Average(0.0).add(weights, 1)


def test_a_run_keeps_the_mean(tmp_path: Path) -> None:
    """With a large rate the weights wander; their mean, which is kept, is nearer to the least squares."""
    x = torch.linspace(-1, 1, 40).tolist()
    rows = {"x": x, "y": [3 * value + (-1) ** number for number, value in enumerate(x)]}
    scores = []
    for average in (0.0, 0.99):
        settings = {
            "split": {"validation": 0.0, "test": 0.0},
            "training": {"epochs": 60, "batch_size": 4, "optimizer": "sgd", "learning_rate": 0.3, "average": average, "patience": 0, "schedule": "constant"},
        }  # fmt: skip
        model = nw.train(rows, target="y", model="linear", output=tmp_path / f"run{average}", settings=settings)
        found = model.predict(rows)["y_predicted"].to_numpy()
        scores.append(float(((found - 3 * torch.tensor(x).numpy()) ** 2).mean()))
    assert scores[1] < scores[0], scores
