"""A recorded step: the operations of one training step, written down once and then only repeated.

In a small network most of a step is Python's and autograd's own work, not arithmetic. A tape keeps what the step did
to its tensors (forward, backward, clipping, optimizer) as a straight function of row numbers, and repeats that: the
same kernels on the same values, so the same bits. `Tape.why_not` says where it cannot be done; `planning` proves on a
copy that it was done rightly.

The recorder is torch's dispatch mode, which sees each operation below autograd (a private module of torch, used in
this file alone).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from netwright.nn.batch import Lists
from netwright.training import optimizers
from netwright.training.step import Step

Call = tuple[Any, tuple[Any, ...], dict[str, Any], Any]  # an operation, its arguments, its result
_MOVING = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)


class Unrecordable(Exception):
    """A step whose operations depend on its rows' values."""


class Tape:
    """Repeats a step for any rows of the first step's number; the first call records."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._replay: Callable[[Tensor, Tensor], Tensor] | None = None
        self._compiled: Callable[[Tensor, Tensor], Tensor] | None = None
        self._size = step.rows * step.plan.steps_a_call

    @staticmethod
    def why_not(step: Step) -> str | None:
        """Say why a step cannot be recorded, or None."""
        if step.device.type != "cpu":
            return "only steps on a CPU are captured"
        if step.world.size > 1 or step.settings.accumulate not in (None, 1):
            return "gradients are gathered over batches or processes"
        if not optimizers.reads_a_tensor(step.optimizer):
            return f"{step.settings.optimizer} reads its learning rate as a plain number"
        blocks = [*step.data.rows.inputs.values(), *step.data.rows.targets.values()]
        if any(isinstance(part, Lists) for block in blocks for part in block.values()):
            return "rows differ in length"
        return "augmentation draws numbers by epoch" if step.settings.augment else None

    def __call__(self, rows: Tensor) -> Tensor:
        """Take a step on these rows; return its loss."""
        if len(rows) != self.step.rows:  # the last rows of an epoch
            return self.step(rows)
        if self._replay is None:
            if not self.step.optimizer.state:  # the first step also makes the optimizer's state
                return self.step(rows)
            loss, recorded = self._record(rows)
            self._replay = recorded.function(direct=True)
            return loss
        with torch.no_grad():
            return self._replay(rows, self.step.rate)

    def steps(self, rows: Tensor, rates: list[float]) -> Tensor:
        """Take a step for each rate; return their losses (steps,)."""
        if self.step.plan.compile and len(rows) == self._size:
            if self._compiled is None:
                self._compiled = self._program(self._rehearsed(rows).function(direct=False))
            with torch.no_grad():
                return self._compiled(rows.view(len(rates), -1), torch.tensor(rates, dtype=torch.float64))
        parts = rows.split(self.step.rows)
        losses: list[Tensor] = []
        if self._replay is not None and not self.step.own and len(parts[-1]) == self.step.rows:
            with torch.no_grad():
                each = torch.tensor(rates, dtype=torch.float64).unbind()
                losses = [self._replay(part, rate) for part, rate in zip(parts, each, strict=True)]
            self.step.set_rate(rates[-1])
            return torch.stack(losses)
        for part, rate in zip(parts, rates, strict=True):
            self.step.set_rate(rate)
            losses.append(self(part))
        return torch.stack(losses)

    def _record(self, rows: Tensor) -> tuple[Tensor, Recorded]:
        found = record(self.step, rows, self.step.rate)
        if self.step.draw is not None and self.step.draw.calls:
            raise Unrecordable("random numbers are drawn by epoch and row")
        return found

    def _rehearsed(self, rows: Tensor) -> Recorded:
        """Record a step and undo it, so that all whole calls are compiled ones: a resumed training gives the same bits."""
        optimizer = self.step.optimizer
        network = [*self.step.network.parameters(), *self.step.network.buffers()]
        before, random = [tensor.detach().clone() for tensor in network], torch.get_rng_state()
        state = [value.clone() for values in optimizer.state.values() for value in values.values()]
        part = rows[: self.step.rows]
        self.step.set_rate(1e-3)  # any rate: it is read from its tensor
        if not state:  # the first step makes the optimizer's state
            self.step(part)
        recorded = self._record(part)[1]
        with torch.no_grad():
            for tensor, value in zip(network, before, strict=True):
                tensor.copy_(value)
            held = [value for values in optimizer.state.values() for value in values.values()]
            for tensor, value in zip(held, state or [torch.zeros_like(tensor) for tensor in held], strict=True):
                tensor.copy_(value)
        torch.set_rng_state(random)
        return recorded

    def _program(self, replay: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        """Compile all steps of a call into one program of (steps, B) rows and (steps,) rates."""
        count = self.step.plan.steps_a_call

        def several(rows: Tensor, rates: Tensor) -> Tensor:
            losses = []
            for number in range(count):
                losses.append(replay(rows[number], rates[number]))
            return torch.stack(losses)

        return torch.compile(several, fullgraph=True, dynamic=False)


def record(step: Callable[[Tensor], Tensor], rows: Tensor, rate: Tensor) -> tuple[Tensor, Recorded]:
    """Take a step and return its loss, and what repeats it on other rows, at another rate.

    Raises `Unrecordable` where an operation's outcome depends on values in a way that a repetition would not see.
    """
    with _Recorder() as recorder:
        loss = step(rows)
    calls, last = _needed(recorder.calls, rows, loss)
    return loss.clone(), Recorded(calls, rows, rate, last)


class _Recorder(TorchDispatchMode):
    """Keeps each operation with its arguments and results (all of them alive, so that no two share an id)."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "profiler":
            return func(*args, **(kwargs or {}))
        if any(tag in func.tags for tag in _MOVING) and not _by_number(func, args):
            raise Unrecordable(f"{func} depends on the rows' values")
        out = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, out))
        return out


def each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return arguments or results with each tensor among them changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: each(item, change) for key, item in value.items()}
    return type(value)(each(item, change) for item in value) if isinstance(value, list | tuple) else value


def tensors(value: Any) -> Iterator[Tensor]:
    """Give the tensors among arguments or results."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


def _by_number(func: Any, args: tuple[Any, ...]) -> bool:
    """Say whether this picks elements by their numbers, not by a mask: then its shape does not move."""
    masks = (torch.bool, torch.uint8)
    picks = func in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten.index_put.default)
    return picks and all(index is None or index.dtype not in masks for index in args[1])


def _needed(calls: list[Call], rows: Tensor, loss: Tensor) -> tuple[list[Call], Tensor]:
    """The calls without which the step would be another one, and the loss among their results.

    Left out: other names for the same tensor, copies of what nobody looks at again, what is the same in each step, and
    what nobody reads.
    """
    same: dict[int, Tensor] = {}  # by a tensor's id: the one that stands for it
    turned: dict[int, Tensor] = {}  # a transposed tensor, and what it was before
    constants: set[int] = set()
    copies: set[int] = set()
    found: list[Call] = []
    aten = torch.ops.aten

    def stands(value: Tensor) -> Tensor:
        return same.get(id(value), value)

    last_use = _last_uses(calls)
    for number, (func, given, named, out) in enumerate(calls):
        args, kwargs = each(given, stands), each(named, stands)
        if func is aten.detach.default or _whole(func, given, out):
            same[id(out)] = args[0]
            constants |= {id(out)} if id(given[0]) in constants else set()
        elif func is aten.t.default and id(args[0]) in turned:
            same[id(out)] = turned[id(args[0])]
        elif _constant(func, given, named, out, constants) and _unchanged(out, calls):  # the same in each step
            constants.add(id(out))
        elif func is aten.new_empty_strided.default and _only_a_copy(calls, number, last_use):
            same[id(out)] = args[0]  # autograd copies a gradient that somebody else (the recorder) holds too
            copies.add(number + 1)
        elif number not in copies:
            if func is aten.t.default:
                turned[id(out)] = args[0]
            found.append((func, args, kwargs, out))
    used = {id(stands(loss))}
    needed: list[Call] = []
    for call in reversed(found):
        func, args, kwargs, out = call
        acts = func._schema.is_mutable or torch.Tag.nondeterministic_seeded in func.tags
        if acts or used & {id(tensor) for tensor in tensors(out)}:
            used |= {id(tensor) for tensor in tensors((args, kwargs))}
            needed.append(call)
    return needed[::-1], stands(loss)


def _whole(func: Any, args: tuple[Any, ...], out: Any) -> bool:
    """Say whether a slice is all of what it is taken from."""
    return func is torch.ops.aten.slice.Tensor and out.shape == args[0].shape and out.stride() == args[0].stride()


def _last_uses(calls: list[Call]) -> dict[int, int]:
    """Return, by the address of a storage, the last call that reads or writes it."""
    out: dict[int, int] = {}
    for number, (_, args, kwargs, _) in enumerate(calls):
        for tensor in tensors((args, kwargs)):
            out[tensor.untyped_storage().data_ptr()] = number
    return out


def _constant(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, constants: set[int]) -> bool:
    """Say whether an operation gives the same each time: it looks at shapes, at constants or at nothing."""
    if not isinstance(out, Tensor) or func._schema.is_mutable or torch.Tag.nondeterministic_seeded in func.tags:
        return False
    if func in (torch.ops.aten.ones_like.default, torch.ops.aten.zeros_like.default):
        return True
    return all(id(tensor) in constants for tensor in tensors((args, kwargs)))


def _unchanged(out: Tensor, calls: list[Call]) -> bool:
    """Say whether no call writes into a tensor's memory."""
    place = out.untyped_storage().data_ptr()
    return not any(
        func._schema.is_mutable
        and any(tensor.untyped_storage().data_ptr() == place for tensor in tensors((args, kwargs)))
        for func, args, kwargs, _ in calls
    )


def _only_a_copy(calls: list[Call], number: int, last_use: dict[int, int]) -> bool:
    """Say whether this call and the next make a copy of a tensor that nobody looks at again."""
    (_, args, _, out), (following, given, _, _) = calls[number], calls[number + 1]
    same = following is torch.ops.aten.copy_.default and given[0] is out and given[1] is args[0]
    source = args[0]
    return (
        same and source.stride() == out.stride() and source.dtype == out.dtype
        and last_use[source.untyped_storage().data_ptr()] == number + 1
    )  # fmt: skip


def _written(calls: list[Call], rows: Tensor, rate: Tensor, loss: Tensor) -> tuple[str, dict[str, Any]]:
    """The calls as the body of a function of `rows` and `rate`, and what it calls and holds by name.

    Each value is freed after its last use.
    """
    names: dict[int, str] = {id(rows): "rows", id(rate): "rate"}
    kept: dict[str, Any] = {}

    def shown(value: Any) -> str:
        if isinstance(value, Tensor):
            if id(value) not in names:  # a weight, a buffer, the optimizer's state, the data: there before the step
                names[id(value)] = name = f"kept_{len(kept)}"
                kept[name] = value
            return names[id(value)]
        if isinstance(value, list | tuple):
            return f"[{', '.join(shown(item) for item in value)}]"
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return repr(value)
        name = f"kept_{len(kept)}"
        kept[name] = value
        return name

    lines: list[str] = []
    for number, (func, args, kwargs, out) in enumerate(calls):
        given = ", ".join([shown(arg) for arg in args] + [f"{key}={shown(value)}" for key, value in kwargs.items()])
        target = _named(out, names, number)
        kept[f"do_{number}"] = func
        lines.append(f"{target} = do_{number}({given})" if target else f"do_{number}({given})")
    gone: set[str] = {names[id(loss)]}
    word = re.compile(r"\bv\d+(?:_\d+)?\b")
    for number in reversed(range(len(lines))):
        last = sorted(set(word.findall(lines[number])) - gone)
        gone |= set(last)
        lines[number] += f"; del {', '.join(last)}" if last else ""
    return "\n    ".join([*lines, f"return {names[id(loss)]}"]), kept


def _named(out: Any, names: dict[int, str], number: int) -> str:
    """Return the left side of a line: new names for what is new, nothing where it changed its arguments in place."""
    if isinstance(out, Tensor):
        if id(out) in names:
            return ""
        names[id(out)] = f"v{number}"
        return names[id(out)]
    if not isinstance(out, list | tuple):
        return ""
    parts = []
    for index, item in enumerate(out):
        if isinstance(item, Tensor) and id(item) not in names:
            names[id(item)] = f"v{number}_{index}"
            parts.append(names[id(item)])
        else:
            parts.append("_")
    return f"[{', '.join(parts)}]" if any(part != "_" for part in parts) else ""


@dataclass(frozen=True)
class Recorded:
    """A step's calls, the tensors that they read row numbers and rate from, and their loss."""

    calls: list[Call]
    rows: Tensor
    rate: Tensor
    loss: Tensor

    def function(self, *, direct: bool) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the function of row numbers and rate. `direct`: through torch's own functions where they do the same."""
        body, kept = _written(self.calls, self.rows, self.rate, self.loss)
        swap = _direct if direct else _compilable
        calls = {name: swap(value) if name.startswith("do_") else value for name, value in kept.items()}
        written = compile(f"def replay(rows, rate):\n    {body}\n", "<recorded step>", "exec")
        exec(written, calls)  # only lines written above
        return calls["replay"]


def _direct(func: Any) -> Any:
    """Return torch's own function for an operation where there is one of the same form: it is called twice as fast."""
    return _SAME.get(func, func._op)


def _compilable(func: Any) -> Any:
    """Return what a compiler can see through in place of an operation: the fused Adam and a product's place are closed to it."""
    return {torch.ops.aten._fused_adamw_.tensor_lr: _adamw, torch.ops.aten.mul.out: _product}.get(func, func)


def _product(one: Tensor, other: Tensor, *, out: Tensor) -> Tensor:
    """Write a product into a part of a tensor."""
    return out.copy_(one * other)


def _adamw(
    weights: list[Tensor], gradients: list[Tensor], means: list[Tensor], squares: list[Tensor], _: list[Tensor], steps: list[Tensor],
    *, lr: Tensor, beta1: float, beta2: float, weight_decay: float, eps: float, amsgrad: bool, maximize: bool,
) -> None:  # fmt: skip
    """AdamW as the fused operation computes it (the formula stands in `optimizers`); equal within rounding."""
    assert not amsgrad and not maximize
    for w, g, m, v, step in zip(weights, gradients, means, squares, steps, strict=True):
        if weight_decay:
            w.mul_(1 - lr * weight_decay)
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        size = lr / (1 - beta1**step)
        w.sub_(size * m / (v.sqrt() / (1 - beta2**step).sqrt() + eps))


def _same() -> dict[Any, Any]:
    aten = torch.ops.aten
    alike = {
        "add": ("Tensor",), "addmm": ("default",), "bitwise_not": ("default",), "bmm": ("default",), "cat": ("default",),
        "clamp": ("default",), "convolution": ("default",), "cos": ("default",), "div": ("Tensor",), "exp": ("default",),
        "index_select": ("default",), "isnan": ("default",), "log": ("default",), "maximum": ("default",),
        "mean": ("default", "dim"), "minimum": ("default",), "mm": ("default",), "mul": ("Tensor", "Scalar"),
        "neg": ("default",), "pow": ("Tensor_Scalar",), "relu": ("default",), "select": ("int",), "sigmoid": ("default",),
        "sin": ("default",), "sqrt": ("default",), "stack": ("default",), "sub": ("Tensor",),
        "sum": ("default", "dim_IntList"), "t": ("default",), "tanh": ("default",), "transpose": ("int",),
        "unsqueeze": ("default",), "where": ("self",), "_foreach_add_": ("Scalar",), "_fused_adamw_": ("tensor_lr",),
        "_fused_sgd_": ("tensor_lr",),
    }  # fmt: skip
    table = {
        getattr(getattr(aten, name), form): getattr(torch, name) for name, forms in alike.items() for form in forms
    }
    methods = {
        "view": ("default",), "expand": ("default",), "permute": ("default",), "masked_fill": ("Scalar",), "copy_": ("default",),
    }  # fmt: skip
    return table | {
        getattr(getattr(aten, name), form): getattr(Tensor, name) for name, forms in methods.items() for form in forms
    }


_SAME = _same()
