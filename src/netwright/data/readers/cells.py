"""From cells of text to columns: blanks stripped, missing texts made null, whole columns of numbers made numbers.

What is found in one part of a column (`Found`) can be added to what is found in the next, so that a text may be read in
pieces: the type is that of the whole column.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from netwright.errors import counted
from netwright.events import say

_PADDED = r"^[+-]?0[0-9]"  # 007: the zeros carry meaning, so the column is a name and not a number
_WHOLE = r"^[+-]?[0-9]+$"
_NAMED = 5


@dataclass
class Found:
    """What is known of a column's cells.

    `known`: there are some; `number`: each reads as a number, `whole` as one of 64 bits without a fraction; `digits`:
    each is digits alone; `padded`: one starts with zeros.
    """

    known: bool = False
    number: bool = True
    whole: bool = True
    digits: bool = True
    padded: bool = False

    def add(self, other: Found) -> None:
        """Take in what was found in another part of the column."""
        self.known, self.padded = self.known or other.known, self.padded or other.padded
        self.number, self.whole = self.number and other.number, self.whole and other.whole
        self.digits = self.digits and other.digits

    @property
    def text(self) -> str | None:
        """Why a column of numbers stays text, or None."""
        if not self.known or not self.number:
            return None
        if self.padded:
            return "numbers in it start with zeros"
        return "a number would lose its last digits" if not self.whole and self.digits else None

    @property
    def dtype(self) -> pl.DataType:
        """The column's type."""
        if not self.known or not self.number or self.text:
            return pl.String()
        return pl.Int64() if self.whole else pl.Float64()


@dataclass
class Mended:
    """What was done to cells: the columns where blanks were stripped, and by column how often a text meant missing."""

    blanks: set[str] = field(default_factory=set)
    missing: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, other: Mended) -> None:
        """Take in what was done to another part of the columns."""
        self.blanks |= other.blanks
        for column, texts in other.missing.items():
            own = self.missing.setdefault(column, {})
            for text, times in texts.items():
                own[text] = own.get(text, 0) + times


def typed(frame: pl.DataFrame, missing: tuple[str, ...], *, name: str) -> pl.DataFrame:
    """Return the frame of texts with missing cells null and number columns Int64 or Float64; what was done is said.

    >>> typed(pl.DataFrame({"a": [" 1", "?"], "b": ["007", "8"]}), ("?",), name="x.csv").rows()
    [(1, '007'), (None, '8')]
    """
    frame, mended = bare(frame, missing)
    found = {column.name: look(column) for column in frame}
    say_mended(mended, frame.columns, name)
    say_texts(found, name)
    return cast(frame, {name: each.dtype for name, each in found.items()})


def bare(frame: pl.DataFrame, missing: tuple[str, ...]) -> tuple[pl.DataFrame, Mended]:
    """Return the frame without blanks round its cells and with missing texts null, and what was done.

    Newlines inside quotes are the cell's own and stay.
    """
    out = frame.select(pl.all().str.strip_chars(" \t"))
    lengths = pl.all().str.len_bytes().cast(pl.Int64).sum()
    before, after = frame.select(lengths).row(0), out.select(lengths).row(0)
    mended = Mended({c for c, was, now in zip(frame.columns, before, after, strict=True) if was != now})
    tokens = pl.Series(missing, dtype=pl.String)
    named = tokens.filter(tokens != "")
    if len(named):
        hits = out.select(pl.all().is_in(named.implode()).sum()).row(0)
        for column, count in zip(out.columns, hits, strict=True):
            if count:
                cells = out[column].filter(out[column].is_in(named.implode())).alias("cell")
                mended.missing[column] = dict(cells.value_counts(sort=True, name="times").rows())
    return out.select(pl.when(~pl.all().is_in(tokens.implode())).then(pl.all())), mended


def look(cells: pl.Series) -> Found:
    """Return what is to be known of a column's cells, to tell its type."""
    head = cells.head(1000).drop_nulls()  # a look at the first cells spares texts a cast of them all
    if head.cast(pl.Float64, strict=False).has_nulls():
        return Found(True, False, False, False)
    known = cells.drop_nulls()
    whole = not known.cast(pl.Int64, strict=False).has_nulls()
    if not whole and known.cast(pl.Float64, strict=False).has_nulls():
        return Found(True, False, False, False)
    padded = bool(known.str.contains(_PADDED).any())
    return Found(len(known) > 0, True, whole, whole or bool(known.str.contains(_WHOLE).all()), padded)


def cast(frame: pl.DataFrame, dtypes: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return the frame with its columns of numbers made numbers."""
    return frame.with_columns(pl.col(c).cast(dtype) for c, dtype in dtypes.items() if dtype != pl.String)


def say_mended(mended: Mended, columns: list[str], name: str) -> None:
    """Say where blanks were stripped, and which texts were read as missing, empty cells aside."""
    touched = [column for column in columns if column in mended.blanks]
    if touched:
        text = f"{name}: spaces around the cells of {counted(len(touched), 'column')} were stripped ({_few(touched)})"
        say("notice", "read.blanks", text, columns=touched)
    found: dict[str, dict[str, int]] = {}
    for column in columns:
        texts = mended.missing.get(column, {})
        for token in sorted(texts, key=lambda token: -texts[token]):
            found.setdefault(token, {})[column] = texts[token]
    if found:
        parts = []
        for token, counts in found.items():
            where = _few([f"{column} {times:,}" for column, times in counts.items()])
            parts.append(f"{token!r} {sum(counts.values()):,} times ({where})")
        say("notice", "read.missing", f"{name}: read as missing: {'; '.join(parts)}", counts=found)


def say_texts(found: dict[str, Found], name: str) -> None:
    """Say which columns of numbers stay text, and why."""
    for column, each in found.items():
        if each.text:
            say("choice", "read.text", f"{name}: {column} stays text, because {each.text}", column=column)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
