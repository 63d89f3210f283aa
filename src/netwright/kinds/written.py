"""Text as a target: it is written token by token, after the row's inputs where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from netwright.errors import InputError, Problem, quoted
from netwright.kinds import base, language
from netwright.kinds.prompting import Piece, filled
from netwright.kinds.tokenizing import SPECIAL

if TYPE_CHECKING:
    import polars as pl

    from netwright.kinds.facts import Facts

BEGIN, END, ANSWER = SPECIAL[1], SPECIAL[2], SPECIAL[3]


class Options(language.Options):
    """Settings of a text column that is written."""

    kind: Literal["text"] = "text"


class Target(language.Language):
    """A fitted text target. A document is begin, text, end; with inputs: begin, inputs, answer mark, text, end."""

    Options: ClassVar[type[base.Options]] = Options
    reads_prompt: ClassVar[bool] = True

    kind: Literal["text"] = "text"

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Strings that mostly differ and are several words long."""
        if not facts.is_text or not facts.sample:
            return None
        letters = sum(map(len, facts.sample)) / len(facts.sample)
        if facts.distinct_share > 0.5 and facts.number_share < 0.5 and (facts.words >= 3 or letters >= 24):
            reason = f"{facts.distinct_share:.0%} of its values are distinct, {facts.words:.0f} words long on average"
            return base.Guess(sure=0.72, reason=reason)
        return base.Guess(sure=0.15, reason="its values are strings")

    @classmethod
    def refuse(cls, name: str, values: pl.Series, *, asked: bool) -> None:
        """Raise `InputError` where all texts are alike, unless the user asks for them to be written."""
        if not asked and base.alike(values):
            what = f"has one value only: {quoted(values[0])}"
            raise InputError(Problem(f"target {name}", what, fix="give texts that differ"))

    @classmethod
    def pieces_of(cls, row: dict[str, Any], columns: tuple[str, ...], template: str, *, answer: bool) -> list[Piece]:
        """Begin, the inputs and their mark; then the text and its end."""
        pieces, (target, *prompt) = [Piece(BEGIN, True, False)], columns
        if prompt:
            pieces += [Piece(filled(row, tuple(prompt)), False, False), Piece(ANSWER, True, False)]
        return pieces if answer else [*pieces, Piece(str(row[target]), False, True), Piece(END, True, True)]

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn a vocabulary from target and inputs together, and choose the context."""
        return cls(**cls.learnt(frame, options, ""))
