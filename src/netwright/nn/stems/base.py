"""What every stem is: it turns a block's arrays into a signal of the form that the family wants.

B rows, C columns of the block, D width.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from netwright.errors import InputError, Problem
from netwright.nn.batch import Block
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Signal


class Stem(nn.Module):
    """Turns a block's arrays into a signal. `out` is the signal's shape, known before the first row."""

    out: Shape

    def tie(self, other: Stem) -> None:
        """Take over the table of a stem whose block is read in the same tokens."""
        return

    def whole(self) -> None:
        """Read each row at once, however long it is."""
        return

    @property
    def summed(self) -> Tensor | None:
        """The table (V, D) of which a bag's weighted rows are summed; None where a row is no bag."""
        return None

    @abstractmethod
    def forward(self, block: Block, draw: Draw | None = None) -> Signal:
        """Return the signal of a block's rows. `draw` is given where inputs are to be augmented."""


def refuse(kind: str, want: Want) -> InputError:
    """Return the error for a form that a stem does not give."""
    return InputError(Problem("model.family", f"columns of kind {kind} cannot be read as a {want.form}"))
