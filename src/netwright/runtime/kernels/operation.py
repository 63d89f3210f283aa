"""What an operation is: a formula in torch, and compiled code that gives the same faster."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

from netwright.runtime.kernels import native

P = ParamSpec("P")
R = TypeVar("R")
Examples = Callable[[], Iterable[tuple[Any, ...]]]

_defined = torch.library.Library("netwright", "DEF")


class Operation(Generic[P, R]):
    """A formula, and compiled code that takes its place where it is there and `takes` the arguments.

    `examples` gives arguments for the test that compares the two: of what needs a gradient that is compared as well;
    `tolerance` is how far they may lie apart, of numbers about 1.
    """

    def __init__(
        self, formula: Callable[P, R], compiled: Callable[P, R], takes: Callable[P, bool], examples: Examples, tolerance: float
    ) -> None:  # fmt: skip
        self.formula, self.compiled, self.takes = formula, compiled, takes
        self.examples, self.tolerance = examples, tolerance
        functools.update_wrapper(self, formula)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if native.library() is not None and self.takes(*args, **kwargs):
            return self.compiled(*args, **kwargs)
        return self.formula(*args, **kwargs)


OPERATIONS: dict[str, Operation[..., Any]] = {}


def operation(
    *, compiled: Callable[P, R], takes: Callable[P, bool], examples: Examples, tolerance: float = 1e-5
) -> Callable[[Callable[P, R]], Operation[P, R]]:
    """Register a formula as an operation, under the function's name."""

    def made(formula: Callable[P, R]) -> Operation[P, R]:
        found = OPERATIONS[formula.__name__] = Operation(formula, compiled, takes, examples, tolerance)
        return found

    return made


def define(schema: str, function: Callable[..., Any]) -> Any:
    """Make a function that calls compiled code an operation of torch's dispatcher, so that a recorded step sees it.

    On tensors that only have a shape the same function gives results of the right shape.
    """
    name = schema.partition("(")[0]
    _defined.define(schema)
    for device in ("CPU", "Meta"):
        _defined.impl(name, function, device)
    return getattr(torch.ops.netwright, name).default


def differentiable(function: type[torch.autograd.Function], alone: Callable[P, R]) -> Callable[P, R]:
    """Return a function with its backward pass where gradients are kept, and `alone` where none are: it costs less."""

    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        return function.apply(*args, **kwargs) if torch.is_grad_enabled() else alone(*args, **kwargs)  # type: ignore[return-value]

    return called


def plain(*tensors: Tensor) -> bool:
    """Whether tensors are floats of 32 bits on a processor, some of them, in code that runs as it stands."""
    for x in tensors:
        if x.device.type != "cpu" or x.dtype != torch.float32 or not x.numel():
            return False
    compiler = torch.compiler
    return not (torch.is_autocast_enabled("cpu") or compiler.is_compiling() or compiler.is_exporting())


def drawn(*shape: int, seed: int = 0, learns: bool = True) -> Tensor:
    """Return an example's tensor of normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_(learns)
