"""Labels: several values a row, from a list (tags of a photo, topics of a text). n rows, C labels."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import quoted
from netwright.events import say_rows
from netwright.kinds import base
from netwright.kinds.values import Value, value
from netwright.kinds.values.labels import parts
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from netwright.kinds.facts import Facts


MARKS = "|;；、，"  # what may part labels, the first of like ones
SENTENCE = re.compile(r"[。！？!?]|\.(\s|$)")
PROSE = 0.05  # share of values that hold a sentence's end, from which commas part its clauses and not labels (assumed)


class Options(base.Options):
    """Settings of a labels column."""

    kind: Literal["labels"] = "labels"
    separator: str = Field(
        default="",
        description="what stands between two labels written in one text; found among | ; ； 、 ， and , if not given",
    )
    minimum: int = Field(default=1, ge=1, description="training rows a label needs to be kept")


class Labels(base.Kind):
    """A fitted labels column."""

    nested: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["labels"] = "labels"
    values: tuple[str, ...]
    separator: str

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Lists of texts; texts with a mark such as | or ; between parts that repeat."""
        import polars as pl

        dtype = facts.values.dtype
        if isinstance(dtype, pl.List) and dtype.inner in (pl.String, pl.Int64):
            return base.Guess(sure=0.9, reason="its values are lists")
        if facts.is_text and facts.sample:
            separator = _separator(facts.sample)
            with_it = sum(separator in one for one in facts.sample) / len(facts.sample)
            counts = Counter(part for one in facts.sample for part in parts(one, separator))
            short = all(len(part) <= 40 for part in counts)
            if separator == "," and (facts.number_share > 0.5 or len(set(facts.sample)) <= len(counts)):
                return None  # decimal commas; names such as Rome, Italy, whose parts are not combined freely
            ended = sum(bool(SENTENCE.search(one)) for one in facts.sample)
            if separator != "|" and ended > PROSE * len(facts.sample):
                return None
            if with_it >= 0.1 and short and len(counts) <= 1000 and counts.total() >= 5 * len(counts):
                reason = f"{with_it:.0%} of its values have several parts separated by {separator!r}, {len(counts):,} distinct"
                return base.Guess(sure=0.75, reason=reason)
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn the list of labels."""
        column = frame.to_series(0)
        separator = options.separator or _separator([v for v in column.drop_nulls().head(1000) if isinstance(v, str)])
        counts = Counter(label for cell in base.cells(column) for label in parts(cell, separator))
        kept = sorted(label for label, rows in counts.items() if rows >= options.minimum)
        return cls(columns=(column.name,), values=tuple(kept), separator=separator)

    def hot(self, cells: Sequence[Any], ids: base.RowIds) -> Arrays:
        """{"hot": (n, C) uint8, "absent": (n,) bool} of the cells; labels that training did not see are said."""
        place = {label: index for index, label in enumerate(self.values)}
        hot, unknown = np.zeros((len(cells), len(self.values)), np.uint8), dict[int, str]()
        for row, cell in enumerate(cells):
            for label in parts(cell, self.separator):
                if label in place:
                    hot[row, place[label]] = 1
                else:
                    unknown.setdefault(row, label)
        if unknown:
            first = quoted(next(iter(unknown.values())))
            text = f"{self.columns[0]}: labels not seen in training, such as {first}; left out"
            say_rows("labels.unseen", text, ids(list(unknown)))
        return {"hot": hot, "absent": np.array([cell is None for cell in cells], bool)}

    def show(self) -> str:
        """How many labels there are."""
        return f"{self.columns[0]} ({len(self.values)} labels)"


class Input(Labels, base.Input):
    """Labels that are read."""

    def value(self, column: str) -> Value:
        """Any of the labels that training saw."""
        return value({"form": "labels", "separator": self.separator, "values": list(self.values)})

    def encode(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """{"hot": (n, C) uint8, "absent": (n,) bool}."""
        return self.hot(cells[0], ids)


class Target(Labels, base.Target):
    """Labels that are answered."""

    answer: ClassVar = "some_of"

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return self.values

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"hot": (n, C) uint8, "absent": (n,) bool}."""
        return self.hot(base.cells(frame[self.columns[0]]), ids)

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows with no value at all (an empty list is a value: no label)."""
        absent = arrays["absent"]
        assert isinstance(absent, np.ndarray)
        return absent

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n, C) 0/1."""
        hot = arrays["hot"]
        assert isinstance(hot, np.ndarray)
        return hot.astype(np.int64)

    def rebased(self, found: dict[str, np.ndarray], whole: Any) -> dict[str, np.ndarray]:
        """A fold may lack labels: its columns go to their places in the whole list."""
        return base.placed(found, self.values, whole.values)

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted` (labels joined by the separator) and `p_LABEL` for each label."""
        import polars as pl

        probability = np.asarray(arrays["probability"])
        chosen = [self.separator.join(self.values[k] for k in np.flatnonzero(row > 0.5)) for row in probability]
        columns = [pl.Series(f"{self.columns[0]}_predicted", chosen, dtype=pl.String)]
        columns += [
            pl.Series(f"p_{prefix}{name}", probability[:, k].astype(np.float64)) for k, name in enumerate(self.values)
        ]
        return pl.DataFrame(columns)

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """{"predicted": a list, "probabilities": by label}."""
        rows = np.asarray(arrays["probability"]).tolist()
        return [
            {"predicted": [name for name, p in zip(self.values, row, strict=True) if p > 0.5], "probabilities": dict(zip(self.values, row, strict=True))}
            for row in rows
        ]  # fmt: skip


def _separator(values: list[str]) -> str:
    """The mark that most values hold; a comma, which stands in names and numbers too, where there is no other."""
    best = max(MARKS, key=lambda mark: sum(mark in one for one in values))
    return "," if "," in "".join(values) and not any(best in one for one in values) else best
