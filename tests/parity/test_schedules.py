"""Every schedule equals torch's scheduler of the same name, step by step."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)  # fmt: skip

from netwright.recipe import Training
from netwright.training.schedules import Schedule

STEPS, EPOCH = 120, 6


def ours(**settings: object) -> list[float]:
    schedule = Schedule(Training(**settings), steps=STEPS, steps_an_epoch=EPOCH)  # type: ignore[arg-type]
    return [schedule.factor(step) for step in range(STEPS)]


def optimizer() -> SGD:
    return SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


def rates(own: Optimizer, scheduler: torch.optim.lr_scheduler.LRScheduler, *, every: int = 1) -> list[float]:
    out = []
    for step in range(STEPS):
        out.append(own.param_groups[0]["lr"])
        own.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return out


def test_each_schedule_that_is_offered_is_tested() -> None:
    offered = {name for part in get_args(Training.model_fields["schedule"].annotation) for name in get_args(part)}
    assert offered == {"constant", "step", "cosine", "linear", "one_cycle", "plateau"}


def test_constant() -> None:
    assert set(ours(schedule="constant")) == {1.0} == set(ours())


def test_cosine_is_torchs() -> None:
    own = optimizer()
    assert ours(schedule="cosine") == pytest.approx(rates(own, CosineAnnealingLR(own, STEPS)), abs=1e-12)


def test_linear_is_torchs() -> None:
    own = optimizer()
    assert ours(schedule="linear") == pytest.approx(rates(own, LinearLR(own, 1.0, 0.0, STEPS)), abs=1e-12)


def test_step_is_torchs() -> None:
    own = optimizer()
    expected = rates(own, StepLR(own, 7, 0.3), every=EPOCH)
    assert ours(schedule="step", step_every=7, step_factor=0.3) == pytest.approx(expected, abs=1e-12)


def test_one_cycle_is_torchs_within_one_step() -> None:
    """Torch reaches its peak and its end one step sooner; with one step in all it would then train at the end's rate."""
    own = optimizer()
    expected = rates(own, OneCycleLR(own, 1.0, total_steps=STEPS, cycle_momentum=False))
    found = ours(schedule="one_cycle")
    assert found[0] == pytest.approx(expected[0]) and max(found) == pytest.approx(1.0)
    slack = max(abs(a - b) for a, b in zip(expected, expected[1:], strict=False))
    assert found == pytest.approx(expected, abs=slack)


def test_a_warm_up_rises_evenly_and_what_follows_has_the_steps_that_are_left() -> None:
    warm = 12  # of 120 steps
    own = optimizer()
    rise = LinearLR(own, 1 / warm, 1.0, warm - 1)
    both = SequentialLR(own, [rise, CosineAnnealingLR(own, STEPS - warm)], [warm])
    assert ours(schedule="cosine", warmup=0.1) == pytest.approx(rates(own, both), abs=1e-12)


def test_plateau_is_torchs() -> None:
    """Torch's patience counts epochs that are let pass; ours the epoch at which the rate is cut."""
    scores = [5.0, 4.0, 4.1, 4.0, 3.9, 3.9, 4.2, 4.3, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 2.0]
    own = optimizer()
    theirs = ReduceLROnPlateau(own, factor=0.5, patience=2, threshold=0.0)
    schedule = Schedule(Training(schedule="plateau", step_every=3, step_factor=0.5), steps=STEPS, steps_an_epoch=EPOCH)
    for score in scores:
        theirs.step(score)
        schedule.after_epoch(score)
        assert schedule.factor(0) == own.param_groups[0]["lr"]
    assert schedule.state() == {"cut": 0.25, "waited": 0, "best": 2.0}


@pytest.mark.parametrize("name", ["constant", "step", "cosine", "linear", "one_cycle", "plateau"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_short_training_has_a_rate_at_each_step(name: str, steps: int) -> None:
    schedule = Schedule(Training(schedule=name, warmup=0.3), steps=steps, steps_an_epoch=1)  # type: ignore[arg-type]
    factors = [schedule.factor(step) for step in range(steps)]
    assert all(0 < factor <= 1 and math.isfinite(factor) for factor in factors)
