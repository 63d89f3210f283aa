"""What a training is given, how it is judged, and where it stands. n training rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from netwright.nn.batch import Rows


@dataclass
class Data:
    """What is trained on: all encoded rows, which of them train (n,), and the weight of each target's loss."""

    rows: Rows
    train: Tensor
    shares: Mapping[str, float]


@dataclass
class Score:
    """The score that selects the best weights: how it is computed (in evaluation mode), its name and direction."""

    compute: Callable[[], float]
    name: str
    better: str  # "higher" or "lower"

    def rank(self, value: float) -> float:
        """Return the value so that lower is better."""
        return -value if self.better == "higher" else value


@dataclass
class Progress:
    """Where a training stands: all that a checkpoint keeps besides weights."""

    epoch: int = 0
    step: int = 0  # within the epoch
    best: float = math.inf  # ranked: lower is better
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    loss_sum: float = 0.0
    done: bool = False
