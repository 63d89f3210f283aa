"""A recorded step in C: its operations as a table that `step.c` goes through, and torch where C does not know one.

What stands where is settled once: each result has its place in one block of memory, which later results take over when
nobody reads the earlier ones again; a view is then only an address. The numbers differ from torch's in the last places,
since C adds up in another order.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from netwright.runtime import kernels
from netwright.runtime.kernels import table

Call = tuple[Any, tuple[Any, ...], dict[str, Any], Any]
ALIGNED = 64


class Player:
    """Repeats a step's calls; their results stand in memory of its own.

    `rows` and `rate` are the tensors that the calls read them from, `loss` the one that they write it to. Random numbers
    follow from one that torch draws for each step; `drawn_by_torch`: they are torch's own, which takes longer.
    """

    def __init__(
        self, calls: list[Call], rows: Tensor, rate: Tensor, loss: Tensor, *, drawn_by_torch: bool = False
    ) -> None:
        library = kernels.library()
        assert library is not None, "only where there is a compiler"
        self.library = library
        library.step_use(table.multiply())
        self.rows, self.rate, self.seed = rows, rate, torch.zeros((), dtype=torch.int64)
        self.held: list[Any] = [rows, rate, self.seed]  # everything that is pointed to
        place = _places(calls, keep=[loss], held=self.held)
        self.loss = place(loss)
        self.parts: list[tuple[Any, int] | Callable[[], None]] = []
        found: list[table.Op] = []
        self.draws = 0
        for func, *rest in calls:
            if _view(func, rest):
                continue
            args, kwargs, out = (each(value, place) for value in rest)
            try:
                if func is torch.ops.aten.bernoulli_.float and not drawn_by_torch:
                    self.draws += 1
                    found.append(table.draw(args[0], args[1], self.seed, self.draws))
                    continue
                found += table.rows(func, args, kwargs, out, self.held)
            except table.Unknown:
                self._close(found)
                self.parts.append(functools.partial(_by_torch, func, args, kwargs, out))
        self._close(found)

    def _close(self, found: list[table.Op]) -> None:
        if found:
            self.parts.append(((table.Op * len(found))(*found), len(found)))
            found.clear()

    def steps(self, rows: Tensor, rates: list[float]) -> Tensor:
        """Take a step for each rate with its share of the rows' numbers (steps x B,); return their losses (steps,)."""
        count, threads = len(rates), ctypes.c_int64(torch.get_num_threads())
        losses, rows = torch.empty(count), rows.contiguous()
        if len(self.parts) == 1 and isinstance(self.parts[0], tuple):
            ops, length = self.parts[0]
            seeds = torch.randint(2**62, (count,)) if self.draws else torch.zeros(count, dtype=torch.int64)
            each_rate = torch.tensor(rates, dtype=torch.float64)
            at = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (rows, self.rows, each_rate, self.rate, seeds, self.seed, self.loss, losses)]  # fmt: skip
            self.library.step_steps(ops, ctypes.c_int64(length), threads, ctypes.c_int64(count), *at[:2], ctypes.c_int64(len(self.rows)), *at[2:])  # fmt: skip
            return losses
        with torch.no_grad():
            for number, part in enumerate(rows.view(count, -1)):
                self.rows.copy_(part)
                self.rate.fill_(rates[number])
                if self.draws:
                    self.seed.random_(2**62)
                for do in self.parts:
                    if isinstance(do, tuple):
                        self.library.step_play(do[0], ctypes.c_int64(do[1]), threads)
                    else:
                        do()
                losses[number] = self.loss
        return losses


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


def _where(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _view(func: Any, rest: Any) -> bool:
    """Whether a call (its arguments and result) only looks at what it was given in another way."""
    if func._schema.is_mutable:
        return False
    *given, out = rest
    return {_where(tensor) for tensor in tensors(out)} <= {_where(tensor) for tensor in tensors(given)}


def _places(calls: list[Call], keep: list[Tensor], held: list[Any]) -> Callable[[Tensor], Tensor]:
    """Return what moves a result of the calls to its place in one block, which later results take over."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for number, (func, args, kwargs, out) in enumerate(calls):
        given = {_where(tensor) for tensor in tensors((args, kwargs))}
        if not func._schema.is_mutable:
            for tensor in tensors(out):
                if _where(tensor) not in given and tensor.numel():
                    first.setdefault(_where(tensor), number)
                    sizes[_where(tensor)] = tensor.untyped_storage().nbytes()
        for place in given | {_where(tensor) for tensor in tensors(out)}:
            last[place] = number
    for tensor in keep:
        last[_where(tensor)] = len(calls)
    begins: dict[int, int] = {}
    taken: list[tuple[int, int, int]] = []  # begin, end, last use
    for place, number in first.items():
        size = -(-sizes[place] // ALIGNED) * ALIGNED
        taken = sorted(one for one in taken if one[2] >= number)
        begin = 0
        for start, end, _ in taken:
            if begin + size <= start:
                break
            begin = max(begin, end)
        begins[place] = begin
        taken.append((begin, begin + size, last[place]))
    total = max((begin + sizes[place] for place, begin in begins.items()), default=0)
    block = torch.zeros(total + 2 * ALIGNED, dtype=torch.uint8)
    shift = -block.data_ptr() % ALIGNED
    held.append(block)

    def moved(tensor: Tensor) -> Tensor:
        if _where(tensor) not in begins:  # a weight, the data, what is the same in each step
            held.append(tensor)
            return tensor
        size = tensor.untyped_storage().nbytes()
        part = block[shift + begins[_where(tensor)] :][:size].view(tensor.dtype)
        out = part.as_strided(tensor.size(), tensor.stride(), part.storage_offset() + tensor.storage_offset())
        held.append(out)
        return out

    return moved


def _by_torch(func: Any, args: Any, kwargs: Any, out: Any) -> None:
    found = func(*args, **kwargs)
    if not func._schema.is_mutable:
        for kept, value in zip(tensors(out), tensors(found), strict=True):
            kept.copy_(value)
