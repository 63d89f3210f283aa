"""Long texts in windows that overlap: rows of their own on the way through a trunk, which know the row they are of.

A text of n elements that is to be read L at a time gives windows that begin every L // 2 elements, the last one at n - L.
What a trunk makes of an element is taken from the window in which it has most context: neighbours part what they share in
the middle, so that each element saw at least L // 4 others on either side, or the text's end. Nothing is cut, and heads
see the batch's rows again. The inputs beside are read with each window anew; what comes of them is averaged.
B rows, W windows, T elements, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk

AT_ONCE = 256  # windows read at once where no gradient is needed, so that memory is bounded


@dataclass(frozen=True)
class Cut:
    """Windows of a signal: its elements' `place` in the row (W, L), and which are its `own`, that is taken from it."""

    place: Tensor
    own: Tensor


def read(trunk: Trunk, signals: Sequence[Signal]) -> Memory:
    """Read the inputs, long ones window by window; the memory has the batch's rows, and its elements know their words."""
    counts = [_counts(signal) for signal in signals]
    long = [count for count in counts if count is not None]
    most = torch.stack(long).amax(0) if long else None
    if most is None or int(most.max()) == 1:
        memory = trunk.read(signals)
        return memory if memory.inputs is None else replace(memory, inputs=_knowing(memory.inputs, signals))
    rows = torch.arange(len(most), device=most.device).repeat_interleave(most)  # (W,) the row of each window
    number = torch.arange(len(rows), device=most.device) - (most.cumsum(0) - most)[rows]  # and its number in it
    cuts = [
        None if count is None else _cut(signal, count[rows], rows, number)
        for signal, count in zip(signals, counts, strict=True)
    ]
    size = len(rows) if torch.is_grad_enabled() else AT_ONCE
    seen = []
    for some in torch.arange(len(rows), device=rows.device).split(size):
        parts = [_taken(signal, cut, rows[some], some) for signal, cut in zip(signals, cuts, strict=True)]
        seen.append(trunk.read(parts).inputs)
    return Memory(_together(seen, signals, cuts, rows))


def _counts(signal: Signal) -> Tensor | None:
    """(B,) how many windows each row has; None where a signal is read as a whole."""
    if not signal.window or signal.layout != "sequence":
        return None
    step = max(signal.window // 2, 1)
    return 1 + ((_lengths(signal) - signal.window).clamp(min=0) + step - 1) // step


def _lengths(signal: Signal) -> Tensor:
    return (signal.documents() >= 0).sum(1)


def _cut(signal: Signal, count: Tensor, rows: Tensor, number: Tensor) -> Cut:
    """The windows of a signal; a text that has fewer than its row repeats its last one, of which nothing is taken then."""
    L, step, length = signal.window, max(signal.window // 2, 1), _lengths(signal)[rows]

    def first(number: Tensor) -> Tensor:
        return torch.minimum(number * step, (length - L).clamp(min=0))

    here = first(torch.minimum(number, count - 1))
    place = here[:, None] + torch.arange(min(L, max(int(length.max()), 1)), device=rows.device)  # (W, L)
    low = torch.where(number == 0, 0, (here + first(number - 1) + L) // 2)
    high = torch.where(number >= count - 1, length, (here + first(number + 1) + L) // 2)
    own = (place >= low[:, None]) & (place < high[:, None]) & (number < count)[:, None]
    return Cut(place, own)


def _taken(signal: Signal, cut: Cut | None, rows: Tensor, some: Tensor) -> Signal:
    """Some windows of a signal as rows, or a signal's rows once for each window.

    Places are counted anew in each window, so that a trunk sees none that it has not learnt.
    """
    if cut is None:
        position, document = (None if part is None else part[rows] for part in (signal.position, signal.document))
        return replace(signal, values=signal.values[rows], position=position, document=document, word=None, ends=None)
    place, of, T = cut.place[some], rows[:, None], signal.values.shape[1]
    inside = place.clamp(max=T - 1)
    document = torch.where(place < T, signal.documents()[of, inside], -1)
    return Signal(signal.values[of, inside], "sequence", signal.columns()[: place.shape[1]], document=document)


def _together(
    seen: Sequence[Signal | None], signals: Sequence[Signal], cuts: Sequence[Cut | None], rows: Tensor
) -> Signal:
    """What a trunk made of all windows, as one signal of the batch's rows."""
    parts = [part for part in seen if part is not None]
    first, values = parts[0], torch.cat([part.values for part in parts])
    if first.layout != "sequence":
        elements = None if first.elements is None else _together([part.elements for part in parts], signals, cuts, rows)
        return replace(first, values=_mean(values, rows), elements=elements)
    out = []
    for number, (signal, cut) in enumerate(zip(signals, cuts, strict=True)):
        part = values[:, first.columns() == number]  # (W, L or T, D)
        if not part.shape[1]:
            continue
        if cut is None:
            out.append(_mean(part, rows))
        else:
            real = (signal.documents() >= 0)[..., None]  # (B, T, 1)
            out.append(part.new_zeros(*real.shape[:2], part.shape[2]).masked_scatter(real, part[cut.own]))
    return _knowing(replace(_beside(first, signals), values=torch.cat(out, 1)), signals)


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    """(W, ...) -> (B, ...): the mean over each row's windows."""
    counts = torch.bincount(rows).to(values.dtype)
    sums = values.new_zeros(len(counts), *values.shape[1:]).index_add(0, rows, values)
    return sums / counts.view(-1, *[1] * (values.ndim - 1))


def _present(signal: Signal, signals: Sequence[Signal]) -> list[tuple[int, Signal]]:
    """The inputs, with their numbers, whose elements a signal has."""
    numbers = set(signal.columns().tolist())
    return [(number, one) for number, one in enumerate(signals) if number in numbers]


def _beside(signal: Signal, signals: Sequence[Signal]) -> Signal:
    """A signal with the places and documents of the batch's rows, in place of the windows'."""
    present = _present(signal, signals)
    return replace(
        signal,
        column=torch.cat([torch.full_like(one.columns(), number) for number, one in present]),
        position=torch.cat([one.positions() for _, one in present], 1),
        document=torch.cat([one.documents() for _, one in present], 1),
    )


def _knowing(signal: Signal, signals: Sequence[Signal]) -> Signal:
    """A signal whose elements know the words and characters that the inputs' elements know."""
    if signal.layout != "sequence":
        return signal if signal.elements is None else replace(signal, elements=_knowing(signal.elements, signals))
    if all(one.word is None for one in signals):
        return signal
    present = [one for _, one in _present(signal, signals)]
    word = [torch.full_like(one.documents(), -1) if one.word is None else one.word for one in present]
    ends = [one.documents().new_full((*one.values.shape[:2], 2), -1) if one.ends is None else one.ends for one in present]  # fmt: skip
    return replace(signal, word=torch.cat(word, 1), ends=torch.cat(ends, 1))
