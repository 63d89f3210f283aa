"""Calls: the rows that a network answers at once, those of like lengths together, and several calls side by side. n rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

# numbers of a call's states on a processor, padding among them: what a layer makes of more leaves its cache (docs/dev/log.md)
STATES = 2**18
MOST = 2**12  # tokens of a call of a narrow network
LEAST = 64  # tokens below which a call is not divided
ELSEWHERE = 2**16  # of one on a graphics card, and of texts that are written: at width 512 a layer makes 128 MB of them

T = TypeVar("T")


def tokens(lengths: Tensor, device: str, width: int) -> int:
    """Return how many tokens a call of rows of these lengths is to have, whose states are `width` numbers each.

    On a processor few rows are divided among its threads.
    """
    if device != "cpu":
        return ELSEWHERE
    whole = int(lengths.max()) * len(lengths) if len(lengths) else 0
    return max(LEAST, min(MOST, STATES // max(width, 1), -(-whole // torch.get_num_threads())))


def of_like_lengths(lengths: Tensor, size: int, most: int) -> list[Tensor]:
    """Return the rows of each call, the longest first: at most `size` of them, with at most `most` tokens when padded.

    >>> [rows.tolist() for rows in of_like_lengths(torch.tensor([3, 9, 1, 4]), 3, 10)]
    [[1], [3, 0], [2]]
    """
    order, calls, at = lengths.argsort(descending=True, stable=True), list[Tensor](), 0
    ordered = lengths[order].tolist()
    while at < len(order):
        count = min(size, max(1, most // max(ordered[at], 1)))
        calls.append(order[at : at + count])
        at += count
    return calls


def each(
    calls: Sequence[Tensor], work: Callable[[Tensor], T], *, device: str, tell: Callable[[int], None] = lambda done: None
) -> list[T]:  # fmt: skip
    """Return what `work` gives of each call, in their order; `tell` hears how many rows are done.

    On a processor as many at once as it has threads, each on one of them: an operation of one thread has none to wait for.
    """
    threads = torch.get_num_threads()
    if device != "cpu" or threads < 2 or len(calls) < 2:
        return list(_told(map(work, calls), calls, tell))

    def ready() -> None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)

    try:
        with ThreadPoolExecutor(threads, initializer=ready) as pool:
            return list(_told(pool.map(work, calls), calls, tell))
    finally:
        torch.set_num_threads(threads)


def _told(found: Iterator[T], calls: Sequence[Tensor], tell: Callable[[int], None]) -> Iterator[T]:
    done = 0
    for one, chosen in zip(found, calls, strict=True):
        done += len(chosen)
        tell(done)
        yield one
