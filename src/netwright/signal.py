"""What flows through a network, and what a trunk remembers.

B rows, T elements, D width, K members of an ensemble, h attention heads, P elements remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from netwright.shapes import Layout


@dataclass
class Signal:
    """Values and where each of their elements comes from.

    `layout` says what the axes of `values` are: `vector` (B, D), or (B, K, D) with an ensemble's member axis;
    `sequence` (B, T, D); `grid` (B, D, H, W); `volume` (B, D, T, H, W). For sequences `column` (T,) is the number of
    the block that each element comes from, `position` (B, T) its place there, `document` (B, T) the document it
    belongs to (-1: padding, seen by nobody). None means: column 0, places in order, one document, no padding.

    Elements of a text that a target is about also know the `word` (B, T) they are of, -1: none, and its characters
    `ends` (B, T, 2), the first and that behind the last. `window` is how many of them are to be read at once (0: all;
    `netwright.windows`). A vector may keep the `elements` it was made of, for heads that look at each.
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
    element.
    """

    inputs: Signal | None = None
    cache: tuple[tuple[Tensor, Tensor], ...] = ()
    document: Tensor | None = None

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
