"""A text as its words, each of which knows its place: lists of words as they are, other texts parted by blanks.

n rows, characters counted as Python counts them (Unicode code points).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netwright.errors import InputError, Problem
from netwright.runtime.arrays import Ragged

if TYPE_CHECKING:
    import polars as pl
    from tokenizers import Encoding, Tokenizer

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Parted:
    """A text, its words, and the character at which each begins. The text of a list is its words joined by blanks.

    >>> parted("Ann lives  here").begins, parted(["New York", "is"]).text
    ([0, 4, 11], 'New York is')
    """

    text: str
    words: list[str]
    begins: list[int]


def parted(value: Any) -> Parted:
    """Return the words of one value; a missing one has none."""
    if value is None:
        return Parted("", [], [])
    if isinstance(value, list | tuple):
        words = ["" if word is None else str(word) for word in value]
        ends = np.cumsum([len(word) + 1 for word in words], dtype=np.int64).tolist()
        return Parted(" ".join(words), words, [0, *ends[:-1]] if words else [])
    found = list(_WORD.finditer(str(value)))
    return Parted(str(value), [match[0] for match in found], [match.start() for match in found])


def values(column: pl.Series) -> list[Any]:
    """Return a column's values as texts or lists of texts, None where missing.

    Raises `InputError` where they are neither.
    """
    import polars as pl

    dtype = column.dtype
    listed = isinstance(dtype, pl.List | pl.Array)
    inner = dtype.inner if listed else dtype  # type: ignore[attr-defined]
    if inner.is_nested() or inner == pl.Binary:
        what = f"the column {column.name!r} holds values of type {dtype}, which are no text"
        raise InputError(Problem(column.name, what, allowed="texts, or lists of words"))
    return column.to_list() if listed or dtype == pl.String else column.cast(pl.String).to_list()


def whole(column: pl.Series) -> list[str]:
    """Return a column's values as texts: lists joined by blanks, the empty text where missing."""
    return [value if isinstance(value, str) else parted(value).text for value in values(column)]


def counts(column: pl.Series) -> np.ndarray:
    """(n,) how many words each value has."""
    return np.fromiter((len(parted(value).words) for value in values(column)), np.int64, len(column))


def placed(tokenizer: Tokenizer, column: pl.Series, unknown: int) -> dict[str, Ragged]:
    """Return the tokens of each text, and where they come from.

    {"ids", "word", "begin", "end"}, each ragged int32: a token's number, the word it is of, and the characters of the text
    that it stands for. Every word has a token at least (`unknown`), and the tokens of a word cover it without a gap: a
    character of which several tokens are made (bytes) is in each of them.
    """
    rows = [parted(value) for value in values(column)]
    found = tokenizer.encode_batch([row.words for row in rows], is_pretokenized=True, add_special_tokens=False)
    parts = [_row(row, each, unknown) for row, each in zip(rows, found, strict=True)]
    return {name: Ragged.of([part[k] for part in parts]) for k, name in enumerate(("ids", "word", "begin", "end"))}


def _row(row: Parted, found: Encoding, unknown: int) -> np.ndarray:
    """(4, T): the arrays of one text."""
    ids, word = np.array(found.ids, np.int32), np.array(found.word_ids, np.int32)
    ends = np.array(found.offsets, np.int32).reshape(-1, 2)
    bare = np.setdiff1d(np.arange(len(row.words)), word)
    if len(bare):  # words that the tokenizer makes nothing of: empty ones, or nothing but marks that it leaves out
        at = np.searchsorted(word, bare)
        ids, word = np.insert(ids, at, unknown), np.insert(word, at, bare)
        ends = np.insert(ends, at, 0, axis=0)
    if not len(ids):
        return np.zeros((4, 0), np.int32)
    first = np.append(True, word[1:] != word[:-1])
    last = np.append(first[1:], True)
    begin = np.where(first, 0, ends[:, 0])
    lengths = np.array([len(each) for each in row.words], np.int32)
    following = np.append(begin[1:], 0)
    end = np.where(last, lengths[word], np.maximum(ends[:, 1], following))
    start = np.array(row.begins, np.int32)[word]
    return np.stack([ids, word, start + begin, start + end]).astype(np.int32)
