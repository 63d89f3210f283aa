"""Signals, which flow through a network, and the memory that a trunk keeps.

B rows, T elements, D width, K members of an ensemble, h attention heads, P elements remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from netwright.nn.shapes import Layout


@dataclass
class Signal:
    """Values and where each of their elements comes from.

    `layout` says what the axes of `values` are: `vector` (B, D), or (B, K, D) with an ensemble's member axis;
    `sequence` (B, T, D); `grid` (B, D, H, W); `volume` (B, D, T, H, W). For sequences `column` (T,) is the number of
    the block that each element comes from, `position` (B, T) its place there, `document` (B, T) the document it
    belongs to (-1: padding, seen by nobody). None means: column 0, places in order, one document, no padding.

    Elements of a text that a target is about also know the `word` (B, T) they are of, -1: none, and its characters
    `ends` (B, T, 2), the first and that behind the last. `window` is how many of them are to be read at once (0: all;
    `netwright.nn.windows`). A vector may keep the `elements` it was made of, for heads that look at each.
    """

    values: Tensor
    layout: Layout
    column: Tensor | None = None
    position: Tensor | None = None
    document: Tensor | None = None
    size: tuple[int, ...] = ()  # a sequence that was a grid keeps (H, W)
    word: Tensor | None = None
    ends: Tensor | None = None
    window: int = 0
    elements: Signal | None = None

    def each(self) -> Signal:
        """Return the elements: a sequence itself, or what a vector was made of."""
        found = self if self.layout == "sequence" else self.elements
        assert found is not None, f"a {self.layout} that keeps no elements"
        return found

    def positions(self) -> Tensor:
        """(B, T) the place of each element."""
        if self.position is not None:
            return self.position
        B, T = self.values.shape[:2]
        return torch.arange(T, device=self.values.device).expand(B, T)

    def documents(self) -> Tensor:
        """(B, T) the document of each element, -1 for padding."""
        if self.document is not None:
            return self.document
        return torch.zeros(self.values.shape[:2], dtype=torch.long, device=self.values.device)

    def columns(self) -> Tensor:
        """(T,) the block each element comes from."""
        if self.column is not None:
            return self.column
        return torch.zeros(self.values.shape[1], dtype=torch.long, device=self.values.device)

    def about(self, column: int) -> Signal:
        """Return only the elements of one block of a sequence."""
        here = self.columns() == column
        return replace(
            self,
            values=self.values[:, here],
            column=self.columns()[here],
            position=self.positions()[:, here],
            document=self.documents()[:, here],
            word=None if self.word is None else self.word[:, here],
            ends=None if self.ends is None else self.ends[:, here],
        )

    def pooled(self) -> Tensor:
        """(B, D) or (B, K, D): a vector as it is, all else averaged over its real elements."""
        if self.layout == "vector":
            return self.values
        if self.layout != "sequence":
            return self.values.flatten(2).mean(2)
        if self.document is None:
            return self.values.mean(1)
        real = (self.document >= 0).to(self.values.dtype)[..., None]  # (B, T, 1)
        return (self.values * real).sum(1) / real.sum(1).clamp(min=1)


@dataclass
class Memory:
    """What a trunk keeps of the inputs after reading them once.

    `inputs` is their last signal (None: there are no inputs). `cache` holds keys and values by layer,
    [(B, h, P, d), (B, h, P, d)], for those who step after, and `document` (B, P) the document of each remembered
    element. `room`: the trunk's own, where the cache stands so that it can grow in place; not of chosen or joined rows.
    """

    inputs: Signal | None = None
    cache: tuple[tuple[Tensor, Tensor], ...] = ()
    document: Tensor | None = None
    room: Any = None

    def select(self, rows: Tensor) -> Memory:
        """Return the memory of these rows (indices; a beam may name one twice)."""

        def pick(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        inputs = self.inputs and replace(
            self.inputs,
            values=self.inputs.values[rows],
            position=pick(self.inputs.position),
            document=pick(self.inputs.document),
            word=pick(self.inputs.word),
            ends=pick(self.inputs.ends),
            elements=None,  # what steps has no use for them
        )
        return Memory(inputs, tuple((k[rows], v[rows]) for k, v in self.cache), pick(self.document))

    def join(self, other: Memory, *, seen: int = 0) -> Memory:
        """Return the memory of these rows and of another's behind them.

        The shorter rows begin with padding, so that all end alike. `seen`: how many of the cache's first layers are not
        what a stimulus left but what is seen of the inputs, whose rows end in padding.
        """
        asked = [joined(*pair, front=False) for pair in zip(self.cache[:seen], other.cache[:seen], strict=True)]
        own = [joined(*pair, front=True) for pair in zip(self.cache[seen:], other.cache[seen:], strict=True)]
        inputs, document = self.inputs, self.document
        if inputs is not None and other.inputs is not None and seen:
            values = _stacked(inputs.values, other.inputs.values, 1, front=False)
            where = None
            if inputs.document is not None or other.inputs.document is not None or inputs.values.shape[1] != other.inputs.values.shape[1]:  # fmt: skip
                where = _stacked(inputs.documents(), other.inputs.documents(), 1, front=False, value=-1)
            inputs = Signal(values, inputs.layout, document=where)
        lengths = [pair[0].shape[2] if pair[0].ndim == 4 else 0 for pair in (self.cache[-1], other.cache[-1])]
        if document is not None or other.document is not None or lengths[0] != lengths[1]:
            both = [
                torch.zeros(memory.cache[-1][0].shape[0], length, dtype=torch.long, device=memory.cache[-1][0].device)
                if memory.document is None
                else memory.document
                for memory, length in zip((self, other), lengths, strict=True)
            ]
            document = _stacked(both[0], both[1], 1, front=True, value=-1)
        return Memory(inputs, (*asked, *own), document)

    def trimmed(self, *, seen: int = 0) -> Memory:
        """Return the memory without the padding that all its rows begin with."""
        if self.document is None:
            return self
        real = (self.document >= 0).any(0)
        first = int(real.int().argmax())
        document = self.document[:, first:]
        cache = (*self.cache[:seen], *((k[:, :, first:], v[:, :, first:]) for k, v in self.cache[seen:])) if first else self.cache  # fmt: skip
        return Memory(self.inputs, cache, None if bool((document >= 0).all()) else document)


def joined(one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor], *, front: bool) -> tuple[Tensor, Tensor]:
    """Return keys and values (B, h, P, d) of one after the other, padded where they are shorter; states (B, H) as they are."""
    if one[0].ndim != 4:
        return torch.cat([one[0], two[0]]), torch.cat([one[1], two[1]])
    return _stacked(one[0], two[0], 2, front=front), _stacked(one[1], two[1], 2, front=front)


def _stacked(one: Tensor, two: Tensor, axis: int, *, front: bool, value: int = 0) -> Tensor:
    """Rows of one after the other's; the shorter ones are padded along an axis, in front or behind."""
    longest = max(one.shape[axis], two.shape[axis])

    def padded(part: Tensor) -> Tensor:
        lacking = longest - part.shape[axis]
        if not lacking:
            return part
        shape = list(part.shape)
        shape[axis] = lacking
        fill = part.new_full(shape, value)
        return torch.cat([fill, part] if front else [part, fill], axis)

    return torch.cat([padded(one), padded(two)])
