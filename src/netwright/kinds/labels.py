"""Labels: several values a row, from a list (tags of a photo, topics of a text). n rows, C labels."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from netwright.errors import quoted
from netwright.events import say_rows
from netwright.kinds import base
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
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
    minimum: int = Field(default=1, ge=1, description="rows that a label needs in training to be kept")


class Labels(base.Kind):
    """A fitted labels column."""

    nested: ClassVar[bool] = True
    answerable: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["labels"] = "labels"
    values: tuple[str, ...]
    separator: str

    @classmethod
    def sniff(cls, facts: Facts, role: base.Role) -> base.Guess | None:
        """Lists of texts; texts with a mark such as | or ; between parts that repeat."""
        import polars as pl

        dtype = facts.values.dtype
        if isinstance(dtype, pl.List) and dtype.inner in (pl.String, pl.Int64):
            return base.Guess(sure=0.9, reason="its values are lists")
        if facts.is_text and facts.sample:
            separator = _separator(facts.sample)
            with_it = sum(separator in value for value in facts.sample) / len(facts.sample)
            parts = Counter(part for value in facts.sample for part in _split(value, separator))
            short = all(len(part) <= 40 for part in parts)
            if separator == "," and (facts.number_share > 0.5 or len(set(facts.sample)) <= len(parts)):
                return None  # decimal commas; names such as Rome, Italy, whose parts are not combined freely
            ended = sum(bool(SENTENCE.search(value)) for value in facts.sample)
            if separator != "|" and ended > PROSE * len(facts.sample):
                return None
            if with_it >= 0.1 and short and len(parts) <= 1000 and parts.total() >= 5 * len(parts):
                reason = f"{with_it:.0%} of its values hold several parts separated by {separator!r}, {len(parts):,} distinct"
                return base.Guess(sure=0.75, reason=reason)
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any, role: base.Role) -> Labels:
        """Learn the list of labels."""
        column = frame.to_series(0)
        separator = options.separator or _separator([v for v in column.drop_nulls().head(1000) if isinstance(v, str)])
        counts = Counter(label for row in _rows(column, separator) for label in row or ())
        kept = sorted(label for label, rows in counts.items() if rows >= options.minimum)
        return cls(columns=(column.name,), values=tuple(kept), separator=separator)

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"hot": (n, C) uint8, "absent": (n,) bool}."""
        column = frame[self.columns[0]]
        place = {label: index for index, label in enumerate(self.values)}
        hot = np.zeros((frame.height, len(self.values)), np.uint8)
        absent = np.zeros(frame.height, bool)
        unknown: dict[int, str] = {}
        for row, labels in enumerate(_rows(column, self.separator)):
            absent[row] = labels is None
            for label in labels or ():
                if label in place:
                    hot[row, place[label]] = 1
                else:
                    unknown.setdefault(row, label)
        if unknown:
            first = next(iter(unknown.values()))
            say_rows(
                "labels.unseen",
                f"{column.name}: labels not known from training, such as {quoted(first)}; left out",
                ids(list(unknown)),
            )
        return {"hot": hot, "absent": absent}

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows of a target with no value at all (an empty list is a value: no label)."""
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

    def form(self, column: str) -> dict[str, Any]:
        """Any of the labels that training saw."""
        return {"form": "labels", "values": list(self.values)}

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """{"predicted": a list, "probabilities": by label}."""
        rows = np.asarray(arrays["probability"]).tolist()
        return [
            {"predicted": [name for name, p in zip(self.values, row, strict=True) if p > 0.5], "probabilities": dict(zip(self.values, row, strict=True))}
            for row in rows
        ]  # fmt: skip

    def show(self) -> str:
        """How many labels there are."""
        return f"{self.columns[0]} ({len(self.values)} labels)"


def _separator(values: list[str]) -> str:
    """The mark that most values hold; a comma, which stands in names and numbers too, where there is no other."""
    best = max(MARKS, key=lambda mark: sum(mark in value for value in values))
    return "," if "," in "".join(values) and not any(best in value for value in values) else best


def _split(value: str, separator: str) -> list[str]:
    return [part for part in (part.strip() for part in re.split(re.escape(separator), value)) if part]


def _rows(column: pl.Series, separator: str) -> list[list[str] | None]:
    return [None if value is None else _parts(value, separator) for value in column.to_list()]


def _parts(value: Any, separator: str) -> list[str]:
    if isinstance(value, str):
        return _split(value, separator)
    return [str(part) for part in (value if isinstance(value, list) else [value])]
