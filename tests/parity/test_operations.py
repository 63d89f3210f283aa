"""Each registered operation: the compiled code gives what its formula gives, forward and backward, on the operation's own examples."""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import netwright.nn
from netwright.runtime import kernels
from netwright.runtime.kernels import OPERATIONS, Operation

for _package in (kernels, netwright.nn):  # wherever an operation is registered
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if "_compiled" not in _module.name:
            importlib.import_module(_module.name)


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors and numbers of a result or of arguments, one after the other."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, float):
        yield torch.tensor(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


def example(found: tuple[Any, ...]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of their own, and those given by name."""
    given = copy.deepcopy(list(found))
    return given, given.pop() if isinstance(given[-1], dict) else {}


def computed(function: Any, found: tuple[Any, ...]) -> list[Tensor]:
    """What comes out, the gradient of each argument that learns, and each argument that may have been changed."""
    given, named = example(found)
    learns = [part for part in tensors(given) if part.requires_grad]
    with torch.set_grad_enabled(bool(learns)):
        out = list(tensors(function(*given, **named)))
        if learns:
            generator = torch.Generator().manual_seed(1)
            loss: Any = sum((part * torch.randn(part.shape, generator=generator)).sum() for part in out)
            changed = list(torch.autograd.grad(loss, learns))
        else:
            changed = [part for part in tensors(given) if part.is_floating_point()]
    return [part.detach() for part in (*out, *changed)]


@pytest.mark.compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_compiled_code_gives_what_the_formula_gives(name: str, threads: int) -> None:
    own = OPERATIONS[name]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for found in own.examples():
            assert takes(own, found), "an example that the compiled code leaves to the formula compares nothing"
            ours, theirs = computed(own.compiled, found), computed(own.formula, found)
            assert len(ours) == len(theirs) > 0
            for one, other in zip(ours, theirs, strict=True):
                size = max(1.0, float(other.abs().max()))
                torch.testing.assert_close(one, other, rtol=own.tolerance, atol=own.tolerance * size)
    finally:
        torch.set_num_threads(before)


@pytest.mark.compiled
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_backward_pass_is_the_slope_of_its_forward_pass(name: str) -> None:
    """By differences along a direction, as the fast form of torch's `gradcheck`, which knows no floats of 32 bits."""
    own = OPERATIONS[name]
    for found in own.examples():
        given, named = example(found)
        learns = [part for part in tensors(given) if part.requires_grad]
        if not learns or given[0].numel() < 20:  # of fewer numbers the slope itself turns too fast
            continue

        def loss(given: list[Any] = given, named: dict[str, Any] = named, learns: list[Tensor] = learns) -> Tensor:
            copies = [
                part * 1.0 if any(part is other for other in learns) else part for part in given
            ]  # a gradient may take its input's place
            parts = tensors(own.compiled(*copies, **named))
            return sum((part.double() * torch.randn(part.shape, generator=torch.Generator().manual_seed(1))).sum() for part in parts)  # type: ignore[return-value] # fmt: skip

        ways = [torch.randn(part.shape, generator=torch.Generator().manual_seed(2)) for part in learns]
        slopes = torch.autograd.grad(loss(), learns)
        want = float(sum((slope.double() * way).sum() for slope, way in zip(slopes, ways, strict=True)))
        length = float(sum(slope.double().square().sum() for slope in slopes)) ** 0.5
        values = []
        for step in (1e-3, -1e-3):
            with torch.no_grad():
                for part, way in zip(learns, ways, strict=True):
                    part.add_(way, alpha=step)
                values.append(float(loss()))
                for part, way in zip(learns, ways, strict=True):
                    part.sub_(way, alpha=step)
        assert (values[0] - values[1]) / 2e-3 == pytest.approx(want, rel=0.02, abs=0.02 * length)


@pytest.mark.compiled
@pytest.mark.parametrize("flush", [False, True], ids=["all numbers", "tiny numbers are 0"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_sums_do_not_depend_on_threads_nor_on_addresses(name: str, flush: bool) -> None:
    """Bit by bit: a resumed training goes on with the same weights wherever it goes on. Trainings flush tiny numbers."""
    own = OPERATIONS[name]
    *_, found = own.examples()
    before, seen = torch.get_num_threads(), []
    torch.set_flush_denormal(flush)
    try:
        for threads, shift in ((1, 0), (2, 0), (3, 0), (1, 1), (2, 3)):
            torch.set_num_threads(threads)
            seen.append(computed(own.compiled, tuple(moved(part, shift) for part in found)))
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


def moved(value: Any, places: int) -> Any:
    """The same values some places of their type further on in memory."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    room = torch.empty(value.numel() + places, dtype=value.dtype)[places:]
    return room.copy_(value.detach().contiguous().view(-1)).view(value.shape).requires_grad_(value.requires_grad)


def takes(own: Operation[..., Any], found: tuple[Any, ...]) -> bool:
    given, named = example(found)
    with torch.set_grad_enabled(any(part.requires_grad for part in tensors(given))):
        return own.takes(*given, **named)


@pytest.mark.compiled
@pytest.mark.parametrize("name", OPERATIONS)
def test_other_numbers_are_left_to_the_formula(name: str) -> None:
    own = OPERATIONS[name]
    given, named = example(next(iter(own.examples())))
    wide = [
        part.detach().double() if isinstance(part, Tensor) and part.dtype == torch.float32 else part for part in given
    ]
    with torch.no_grad():
        assert not own.takes(*wide, **named)
        with torch.autocast("cpu", torch.bfloat16):
            assert not own.takes(*given, **named)


@pytest.mark.compiled
def test_the_shapes_that_a_compiler_sees_are_those_that_come_out() -> None:
    """Operations of the dispatcher, on tensors that have a shape alone."""
    from netwright.runtime.kernels import rows

    x, weight = torch.randn(3, 5), torch.randn(5)
    for op, given in (
        (rows.norm_, (x, weight, 1e-6)), (rows.layer_norm_, (x, weight, x, weight, weight, 1e-6, True)), (rows.gelu_, (x, None, False)),
        (rows.entropy_, (x, torch.tensor([0, 1, 2]))), (torch.ops.netwright.attend.default, (x[None, None],) * 3 + (None, False, 1.0, True)),
    ):  # fmt: skip
        alike = [part.to("meta") if isinstance(part, Tensor) else part for part in given]
        for one, other in zip(op(*given), op(*alike), strict=True):
            assert other.is_meta and one.shape == other.shape and one.stride() == other.stride()
