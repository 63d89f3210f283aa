"""What every head is. B rows, K members of an ensemble, D width, O outputs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netwright.errors import InputError, Problem
from netwright.nn.batch import Batch, Block, Goal
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


class Head(nn.Module):
    """Answers one target.

    `remembers`: whether each stimulus joins the memory that the next one sees (text), or each is looked at afresh
    from the inputs' memory (noise steps). `paired`: it compares the network's vectors of two inputs alike (`compared`),
    and is given both when it begins to answer.
    """

    remembers = True
    paired = False

    @abstractmethod
    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        """Return what the trunk is shown of the target while training (None: nothing), and the goal."""

    @abstractmethod
    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        """(B,) the loss of each row, without its weight."""

    @abstractmethod
    def begin(self, batch: Batch, given: Any = None) -> Any:
        """Return the state of an answer; `given` is the start of it (a prompt)."""

    @abstractmethod
    def next(self, state: Any, signal: Signal | None) -> tuple[Signal | None, bool]:
        """Take the trunk's signal (None at first); return the next stimulus, and whether the answer is complete."""

    def kept(self, state: Any) -> Tensor | None:
        """Return which rows of the memory (indices; a beam may name one twice) the next stimulus is for; None: all."""
        return None

    @abstractmethod
    def finish(self, state: Any, memory: Memory) -> dict[str, Any]:
        """Return the answer's arrays, which the target's kind decodes."""


class Direct(Head):
    """A head that looks once and answers at once. What it is taught of a row does not change from epoch to epoch."""

    def begin(self, batch: Batch, given: Any = None) -> dict[str, Signal]:
        return {}

    def next(self, state: dict[str, Signal], signal: Signal | None) -> tuple[Signal | None, bool]:
        if signal is not None:
            state["signal"] = signal
        return None, signal is not None


class Plain(Direct):
    """A direct head whose answer is dense tensors alone, so that another engine can give it too."""

    @abstractmethod
    def answer(self, signal: Signal) -> dict[str, Tensor]:
        """Return the answer's tensors (B, ...), which the target's kind decodes."""

    def finish(self, state: dict[str, Signal], memory: Memory) -> dict[str, Any]:
        return {name: found.cpu().numpy().astype(np.float64) for name, found in self.answer(state["signal"]).items()}


class Readout(nn.Module):
    """A signal's pooled features to O outputs: one map, or one for each of K members; the identity for `ready` signals.

    A ready signal is the answer itself (`linear`, `layers`, a user's module that ends in its target).
    """

    def __init__(self, coming: Shape, outputs: int, *, ready: bool) -> None:
        super().__init__()
        self.outputs, self.ready, self.members = outputs, ready, coming.members
        if ready:
            return
        bound = coming.width**-0.5
        members = (coming.members,) if coming.members else ()
        self.weight = nn.Parameter(torch.empty(*members, outputs, coming.width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(*members, outputs).uniform_(-bound, bound))

    def forward(self, signal: Signal) -> Tensor:
        """(B, O), or (B, K, O)."""
        x = signal.pooled()
        if self.ready:
            if x.ndim != 2 or x.shape[1] != self.outputs:
                got = f"an answer of shape {tuple(x.shape)}"
                raise InputError(
                    Problem("model", f"gives {got} for {len(x)} rows", allowed=f"({len(x)}, {self.outputs})")
                )
            return x
        if self.members:
            return torch.einsum("bkd,kod->bko", x, self.weight) + self.bias
        return nn.functional.linear(x, self.weight, self.bias)


def about(column: str, target: str, coming: Shape, *, ready: bool) -> tuple[int, int]:
    """Return the number of the block that a target is about, and the width of its elements.

    Raises `InputError` where the trunk keeps no elements, so that nothing can be said of each.
    """
    width = coming.width if coming.layout == "sequence" else coming.elements
    if ready or not width:
        what = f"gives one output per row, and {target} needs one per word of {column}"
        raise InputError(Problem("model.family", what, allowed="recurrent, transformer"))
    return next(number for number, names in enumerate(coming.columns) if column in names), width


def over_members(losses: Tensor) -> Tensor:
    """(B,) or (B, K) -> (B,): each member is taught by itself, so their losses are averaged."""
    return losses.mean(1) if losses.ndim == 2 else losses


def present(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """(B,) weight 1 for rows with a target, 0 for rows without."""
    shown = values.to(torch.get_default_dtype())
    return shown if weight is None else shown * weight
