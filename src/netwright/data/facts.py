"""What a family may know of the data before anything is fitted, and what it asks of the kinds. No polars: flags read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

TABLE = ("number", "category", "labels", "date")  # kinds of a table's columns


@dataclass(frozen=True)
class DataFacts:
    """What a family may know of the data before it chooses.

    `rows`: training rows. `kinds`: how many input columns of each kind. `targets`: the targets' kinds.
    `pixels`: values of the largest image. `words`: words of the longest text column, on average. `written`: tokens, about, of the
    training rows' texts that are to be written, with what they follow.
    """

    rows: int
    kinds: dict[str, int]
    targets: tuple[str, ...]
    pixels: int = 0
    words: float = 0.0
    written: int = 0

    @property
    def table(self) -> bool:
        """Whether every input column is one of a table's: a number, a category, labels, a date."""
        return all(kind in TABLE for kind in self.kinds)


class Asks(Protocol):
    """What a family asks of the kinds: settings that it brings for inputs and targets."""

    def brings(self, kind: str) -> dict[str, Any]:
        """Settings for input columns of a kind."""
        ...

    def brings_target(self, kind: str) -> dict[str, Any]:
        """Settings for targets of a kind."""
        ...

    def writes_after(self, targets: tuple[str, ...]) -> bool:
        """Whether the inputs are the beginning of a text that is written."""
        ...
