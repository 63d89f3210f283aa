"""Labels out: the mean over labels of the binary cross-entropy. B rows, K members, C labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.kinds.labels import Target as Labels
from netwright.nn.batch import Block, Goal
from netwright.nn.heads.base import Plain, Readout, over_members, present
from netwright.nn.heads.labels.settings import Settings
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


def outputs(kind: Labels, settings: Settings) -> int:
    """Return how many outputs the head reads."""
    return len(kind.values)


class Net(Plain):
    """One logit a label."""

    def __init__(self, kind: Labels, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.settings = settings
        self.readout = Readout(coming, len(kind.values), ready=ready)

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        hot, absent = target["hot"], target["absent"]
        assert isinstance(hot, Tensor) and isinstance(absent, Tensor)
        goal: Block = {"hot": hot.to(torch.get_default_dtype())}
        if isinstance(teacher := target.get("teacher"), Tensor):  # both are chances, whose mean is one
            share = self.settings.teacher_share
            goal["hot"] = (1 - share) * hot.to(teacher.dtype) + share * teacher
        return None, Goal(goal, present(~absent))

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        logits, hot = self.readout(signal), goal.values["hot"]
        assert isinstance(hot, Tensor)
        if logits.ndim == 3:
            hot = hot[:, None].expand_as(logits)
        return over_members(F.binary_cross_entropy_with_logits(logits, hot, reduction="none").mean(-1))

    def answer(self, signal: Signal) -> dict[str, Tensor]:
        probability = self.readout(signal).float().sigmoid()
        return {"probability": probability.mean(1) if probability.ndim == 3 else probability}
