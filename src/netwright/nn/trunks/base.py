"""What every trunk is: it reads the inputs' signals once into a memory, and steps from there. B rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

from torch import nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


class Trunk(nn.Module):
    """The middle of a network.

    `out` is the shape of the signal that `step` gives without a stimulus. `ends_in_target`: that signal is the
    heads' answer itself, all targets' outputs side by side. `light`: a row is answered in so few operations that calls of many
    rows are faster. `fixed`: its body's weights stay. `keeps_elements` is set where a head looks at each element:
    what pools them then keeps them beside its vector.
    """

    out: Shape
    ends_in_target = False
    light = False
    keeps_elements = False
    fixed = False

    @property
    def body(self) -> nn.Module:
        """The part that pretrained weights fill."""
        return self

    @property
    def blocks(self) -> list[nn.Module]:
        """The body's blocks, first to last: the longest list of them."""
        return longest(self.body)

    def train(self, mode: bool = True) -> Self:
        """A fixed body stays as it is also while training: no dropout in it, no running means."""
        super().train(mode)
        if self.fixed:
            for part in [self.body] if self.body is not self else list(self.children()):
                part.eval()
        return self

    @abstractmethod
    def read(self, signals: Sequence[Signal]) -> Memory:
        """Read the inputs once; they never see a stimulus."""

    def step(self, memory: Memory, stimulus: Signal | None = None) -> tuple[Signal, Memory]:
        """Answer from the memory: direct targets give no stimulus and get the inputs' own signal."""
        assert stimulus is None, f"{type(self).__name__} takes no stimulus"
        assert memory.inputs is not None
        return memory.inputs, memory

    @property
    def spared(self) -> tuple[nn.Module, ...]:
        """Modules of the body beside which LoRA puts nothing: those that answer tokens."""
        return ()

    @property
    def seen(self) -> int:
        """How many of a memory's cached layers are what is seen of the inputs, not what a stimulus left."""
        return 0


def longest(module: nn.Module) -> list[nn.Module]:
    """Return the longest list of blocks in a network: its layers."""
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    return list(max(lists, key=len)) if lists else []
