"""Number out.

With error e on the scaled target: e² (mse), |e| (mae), or Huber's e²/2 within δ and δ(|e| - δ/2) beyond (Huber 1964).
B rows, K members.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from netwright.kinds.number import Target as Number
from netwright.nn.batch import Block, Goal
from netwright.nn.heads.base import Plain, Readout, over_members, present
from netwright.nn.heads.number.settings import Settings
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


def outputs(kind: Number, settings: Settings) -> int:
    """Return how many outputs the head reads."""
    return 1


class Net(Plain):
    """One value."""

    def __init__(self, kind: Number, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.settings = settings
        self.readout = Readout(coming, 1, ready=ready)

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        values = target["values"]
        assert isinstance(values, Tensor)
        values = values[:, 0]  # (B,)
        missing = target.get("values_missing")
        weight = present(~missing[:, 0]) if isinstance(missing, Tensor) else None
        goal: Block = {"value": values.contiguous()}
        if "teacher" in target:
            goal["teacher"] = target["teacher"]
        return None, Goal(goal, weight)

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        answer, value = self.readout(signal)[..., 0], goal.values["value"]  # (B,) or (B, K); (B,)
        assert isinstance(value, Tensor) and answer.shape[0] == value.shape[0]
        losses = self._losses(answer, value)
        if "teacher" not in goal.values:
            return losses
        share, teacher = self.settings.teacher_share, goal.values["teacher"]
        assert isinstance(teacher, Tensor)
        return (1 - share) * losses + share * self._losses(answer, teacher)

    def _losses(self, answer: Tensor, value: Tensor) -> Tensor:
        """(B,) of answers (B,) or (B, K)."""
        value = value[:, None].expand_as(answer) if answer.ndim == 2 else value
        if self.settings.loss == "mse":
            return over_members(F.mse_loss(answer, value, reduction="none"))
        size = (answer - value).abs()
        if self.settings.loss == "mae":
            return over_members(size)
        delta = self.settings.delta
        return over_members(size.clamp(max=delta) * (size - size.clamp(max=delta) / 2))

    def answer(self, signal: Signal) -> dict[str, Tensor]:
        found = self.readout(signal).float()[..., 0]
        return {"value": found.mean(1) if found.ndim == 2 else found}
