"""Span: a piece of one text column that answers what the other columns ask. n rows.

A value is {"text", "start"} (also SQuAD's `answer_start`), a list of such, texts and starts as two lists, or a text that
is looked for. Characters are counted as Python counts them (Unicode code points).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.kinds import base, words
from netwright.kinds.tags import LOOK, listed, misfits
from netwright.kinds.values.text import whole
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from netwright.kinds.facts import Facts

STARTS = ("start", "answer_start", "begin")  # names of the field that says where a text begins
NONE = -1


class Right(NamedTuple):
    """What is right for a row: the text that was asked about, and its pieces that answer it (none: it cannot be answered)."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A piece of a text: its characters from `begin` to before `end`; `given`: where it was said to begin, if it was."""

    begin: int
    end: int
    given: int | None
    times: int = 1


class Options(base.Options):
    """Settings of a span column."""

    kind: Literal["span"] = "span"
    about: str | None = Field(default=None, description="the text input it is a span of; default: detected")


class Target(base.Target):
    """A fitted span column. `longest`: characters of the longest piece; `unanswerable`: rows that have none."""

    nested: ClassVar[bool] = True
    needs: ClassVar = "elements"
    places: ClassVar[tuple[str, ...]] = ("begin", "end")
    compares: ClassVar[bool] = True  # a word of the question is to be known again in the text
    missing_is_a_value: ClassVar[bool] = True
    asks: ClassVar[dict[str, Any]] = {"tokens": "bpe", "lowercase": True, "windows": True}
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["span"] = "span"
    about: str
    longest: int
    unanswerable: int

    @property
    def beside(self) -> tuple[str, ...]:
        """The column that it is about."""
        return (self.about,)

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Objects with a text and its start; texts that mostly stand in another column's."""
        if _objects(facts.values):
            return base.Guess(sure=0.95, reason="its values have a text and its start")
        if not facts.is_text or not facts.sample or facts.distinct_share < 0.3:
            return None
        there = np.flatnonzero(facts.values.is_not_null().to_numpy() & (facts.values != "").fill_null(False).to_numpy())
        own = facts.values[there[:LOOK]].to_list()
        for name, column in facts.beside.items():
            texts = words.whole(column[there[:LOOK]]) if column.dtype in _read() else []
            inside = sum(value in text and 3 * len(value) < len(text) for value, text in zip(own, texts, strict=False))
            if texts and inside >= 0.95 * len(own):
                return base.Guess(sure=0.9, reason=f"{inside / len(own):.0%} of its values are pieces of {name}")
        return None

    @classmethod
    def about_which(cls, column: pl.Series, texts: dict[str, pl.Series]) -> str | None:
        """Return the name of the text that a column's values are pieces of: the only one, or the one that holds most."""
        if len(texts) == 1:
            return next(iter(texts))
        look = np.flatnonzero(column.is_not_null().to_numpy())[:LOOK]
        values = [answers_of(value) for value in column[look].to_list()]
        held = {}
        for name, text in texts.items():
            wholes = words.whole(text[look])
            held[name] = sum(
                any(found in each for found, _ in value) for value, each in zip(values, wholes, strict=True)
            )
        ranked = sorted(held, key=lambda name: -held[name])
        return ranked[0] if ranked and held[ranked[0]] > held[ranked[1]] else None

    @classmethod
    def wrong(cls, column: pl.Series, text: pl.Series) -> dict[int, str]:
        """Return, by row, what is wrong with its pieces."""
        out = {}
        for row, (value, all_of_it) in enumerate(zip(column.to_list(), words.whole(text), strict=True)):
            lost = next(
                (answer for answer, start in answers_of(value) if _placed(answer, start, all_of_it) is None), None
            )
            if lost is not None:
                out[row] = f"{_cut(lost)} does not stand in {text.name}"
        return out

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn how long pieces are; `frame` holds the column and the one that it is about."""
        column, about = frame.columns
        rows = list(map(answers_of, frame[column].to_list()))
        longest = max((len(answer) for row in rows for answer, _ in row), default=0)
        if not longest:
            what = "no training row has an answer"
            raise InputError(Problem(f"target {column}", what, fix="give rows that can be answered"))
        return cls(columns=(column,), about=about, longest=longest, unanswerable=sum(not row for row in rows))

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"ends": (n, 2) int64 the first character and that behind the last, -1 where there is no answer; "right": (n,)}.

        Of several right pieces the first is taught, and all are in `right`. Raises `InputError` naming the rows whose
        pieces do not stand in their text.
        """
        column, texts = frame[self.columns[0]], words.whole(frame[self.about])
        bad = self.wrong(column, frame[self.about])
        if bad:
            raise misfits(self.columns[0], bad, ids)
        ends, right = np.full((frame.height, 2), NONE, np.int64), []
        several, moved = [], []
        for row, (value, text) in enumerate(zip(column.to_list(), texts, strict=True)):
            found = [_placed(answer, start, text) for answer, start in answers_of(value)]
            pieces = [piece for piece in found if piece is not None]
            if pieces:
                ends[row] = pieces[0].begin, pieces[0].end
                several += [row] if pieces[0].given is None and pieces[0].times > 1 else []
                moved += [row] if pieces[0].given not in (None, pieces[0].begin) else []
            right.append(Right(text, tuple(text[piece.begin : piece.end] for piece in pieces)))
        self._say(ids, several, moved, int((ends[:, 0] == NONE).sum()))
        return {"ends": ends, "right": listed(right)}

    def _say(self, ids: base.RowIds, several: list[int], moved: list[int], none: int) -> None:
        name, about = self.columns[0], self.about
        if several:
            text = f"{name}: the answer occurs more than once in {about}; the first occurrence is used"
            say_rows("span.ambiguous", text, ids(several))
        if moved:
            text = f"{name}: the answer is not at its given start; the nearest occurrence in {about} is used"
            say_rows("span.moved", text, ids(moved))
        if none:
            say("notice", "span.unanswerable", f"{name}: {none:,} rows are unanswerable and trained as such")

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) none: a row without an answer is one that cannot be answered."""
        return np.zeros(len(arrays["right"]), bool)

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) each row's text and its right pieces."""
        right = arrays["right"]
        assert isinstance(right, np.ndarray)
        return right

    def located(self, found: dict[str, Any], cells: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Add the rows' texts, of which an answer is a piece."""
        return {**found, "text": listed(list(map(whole, words.texts(cells[self.about], self.about))))}

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted`, the piece of the text, `TARGET_start`, its first character, and `TARGET_probability`.

        Where there is no answer the first two are missing.
        """
        import polars as pl

        ends = zip(arrays["begin"].tolist(), arrays["end"].tolist(), arrays["text"], strict=True)
        pieces = [None if begin < 0 else text[begin:end] for begin, end, text in ends]
        starts = [None if begin < 0 else begin for begin in arrays["begin"].tolist()]
        name = self.columns[0]
        return pl.DataFrame([
            pl.Series(f"{name}_predicted", pieces, dtype=pl.String), pl.Series(f"{name}_start", starts, dtype=pl.Int64),
            pl.Series(f"{name}_probability", np.asarray(arrays["probability"], np.float64)),
        ])  # fmt: skip

    def show(self) -> str:
        """Of what it is a piece."""
        more = f", {self.unanswerable:,} rows without one" if self.unanswerable else ""
        return f"{self.columns[0]} (a piece of {self.about}, up to {self.longest:,} characters{more})"


def answers_of(value: Any) -> list[tuple[str, int | None]]:
    """Return the texts that answer a row, and where each is said to begin.

    >>> answers_of({"text": ["Rome"], "answer_start": [4]}), answers_of("Rome"), answers_of(None)
    ([('Rome', 4)], [('Rome', None)], [])
    """
    if value is None:
        return []
    if isinstance(value, list):
        return [pair for item in value for pair in answers_of(item)]
    if not isinstance(value, dict):
        return [(str(value), None)] if str(value).strip() else []
    text = value.get("text")
    start = next((value[name] for name in STARTS if value.get(name) is not None), None)
    if isinstance(text, list):
        starts = start if isinstance(start, list) else [None] * len(text)
        return [(one, at) for one, at in zip(text, starts, strict=False) if one]
    return [(str(text), None if start is None or start < 0 else int(start))] if text else []


def _placed(answer: str, start: int | None, text: str) -> Piece | None:
    """Where an answer stands: at its start, else at the nearest place to it, else at the first; None: nowhere."""
    if start is not None and text[start : start + len(answer)] == answer:
        return Piece(start, start + len(answer), start)
    bare = answer.strip()
    places, at = [], text.find(bare)
    while at >= 0:
        places.append(at)
        at = text.find(bare, at + 1)
    if not places or not bare:
        return None
    begin = places[0] if start is None else min(places, key=lambda place: abs(place - start))
    return Piece(begin, begin + len(bare), start, len(places))


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _read() -> tuple[Any, ...]:
    import polars as pl

    return (pl.String, pl.List(pl.String))


def _objects(column: pl.Series) -> bool:
    """Whether values are objects with a text and its start, or lists of such."""
    import polars as pl

    dtype: Any = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
    names = {field.name for field in dtype.fields} if isinstance(dtype, pl.Struct) else set()
    return "text" in names and bool(names & set(STARTS))
