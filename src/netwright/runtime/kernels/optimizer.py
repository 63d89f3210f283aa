"""Steps of AdamW, each in one pass over memory. V rows of a table, D width."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor

from netwright.runtime.kernels.native import call
from netwright.runtime.kernels.operation import drawn, operation, plain


@dataclass(frozen=True)
class Rule:
    """A step of AdamW: what gradients and weights are multiplied by, its size, 1 − β₁, β₂, 1 − β₂, 1 / √(1 − β₂ᵗ), and ε."""

    factor: float
    decay: float
    size: float
    new1: float
    beta2: float
    new2: float
    unbias: float
    epsilon: float


class _Rule(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float) for name in Rule.__dataclass_fields__]


RULE = Rule(0.5, 0.999, 0.01, 0.1, 0.999, 0.001, 31.6, 1e-8)  # of the examples


def _adam(weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rule: Rule) -> None:
    call("adam", weight, gradient.contiguous(), mean, square, _Rule(*astuple(rule)), weight.numel())


def _weights() -> Iterator[tuple[Any, ...]]:
    for size in (1, 19, 40_000):
        weight, gradient, mean, square = (drawn(size, seed=seed, learns=False) for seed in range(4))
        yield weight, gradient, mean, square.square(), RULE


def _dense(*tensors: Tensor) -> bool:
    return plain(*tensors) and all(x.is_contiguous() for x in tensors)


@operation(
    compiled=_adam, takes=lambda weight, gradient, mean, square, rule: _dense(weight, mean, square), examples=_weights
)
def adam(weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rule: Rule) -> None:
    """Change a weight w and its mean m and square v: w ← fall w − η m / (√v u + ε), m ← m + (1 − β₁)(f g − m), v ← β₂ v + (1 − β₂)(f g)².

    f is the factor that clips, u = 1 / √(1 − β₂ᵗ) (Loshchilov & Hutter 2019, arXiv 1711.05101).
    """
    gradient = gradient * rule.factor
    mean.lerp_(gradient, rule.new1)
    square.mul_(rule.beta2).addcmul_(gradient, gradient, value=rule.new2)
    weight.mul_(rule.decay).addcdiv_(mean, square.sqrt().mul_(rule.unbias).add_(rule.epsilon), value=-rule.size)


def _adam_rows(
    weight: Tensor, rows: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, moves: Tensor, rule: Rule
) -> None:
    where = torch.full((len(weight),), -1, dtype=torch.int32)
    where[rows] = torch.arange(len(rows), dtype=torch.int32)
    call("adam_rows", weight, gradient.contiguous(), mean, square, where, moves, _Rule(*astuple(rule)), *weight.shape)


def _tables() -> Iterator[tuple[Any, ...]]:
    for V, D in ((5, 3), (700, 33)):
        weight = drawn(V, D, learns=False)
        moves = torch.arange(V) % 3 == 0
        mean, square = (drawn(V, D, seed=seed, learns=False).square() * moves[:, None] for seed in (1, 2))
        rows = torch.arange(V).flip(0)[: V // 2]
        yield weight, rows, drawn(len(rows), D, seed=3, learns=False), mean, square, moves, RULE


@operation(
    compiled=_adam_rows,
    takes=lambda weight, rows, gradient, mean, square, moves, rule: _dense(weight, mean, square),
    examples=_tables,
)
def adam_rows(
    weight: Tensor, rows: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, moves: Tensor, rule: Rule
) -> None:
    """`adam` of a table (V, D) of which some rows (n,) have a gradient (n, D), the others 0.

    `moves` (V,) tells the rows that ever had one, and is brought up to date: the others only decay.
    """
    whole = torch.zeros_like(weight).index_copy_(0, rows, gradient)
    adam.formula(weight, whole, mean, square, rule)
    moves[rows] = True
