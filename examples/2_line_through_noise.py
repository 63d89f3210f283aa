"""A line through noise: 100 points of y = 3x + 2 + 0.5 · noise; the slope and the intercept are recovered.

The usual bug here: targets of shape (n, 1) against predictions of shape (n,). Their difference broadcasts to (n, n),
the loss falls all the same, and the line comes out flat. netwright refuses a prediction that has lost its last axis:
the last lines show it.

netwright scales columns by itself; a line stays a line, so in the columns' own units its intercept is what it predicts
at 0, and its slope is how much that grows up to 1.

Run it: python examples/2_line_through_noise.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

import netwright as nw


def data(rows: int = 100) -> dict[str, np.ndarray]:
    """x in 0 ... 10 and y = 3x + 2 + 0.5 · noise."""
    random = np.random.default_rng(0)
    x = random.uniform(0, 10, rows)
    return {"x": x, "y": 3 * x + 2 + 0.5 * random.normal(size=rows)}


def line(model: nw.Model) -> tuple[float, float]:
    """The slope and intercept of a linear model of one column x, in the columns' own units."""
    at_0, at_1 = model.predict({"x": [0.0, 1.0]})["y_predicted"]
    return at_1 - at_0, at_0


class Flat(torch.nn.Module):
    """The bug: a prediction of shape (n,) in place of (n, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.map = torch.nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 1) -> (B,)."""
        return self.map(x)[:, 0]


def main() -> None:
    """Fit, print the line, and show the refusal."""
    with tempfile.TemporaryDirectory() as folder:
        model = nw.train(data(), target="y", model="linear", output=Path(folder) / "line")
        slope, intercept = line(model)
        print(f"y = {slope:.2f} x + {intercept:.2f}   (made of: y = 3 x + 2)")
        try:
            nw.train(data(), target="y", model=Flat(), output=Path(folder) / "flat")
        except nw.InputError as error:
            print(f"refused: {error}")


if __name__ == "__main__":
    main()
