"""What a family may know of the data before anything is fitted, and what it asks of the kinds. No polars: flags read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class DataFacts:
    """What a family may know of the data before it chooses.

    `rows`: training rows. `kinds`: how many input columns of each kind; `signals`: of each form of signal (`vector`, `sequence`,
    `grid`) the kinds that have it. `targets`: the targets' kinds; `needs`: what their heads ask for, `answers`: what they give;
    `each`: whether one asks for an answer of each element; `chats`: whether conversations are learnt.
    `pixels`: values of the largest image. `words`: words of the longest text column, on average. `written`: tokens, about, of the
    training rows' texts that are to be written, with what they follow.
    """

    rows: int
    kinds: dict[str, int]
    targets: tuple[str, ...] = ()
    signals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    each: bool = False
    chats: bool = False
    pixels: int = 0
    words: float = 0.0
    written: int = 0

    @property
    def table(self) -> bool:
        """Whether every input column is one of a table's: a number, a category, labels, a date."""
        return set(self.signals) <= {"vector"}

    def count(self, signal: str) -> int:
        """Return how many input columns have a form of signal."""
        return sum(self.kinds[kind] for kind in self.signals.get(signal, ()))

    def has(self, signal: str) -> bool:
        """Whether an input column has a form of signal."""
        return signal in self.signals


class Asks(Protocol):
    """What a family asks of the kinds: settings that it brings for inputs and targets."""

    def brings(self, signal: str) -> dict[str, Any]:
        """Settings for input columns of a form of signal."""
        ...

    def brings_target(self, need: str) -> dict[str, Any]:
        """Settings for targets whose head needs this."""
        ...

    def writes_after(self, needs: frozenset[str]) -> bool:
        """Whether the inputs are the beginning of a text that is written."""
        ...
