"""Schedules: what the learning rate is multiplied by. All but `plateau` are pure functions of the place in training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netwright.recipe import Training

RISE, START, END = 0.3, 1 / 25, 1 / 250_000  # one_cycle: torch's OneCycleLR defaults, after Smith & Topin 2018


@dataclass
class Schedule:
    """The factor of the learning rate at a step.

    `steps`: steps in all; `steps_an_epoch`. `cut` and `waited` are the state of `plateau`.

    >>> Schedule(Training(schedule="cosine"), steps=100, steps_an_epoch=10).factor(50)
    0.5
    """

    settings: Training
    steps: int
    steps_an_epoch: int
    cut: float = 1.0
    waited: int = 0
    best: float = math.inf

    def factor(self, step: int) -> float:
        """Return the factor at a step, counted from 0."""
        s = self.settings
        warm = round((s.warmup or 0.0) * self.steps)
        if step < warm:
            return (step + 1) / warm
        share = (step - warm) / max(self.steps - warm, 1)
        if s.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * share))
        if s.schedule == "linear":
            return 1 - share
        if s.schedule == "step":
            return (s.step_factor or 0.1) ** (step // self.steps_an_epoch // (s.step_every or 10))
        if s.schedule == "one_cycle":
            return _one_cycle(share)
        return self.cut if s.schedule == "plateau" else 1.0

    def after_epoch(self, score: float) -> None:
        """Cut the rate where the score (lower is better) has not improved for `step_every` epochs (plateau)."""
        if self.settings.schedule != "plateau":
            return
        if score < self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= (self.settings.step_every or 10):
            self.cut, self.waited = self.cut * (self.settings.step_factor or 0.1), 0

    def state(self) -> dict[str, float]:
        """Return what a checkpoint must keep."""
        return {"cut": self.cut, "waited": self.waited, "best": self.best}


def _one_cycle(share: float) -> float:
    if share < RISE:
        return START + (1 - START) * 0.5 * (1 - math.cos(math.pi * share / RISE))
    return END + (1 - END) * 0.5 * (1 + math.cos(math.pi * (share - RISE) / (1 - RISE)))
