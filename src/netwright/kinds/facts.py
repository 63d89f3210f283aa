"""Facts about a column, gathered once, from which kinds are recognised. n rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from netwright.kinds import parse

LOOK = 1_000_000  # values looked at of a larger column, evenly taken
SAMPLE = 5_000  # values looked at one by one; enough for shares to be right within about 1 %


@dataclass(frozen=True)
class Facts:
    """What is known of a column without judging it: `values` (n) are looked at, of a large column a part of `every`.

    `beside` holds the same rows of other columns, where what they hold may tell what this one is.
    """

    values: pl.Series
    every: pl.Series | None = None
    beside: Mapping[str, pl.Series] = field(default_factory=dict)

    @classmethod
    def of(cls, column: pl.Series, beside: Mapping[str, pl.Series] | None = None) -> Facts:
        """Return the facts of a column, or of at most LOOK of its values, evenly taken."""
        if len(column) <= LOOK:
            return cls(column, beside=beside or {})
        step = -(-len(column) // LOOK)
        look = column.gather_every(step)
        if look.null_count() == len(look):  # its few values may stand between
            return cls(column.drop_nulls().head(LOOK), column)
        return cls(look, column, {name: other.gather_every(step) for name, other in (beside or {}).items()})

    @property
    def constant(self) -> bool:
        """Whether all values are there and alike."""
        if self.distinct != 1 or self.missing:
            return False
        return self.every is None or (not self.every.null_count() and bool((self.every == self.present[0]).all()))

    @property
    def in_a_row(self) -> bool:
        """Whether whole numbers, all distinct, follow one another, in any order."""
        if self.every is None:
            return bool((self.present.sort().diff().drop_nulls() == 1).all())
        span: Any = self.every.max() - self.every.min()  # type: ignore[operator]
        return span == len(self.every) - self.every.null_count() - 1

    @property
    def name(self) -> str:
        """The column's name."""
        return self.values.name

    @cached_property
    def present(self) -> pl.Series:
        """The values that are not missing."""
        return self.values.drop_nulls()

    @cached_property
    def missing(self) -> int:
        """How many values are missing."""
        return self.values.null_count()

    @cached_property
    def distinct(self) -> int:
        """How many different values there are, missing not counted."""
        if self.nested:
            return len(self.present)
        return self.present.n_unique()

    @property
    def nested(self) -> bool:
        """Whether values are lists, arrays or bytes rather than single values."""
        return self.values.dtype.is_nested() or self.values.dtype == pl.Binary

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return self.values.dtype == pl.String

    @property
    def is_number(self) -> bool:
        """Whether the values are stored as numbers."""
        return self.values.dtype.is_numeric()

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers, however they are stored."""
        if self.values.dtype.is_integer():
            return True
        if not self.values.dtype.is_float():
            return False
        finite = self.present.filter(self.present.is_finite())
        return bool((finite == finite.round()).all())

    @cached_property
    def sample(self) -> list[str]:
        """Up to SAMPLE of the values that are present, evenly taken, as strings."""
        step = max(1, len(self.present) // SAMPLE)
        return [str(value) for value in self.present.gather_every(step).to_list()]

    @cached_property
    def notation(self) -> parse.Notation:
        """How the sampled strings are written where they are numbers."""
        return parse.notation(pl.Series(self.name, self.sample, dtype=pl.String))

    @cached_property
    def number_share(self) -> float:
        """The share of the sampled strings that can be read as a number."""
        numbers = parse.numbers(pl.Series(self.name, self.sample, dtype=pl.String), self.notation)
        return 1 - numbers.null_count() / max(len(numbers), 1)

    @cached_property
    def padded(self) -> bool:
        """Whether some strings are digits that start with zeros, as postal codes do: the zeros carry meaning."""
        return self.is_text and bool(self.present.str.contains(r"^[+-]?0[0-9]+$").any())

    @cached_property
    def words(self) -> float:
        """How many words a value has on average; a Chinese, Japanese or Korean character counts as half a word."""
        if isinstance(self.values.dtype, pl.List) and self.values.dtype.inner == pl.String:
            lengths: Any = self.present.list.len().mean()
            return lengths or 0.0
        if not self.is_text or not self.sample:
            return 0.0
        wide = sum(len(WIDE.findall(value)) for value in self.sample)
        other = sum(len(WIDE.sub(" ", value).split()) for value in self.sample)
        return (wide / 2 + other) / len(self.sample)

    @cached_property
    def many_words(self) -> bool:
        """Whether values are lists of texts: five in each on average, and more than a thousand different ones."""
        dtype = self.values.dtype
        if not isinstance(dtype, pl.List) or dtype.inner != pl.String or not len(self.present):
            return False
        look = self.present.gather_every(max(1, len(self.present) // SAMPLE))
        lengths: Any = look.list.len().mean()
        return lengths >= 5 and look.explode().n_unique() > 1000

    @property
    def distinct_share(self) -> float:
        """The share of the present values that are distinct."""
        return self.distinct / max(len(self.present), 1)


WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
