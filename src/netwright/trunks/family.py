"""What every family declares without torch: its settings, what it asks of stems and kinds, and its defaults with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field

from netwright.recipe import Settings
from netwright.shapes import Want

if TYPE_CHECKING:
    from typing import Self


class Choice(NamedTuple):
    """A value that was chosen, and why."""

    value: Any
    reason: str


Choices = dict[str, Choice]


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


class Family(Settings):
    """A family's settings. None means "choose for me"; `chosen` gives the values and their reasons.

    `takes`: the kinds of inputs it reads. `writes`: whether it can step through a text that it writes. `elements`: whether
    something comes of each element of a text, so that each of its words may be answered; else all is pooled.
    `keeps_apart`: whether several texts packed into one row do not see each other.
    """

    takes: ClassVar[tuple[str, ...]]
    writes: ClassVar[bool] = False
    keeps_apart: ClassVar[bool] = False
    elements: ClassVar[bool] = True
    start: str | None = Field(default=None, description="a run folder whose weights training starts from")

    def chosen(self, facts: DataFacts) -> Choices:
        """Return this family's values for the settings that are None."""
        return {}

    def training(self, facts: DataFacts) -> Choices:
        """Return this family's values for the recipe's `training` settings."""
        return {}

    def brings(self, kind: str) -> dict[str, Any]:
        """Return settings that an input column of a kind takes from this family where the user gave none."""
        return {}

    def brings_target(self, kind: str) -> dict[str, Any]:
        """Return settings that a target column of a kind takes from this family where the user gave none."""
        return {}

    def writes_after(self, targets: tuple[str, ...]) -> bool:
        """Say whether inputs become the beginning of a text that is written, rather than blocks with stems."""
        return False

    def want(self, kind: str, *, outputs: int) -> Want:
        """Return what this family asks of the stem for a kind; `outputs` counts the heads' outputs."""
        raise NotImplementedError

    def refuse(self, facts: DataFacts) -> str | None:
        """Say why this family cannot read these inputs, or None."""
        if not self.writes and {"text", "messages"} & set(facts.targets):
            return "it does not write text; transformer does"
        each = [kind for kind in ("tags", "span") if kind in facts.targets]
        if each and not self.elements:
            return f"it makes one answer of a whole row, and {each[0]} asks for one of each word; recurrent gives them"
        foreign = [kind for kind in facts.kinds if kind not in self.takes]
        return f"it does not read columns of kind {', '.join(foreign)}" if foreign else None

    @classmethod
    def tiny(cls) -> Self:
        """Return the smallest sensible settings, for tests."""
        return cls()
