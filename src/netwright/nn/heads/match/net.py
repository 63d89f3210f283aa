"""A pair out: how alike the vectors of its two texts are.

Without scores each text of a batch is to be nearer to its own partner than to the batch's other ones: with the cosines
c[i, j] of left i and right j over the temperature τ, the loss of pair i is the mean of -ln softmax(c[i, :] / τ)[i] and
-ln softmax(c[:, i] / τ)[i] (InfoNCE, van den Oord et al. 2018, arXiv 1807.03748, section 2.3; both ways as in CLIP, Radford
et al. 2021, arXiv 2103.00020, figure 3). Texts that stand in several pairs are not held against each other. With scores s
from 0 to 1 it is (c[i, i] - s)² (Reimers & Gurevych 2019, arXiv 1908.10084, section 3). The loss couples the rows of a
batch, and of one process: its other rows are the wrong answers. B rows, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.kinds.match import Target as Match
from netwright.nn.batch import Batch, Block, Goal
from netwright.nn.heads.base import Head
from netwright.nn.heads.match.settings import Settings
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


def outputs(kind: Match, settings: Settings) -> int:
    """Return how many outputs the head reads: none."""
    return 0


class Net(Head):
    """Cosines of pairs. It has no weights: what learns is what makes the vectors."""

    remembers = False
    paired = True

    def __init__(self, kind: Match, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.scored, self.temperature, self.about = bool(kind.score), settings.temperature, kind.about

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        own, asked = target["own"], target["asked"]
        assert isinstance(own, Tensor) and isinstance(asked, Tensor)
        known = ((own != 0) & (asked != 0)).to(torch.get_default_dtype())
        return None, Goal({name: target[name] for name in ("score", "asked", "own")}, known)

    def compared(self, left: Tensor, right: Tensor, goal: Goal) -> Tensor:
        """(B,) the loss of each pair, of the vectors (B, D) of its two texts."""
        left, right = F.normalize(left, dim=1), F.normalize(right, dim=1)
        if self.scored:
            score = goal.values["score"]
            assert isinstance(score, Tensor)
            return ((left * right).sum(1) - score).square()
        own, asked = goal.values["own"], goal.values["asked"]
        assert isinstance(own, Tensor) and isinstance(asked, Tensor)
        alike = (own[:, None] == own) | (asked[:, None] == asked)
        if goal.weight is not None:
            alike = alike | (goal.weight == 0)[:, None] | (goal.weight == 0)
        alike = alike & ~torch.eye(len(own), dtype=torch.bool, device=own.device)
        logits = (left @ right.T / self.temperature).masked_fill(alike, -torch.inf)
        here = torch.arange(len(own), device=own.device)
        both = [F.cross_entropy(part, here, reduction="none") for part in (logits, logits.T)]
        return (both[0] + both[1]) / 2

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        raise NotImplementedError("a pair is compared by its two vectors: `compared`")

    def begin(self, batch: Batch, given: Any = None) -> Any:
        """`given`: the vectors (B, D) of both texts."""
        return given

    def next(self, state: Any, signal: Signal | None) -> tuple[Signal | None, bool]:
        return None, True

    def finish(self, state: Any, memory: Memory) -> dict[str, Any]:
        """{"cosine": (B,), "left", "right": (B, D) of length 1}."""
        left, right = (F.normalize(part.float(), dim=1) for part in state)
        found = {"cosine": (left * right).sum(1), "left": left, "right": right}
        return {name: part.cpu().numpy() for name, part in found.items()}
