"""Category out.

Cross-entropy of a row with class y and probabilities p = softmax(logits): -ln p_y; with smoothing s:
-(1 - s) ln p_y - s/C Σ_c ln p_c (Szegedy et al. 2016, arXiv 1512.00567, section 7). With a teacher see `_taught`. B rows, K members, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.errors import InputError, Problem
from netwright.kinds.category import FIRST
from netwright.kinds.category import Target as Category
from netwright.nn.batch import Block, Goal
from netwright.nn.heads.base import Plain, Readout, over_members, present
from netwright.nn.heads.category.settings import Settings
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


def outputs(kind: Category, settings: Settings) -> int:
    """Return how many outputs the head reads. Raises `InputError` where one sigmoid cannot tell the classes apart."""
    if settings.loss == "binary_cross_entropy" and len(kind.classes) != 2:
        where, what = (
            f"heads.{kind.columns[0]}.loss",
            f"binary_cross_entropy tells two classes apart, and there are {len(kind.classes)}",
        )
        raise InputError(Problem(where, what, allowed="cross_entropy"))
    return 1 if settings.loss == "binary_cross_entropy" else len(kind.classes)


class Net(Plain):
    """Logits for each class."""

    def __init__(self, kind: Category, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.settings, self.classes = settings, len(kind.classes)
        self.readout = Readout(coming, outputs(kind, settings), ready=ready)
        counts = torch.tensor(kind.counts[0], dtype=torch.get_default_dtype()).clamp(min=1)
        balance = (
            counts.sum() / (len(counts) * counts) if settings.class_weights == "balanced" else torch.ones(len(counts))
        )
        self.balance: Tensor
        self.register_buffer("balance", balance, persistent=False)

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        codes = target["codes"]
        assert isinstance(codes, Tensor)
        classes = codes[:, 0].long() - FIRST  # (B,), negative where absent
        goal: Block = {"class": classes.clamp(min=0)}
        if "teacher" in target:
            goal["teacher"] = target["teacher"]
        return None, Goal(goal, present(classes >= 0, self.balance[classes.clamp(min=0)]))

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        logits, classes = self.readout(signal), goal.values["class"]
        assert isinstance(classes, Tensor)
        smoothing = self.settings.label_smoothing
        if "teacher" in goal.values:
            return self._taught(logits, classes, goal.values["teacher"])  # type: ignore[arg-type]
        if logits.ndim == 3:  # (B, K, C): every member has the same goal
            classes = classes[:, None].expand(-1, logits.shape[1])
        if self.settings.loss == "binary_cross_entropy":
            wanted = classes.to(logits.dtype) * (1 - smoothing) + smoothing / 2
            return over_members(F.binary_cross_entropy_with_logits(logits[..., 0], wanted, reduction="none"))
        flat = F.cross_entropy(logits.flatten(0, -2), classes.flatten(), reduction="none", label_smoothing=smoothing)
        return over_members(flat.view(classes.shape))

    def _taught(self, logits: Tensor, classes: Tensor, teacher: Tensor) -> Tensor:
        """(B,): (1 - a) · -ln p_y + a T² Σ_c q_c (ln q_c - ln p_c), q and p at temperature T."""
        share, T = self.settings.teacher_share, self.settings.teacher_temperature
        if logits.shape[-1] == 1:  # one sigmoid: the first class's logit is 0
            logits = torch.cat([torch.zeros_like(logits), logits], -1)
        if logits.ndim == 3:
            classes, teacher = classes[:, None].expand(-1, logits.shape[1]), teacher[:, None].expand_as(logits)
        hard = F.cross_entropy(
            logits.flatten(0, -2), classes.flatten(), reduction="none", label_smoothing=self.settings.label_smoothing
        )
        wanted = (teacher.clamp(min=1e-7).log() / T).log_softmax(-1)
        soft = F.kl_div((logits / T).log_softmax(-1), wanted, reduction="none", log_target=True).sum(-1)
        return over_members((1 - share) * hard.view(classes.shape) + share * T * T * soft)

    def answer(self, signal: Signal) -> dict[str, Tensor]:
        logits = self.readout(signal).float()
        if self.settings.loss == "binary_cross_entropy":
            second = logits.sigmoid()
            probability = torch.cat([1 - second, second], -1)
        else:
            probability = logits.softmax(-1)
        return {"probability": probability.mean(1) if probability.ndim == 3 else probability}
