"""What every family declares without torch: its settings, what it asks of stems and kinds, and its defaults with reasons."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.recipe import Settings

LACKING = {
    "stimulus": "it does not write text; transformer does",
    "elements": "it makes one answer of a whole row, and {} asks for one of each word; recurrent gives them",
    "pair": "it makes no vector of a row, and a match compares vectors; mlp does",
}  # why a family that does not give what a head needs is refused


class Choice(NamedTuple):
    """A value that was chosen, and why."""

    value: Any
    reason: str


Choices = dict[str, Choice]


class Adapt(Settings):
    """How pretrained weights become those of the task.

    `frozen`: they stay, and what they make of each row is computed once. `head`: what is new learns first, then all (Kumar
    et al. 2022, arXiv 2202.10054). `top:2`: the last two blocks and what is new. `full`: all. `lora`: small matrices
    beside each map (Hu et al. 2021, arXiv 2106.09685), W + alpha/rank · B A.
    """

    how: str = Field(default="lora", description="frozen, head, top:NUMBER, full or lora")
    rank: int = Field(default=8, ge=1, le=4096, description="rank of LoRA's matrices")
    alpha: float = Field(default=16.0, gt=0, description="LoRA is scaled by alpha / rank")
    maps: Literal["all", "attention", "queries_values"] = Field(default="all", description="which linear layers get LoRA")  # fmt: skip
    decay: float = Field(default=1.0, gt=0, le=1, description="layer-wise learning rate decay, from a block to the one before it")  # fmt: skip
    bits: Literal[8] | None = Field(default=None, description="8: with LoRA, frozen weights are held in 8 bits, a quarter of the memory")  # fmt: skip
    remember: bool | None = Field(default=None, description="gradient checkpointing: a third more time, a fraction of the memory")  # fmt: skip

    @field_validator("how")
    @classmethod
    def _known(cls, value: str) -> str:
        if not re.fullmatch(r"frozen|head|full|lora|top:[1-9]\d{0,3}", value):
            raise ValueError(f"{value!r} is none of frozen, head, top:NUMBER, full, lora")
        return value

    @model_validator(mode="after")
    def _stays(self) -> Self:
        if self.bits and self.how != "lora":
            raise ValueError(
                f"bits {self.bits} is for weights that stay while LoRA's learn: it goes with how lora, not {self.how}"
            )
        return self

    @property
    def top(self) -> int | None:
        """How many of the last blocks learn; None where that is not what limits."""
        return int(self.how.partition(":")[2]) if self.how.startswith("top:") else None


class Family(Settings):
    """A family's settings. None means "choose for me"; `chosen` gives the values and their reasons.

    `takes`: the forms of signal that it reads. `gives`: what a head may ask of it: a `vector` of a row, its `elements`, a `pair`
    of vectors to be compared, a `stimulus`, as which what is written is shown to it step by step.
    `keeps_apart`: whether several texts packed into one row do not see each other.
    """

    takes: ClassVar[tuple[str, ...]] = ("vector", "sequence", "grid")
    gives: ClassVar[tuple[str, ...]] = ("vector", "elements", "pair")
    keeps_apart: ClassVar[bool] = False
    start: str | None = Field(
        default=None, description="a run folder, or a pretrained checkpoint, whose weights training starts from"
    )
    digest: str | None = Field(
        default=None, description="SHA-256 of the pretrained checkpoint that training starts from"
    )
    adapt: Adapt | None = Field(
        default=None,
        description="how much of the pretrained network is trained: frozen, head, top:NUMBER, full or lora",
    )

    @property
    def builds(self) -> str:
        """The module of the family's folder whose `Net` is its network."""
        return "net"

    @field_validator("adapt", mode="before")
    @classmethod
    def _how(cls, value: Any) -> Any:
        return {"how": value} if isinstance(value, str) else value

    def chosen(self, facts: DataFacts) -> Choices:
        """Return this family's values for the settings that are None."""
        return {}

    def filled(self, facts: DataFacts) -> Self:
        """Return these settings with what is None chosen."""
        chosen = self.chosen(facts)
        return self.model_copy(update={name: one.value for name, one in chosen.items() if getattr(self, name) is None})

    def training(self, facts: DataFacts) -> Choices:
        """Return this family's values for the recipe's `training` settings."""
        return {}

    def brings(self, signal: str) -> dict[str, Any]:
        """Return settings that an input column of a form of signal takes from this family, of those that its kind has."""
        return {}

    def brings_target(self, need: str) -> dict[str, Any]:
        """Return settings that a target whose head needs this takes from this family, of those that its kind has."""
        return {}

    def writes_after(self, needs: frozenset[str]) -> bool:
        """Say whether inputs become the beginning of a text that is written, rather than blocks with stems."""
        return False

    def want(self, signal: str, *, outputs: int) -> Want:
        """Return what this family asks of the stem of a kind with this form of signal; `outputs` counts the heads' outputs."""
        raise NotImplementedError

    def instead(self, facts: DataFacts) -> Family | None:
        """Return another family's settings that these stand for, on such rows."""
        return None

    def brings_head(self, need: str) -> dict[str, Any]:
        """Return settings that a head with this need takes from this family where the user gave none."""
        return {}

    def cuts(self, lengths: dict[str, Any]) -> tuple[Any, str]:
        """Return which rows (n,) lose something because columns of so many tokens (n,) enter together, and what is said.

        None where nothing is cut.
        """
        return None, ""

    def refuse(self, facts: DataFacts) -> str | None:
        """Say why this family cannot read these inputs or answer these targets, or None."""
        lacking = next((need for need in LACKING if need in facts.needs and need not in self.gives), None)
        if lacking is not None:
            return LACKING[lacking].format(", ".join(facts.targets))
        foreign = [kind for signal, kinds in facts.signals.items() if signal not in self.takes for kind in kinds]
        return f"it does not read columns of kind {', '.join(foreign)}" if foreign else None

    @classmethod
    def tiny(cls) -> Self:
        """Return the smallest sensible settings, for tests."""
        return cls()
