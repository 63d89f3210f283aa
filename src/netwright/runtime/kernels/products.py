"""Linear maps of few rows: while a token is written each map has a row or a few, and the time is that of reading weights.

N rows, O outputs, I inputs. The compiled code is in `decoder.c`: a row's answer depends neither on the other rows nor on the
number of threads.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.runtime.kernels import native
from netwright.runtime.kernels.native import address, call
from netwright.runtime.kernels.operation import define, drawn, operation, plain

FEW = 16  # rows up to which this is faster than torch's products (docs/dev/kernels.md)
BUSY = 0.75  # of the time that its threads could have worked: less, and a step was hindered by other work
ALONE = 32  # steps that are then taken by one thread


class Matrix(ctypes.Structure):
    """A linear map as compiled code sees it: addresses of its weights, scales and bias, and its outputs and inputs."""

    _fields_ = [*((name, ctypes.c_void_p) for name in ("weight", "scale", "bias")), ("O", ctypes.c_int64), ("I", ctypes.c_int64)]  # fmt: skip

    @classmethod
    def of(cls, weight: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Matrix | None:
        """Return the map of weights (O, I): floats, or bytes with `scale` (O,) in bfloat16; None where they are others.

        The tensors must outlive it.
        """
        wanted = torch.float32 if scale is None else torch.int8
        for part, dtype in ((weight, wanted), (scale, torch.bfloat16), (bias, torch.float32)):
            if part is not None and (part.dtype != dtype or part.device.type != "cpu" or not part.is_contiguous()):
                return None
        return cls(address(weight), address(scale), address(bias), *weight.shape)


class Pace:
    """How many threads a step takes: all, or one for a while where other work keeps them from running together.

    Threads that meet after each map wait for the one that another program's work has put off: a step then takes up to a
    hundred times as long. The numbers are the same either way.
    """

    def __init__(self) -> None:
        self.alone = 0  # steps yet to be taken by one thread
        self.hindered = 0.0  # seconds of the last step that was put off

    def threads(self) -> int:
        """Return the number for the next step."""
        return 1 if self.alone else torch.get_num_threads()

    def take(self, step: Callable[[int], object]) -> None:
        """Take a step, given the number of threads, and look at how it went."""
        threads = self.threads()
        began, worked = time.perf_counter(), time.process_time()
        step(threads)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        if threads > 1 and worked < BUSY * threads * seconds:
            self.alone, self.hindered = ALONE, seconds
        elif self.alone:
            self.alone = self.alone - 1 if seconds < self.hindered else 0


PACE = Pace()


def _linear(x: Tensor, weight: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    y = x.new_empty(*x.shape[:-1], len(weight))
    if not x.is_meta:
        x = x.contiguous()
        call("linear", Matrix.of(weight, scale, bias), x, y, x.numel() // x.shape[-1], threads=PACE.threads())
    return y


linear_ = define("linear(Tensor x, Tensor weight, Tensor? scale, Tensor? bias) -> Tensor", _linear)


def few(x: Tensor) -> bool:
    """Whether rows are few, and nothing is learnt."""
    return not torch.is_grad_enabled() and 0 < x.numel() <= FEW * x.shape[-1] and plain(x)


def _lines() -> Iterator[tuple[Any, ...]]:
    for inputs in (1, 15, 16, 17, 67, 640):
        weight, bias = drawn(33, inputs, learns=False), drawn(33, seed=1, learns=False)
        for rows in range(1, FEW + 1):
            yield drawn(rows, inputs, seed=rows, learns=False), weight, bias if rows % 2 else None


@operation(
    compiled=lambda x, weight, bias=None: linear_(x, weight, None, bias),
    takes=lambda x, weight, bias=None: few(x) and Matrix.of(weight, None, bias) is not None,
    examples=_lines,
    tolerance=1e-4,
)
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., I), weights (O, I), bias (O,) -> x W' + b (..., O)."""
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """torch's linear map, whose few rows are answered by compiled code."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return linear(input, self.weight, self.bias)


class Table(nn.Embedding):
    """Vectors of tokens (V, D), by which states are answered, too: a table of outputs."""

    def answer(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""
        return linear(states, self.weight)


def arrange(network: nn.Module) -> None:
    """Lay a network's weights in memory as products of few rows read them fastest: the same values.

    torch reads those of one input beside each other in half the time at 8 rows, four fifths at one (docs/dev/kernels.md);
    many rows take as long either way. Compiled code reads weights output by output, as they stand.
    """
    compiled = native.library() is not None
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Embedding) and not (compiled and isinstance(module, Linear | Table)):
            module.weight.data = module.weight.data.t().contiguous().t()
