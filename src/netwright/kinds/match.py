"""Match: a text that belongs to the text of another column, as an answer to its question. n rows, D width.

Rows are pairs. Texts that belong together are to have vectors alike, others not (contrastive learning); where a column
scores how well they belong together, the vectors' cosine is to follow it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.kinds import base, words
from netwright.kinds.text import Input as Text
from netwright.kinds.values import Value
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from netwright.kinds.facts import Facts

TRUTH = np.dtype([("score", np.float64), ("asked", np.int64), ("own", np.int64)])
"""A pair as its measures see it: its score from 0 to 1 (1 where none is given), and what tells its two texts from others."""


class Options(base.Options):
    """Settings of a text that belongs to another."""

    kind: Literal["match"] = "match"
    about: str | None = Field(default=None, description="the input column it belongs to, if there are several")
    score: str | None = Field(
        default=None,
        description="a column of similarity scores; without it all pairs are positive",
    )


class Target(base.Target):
    """A fitted column of texts that belong to those of the column `about`; both are read by the same `text`.

    `low`, `high`: the least and the largest score of the training rows.
    """

    needs: ClassVar = "pair"
    nested: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["match"] = "match"
    about: str
    score: str = ""
    low: float = 0.0
    high: float = 1.0
    text: Text | None = None

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """A column of texts does not tell: it is named."""
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn the scores' range; `frame` holds the column, the one that it belongs to and the scores'."""
        column = frame.columns[0]
        if options.score is None:
            return cls(columns=(column,), about=options.about)
        scores = _numbers(frame[options.score], f"columns.{column}.score")
        low, high = float(np.nanmin(scores)), float(np.nanmax(scores))
        if low == high:
            what = f"is always {low:g} in {options.score}"
            raise InputError(
                Problem(f"columns.{column}.score", what, fix="leave it out: then all pairs belong together")
            )
        return cls(columns=(column,), about=options.about, score=options.score, low=low, high=high)

    def linked(self, inputs: Mapping[str, base.Input]) -> Self:
        """Return the kind that reads its texts as the input that it is about is read."""
        read = next(kind for kind in inputs.values() if self.about in kind.columns)
        assert isinstance(read, Text)
        return self.model_copy(update={"text": read.model_copy(update={"columns": self.columns})})

    @property
    def reads(self) -> Text:
        """What reads its texts."""
        assert self.text is not None, "it is fitted together with its inputs"
        return self.text

    @property
    def prompted(self) -> tuple[str, ...]:
        """Its own text: a pair is answered by how alike its two are."""
        return self.columns

    @property
    def beside(self) -> tuple[str, ...]:
        return (self.about, self.score) if self.score else (self.about,)

    def prompts(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """Its texts as tokens; an empty text for a missing one, which is said."""
        gone = np.flatnonzero(frame[self.columns[0]].is_null().to_numpy())
        if len(gone):
            say_rows("match.missing", f"{self.columns[0]}: missing, read as an empty text", ids(gone.tolist()))
        return self.reads.encode([base.cells(frame[self.columns[0]])], ids)

    def prompt_value(self) -> Value:
        """A text."""
        return self.reads.value(self.columns[0])

    def prompt_cells(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """Its texts as tokens, of cells."""
        return self.reads.encode(cells, ids)

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"score": (n,) float32 from 0 to 1, "asked", "own": (n,) int64 that tell texts apart, 0 for a missing one}.

        The texts themselves are read by `prompts`, in training as in answering.
        """
        own, asked = (_hashes(words.whole(frame[name])) for name in (self.columns[0], self.about))
        score = np.ones(frame.height, np.float32)
        if self.score:
            found = _numbers(frame[self.score], f"columns.{self.columns[0]}.score")
            gone = np.isnan(found)
            if gone.any():
                text = f"{self.score}: pairs without a score are left out"
                say_rows("match.unscored", text, ids(np.flatnonzero(gone).tolist()))
                own[gone] = 0
            outside = np.flatnonzero((found < self.low) | (found > self.high))
            if len(outside):
                text = f"{self.score}: outside the training range {self.low:g} to {self.high:g}; clipped"
                say_rows("match.outside", text, ids(outside.tolist()), kind="notice")
            score = np.nan_to_num(((found - self.low) / (self.high - self.low)).clip(0, 1)).astype(np.float32)
        elif len(own) and len(np.unique(asked[own != 0])) * 4 < (own != 0).sum():
            text = f"{self.about}: a text occurs in four pairs or more on average: its other pairs are not used as negatives"
            say("notice", "match.repeated", text)
        return {"score": score, "asked": asked, "own": own}

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) pairs that lack a text or their score."""
        own, asked = arrays["own"], arrays["asked"]
        assert isinstance(own, np.ndarray) and isinstance(asked, np.ndarray)
        return (own == 0) | (asked == 0)

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) of TRUTH."""
        out = np.empty(len(arrays["own"]), TRUTH)
        for name in ("score", "asked", "own"):
            out[name] = arrays[name]
        return out

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted`: the cosine of the pair's vectors, from -1 to 1."""
        import polars as pl

        return pl.DataFrame([pl.Series(f"{self.columns[0]}_predicted", np.asarray(arrays["cosine"], np.float64))])

    def show(self) -> str:
        """To what it belongs."""
        scored = f", scored by {self.score}" if self.score else ""
        return f"{self.columns[0]} (belongs to {self.about}{scored})"


def _numbers(column: pl.Series, where: str) -> np.ndarray:
    """(n,) float64, NaN where missing. Raises `InputError` where a value is no number."""
    import polars as pl

    found = column.cast(pl.Float64, strict=False)
    bad = found.is_null() & column.is_not_null()
    if bad.any():
        what = f"{column.name} holds {column.filter(bad)[0]!r}, which is no number ({int(bad.sum()):,} such rows)"
        raise InputError(Problem(where, what, allowed="a column of numbers"))
    if found.null_count() == len(found):
        raise InputError(Problem(where, f"{column.name} has no value", allowed="a column of numbers"))
    return found.to_numpy()


def _hashes(texts: list[str]) -> np.ndarray:
    """(n,) int64 that tell texts apart, 0 for one of blanks."""
    found = [text.strip().encode() for text in texts]
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() if text else bytes(8) for text in found)
    return np.frombuffer(digests, np.int64).copy()
