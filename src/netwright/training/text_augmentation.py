"""Texts made of a table's own rows, which nobody wrote and a teacher can answer (Tang et al. 2019, arXiv 1903.12136, section 3).

A made row is a training row whose texts are changed; its other columns stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import polars as pl

from netwright.kinds.facts import WIDE
from netwright.kinds.words import whole
from netwright.runtime.seeds import generator

Alike = Mapping[str, Sequence[str]]
"""By word in small letters: other words that a teacher reads alike."""
WORD = re.compile(rf"{WIDE.pattern}|(?:(?!{WIDE.pattern})\w)+(?:['’]\w+)*|[^\w\s]")
LEAST, MOST = 0.1, 0.5  # of a text's words so large a share is changed, drawn anew for each text
WALKED = 0.5  # of the made texts so large a share is a walk through the texts of all rows
TURNS = 0.3  # of its words at most so large a share, drawn anew for each text, is followed by what follows it elsewhere
LONGER = 8  # words at most by which it is longer than the text that it began as


def words(text: str) -> list[str]:
    """Return a text's words and marks; characters of Chinese and Japanese one by one.

    >>> words("It isn't 很好, is it?")
    ['It', "isn't", '很', '好', ',', 'is', 'it', '?']
    """
    return WORD.findall(text)


def rows(frame: pl.DataFrame, texts: Sequence[str], alike: Alike, *, count: int, seed: int) -> pl.DataFrame:
    """Return `count` rows made of `frame`'s, with the columns `texts` changed.

    Half of the texts, drawn anew, go on as other rows' do (`_walked`), and half are changed by themselves (`_changed`).
    """
    random = generator(seed, "made")
    from_rows, other = (random.integers(frame.height, size=count) for _ in range(2))
    out = frame[from_rows]
    for name in texts:
        parted = [words(text) for text in whole(frame[name])]
        places = Places(parted)
        found = [
            _walked(a, places, alike, random) if random.random() < WALKED else _changed(parted[a], parted[b], alike, random)
            for a, b in zip(from_rows.tolist(), other.tolist(), strict=True)
        ]  # fmt: skip
        out = out.with_columns(pl.Series(name, [" ".join(text) for text in found], dtype=pl.String))
    return out


class Places:
    """Where in texts a word, and a word behind another, stands: a Markov chain of their words. N words of n texts."""

    def __init__(self, parted: Sequence[Sequence[str]]) -> None:
        self.words = list(chain.from_iterable(parted))
        self.begin = np.cumsum([0, *map(len, parted)])  # (n + 1,)
        numbers: dict[str, int] = {}
        word = np.array([numbers.setdefault(word.lower(), len(numbers)) for word in self.words], dtype=np.int64)
        self.size = len(numbers) + 1
        before = np.roll(word, 1)
        before[self.begin[:-1][np.diff(self.begin) > 0]] = len(numbers)  # nothing stands before a text's first
        self.key = word * self.size + before  # (N,)
        self.order = self.key.argsort(kind="stable")
        self.ordered = self.key[self.order]

    def like(self, at: int, random: np.random.Generator) -> int:
        """A place of the same word as at `at`, behind the same word too where those two stand elsewhere."""
        low, high = self.ordered.searchsorted([self.key[at], self.key[at] + 1])
        if high - low == 1:
            first = self.key[at] // self.size * self.size
            low, high = self.ordered.searchsorted([first, first + self.size])
        return int(self.order[random.integers(low, high)])


def _walked(row: int, places: Places, alike: Alike, random: np.random.Generator) -> list[str]:
    """A text that begins as a row's and goes on, at words that other texts have too, as one of those: neighbours fit."""
    at, end = places.begin[row : row + 2].tolist()
    share, most, out = random.uniform(0, TURNS), end - at + LONGER, list[str]()
    while at < end and len(out) < most:
        out.append(places.words[at])
        if random.random() < share:
            at = places.like(at, random)
            end = int(places.begin[places.begin.searchsorted(at, side="right")])
        at += 1
    return [_other(word, alike, random) if random.random() < LEAST else word for word in out]


def _changed(own: list[str], other: list[str], alike: Alike, random: np.random.Generator) -> list[str]:
    """A part of a text; its beginning and another's end; words left out; or a part, some words of which others replace."""
    share, way = random.uniform(LEAST, MOST), random.integers(4)
    if len(own) < 2:
        return own
    if way == 1:
        return own[: random.integers(1, len(own))] + other[random.integers(len(other) or 1) :]
    if way == 2:
        return [word for word in own if random.random() >= share] or own
    size = int(random.integers(2, len(own) + 1))
    at = int(random.integers(len(own) - size + 1))
    part = own[at : at + size]
    if way == 0:
        return part
    return [_other(word, alike, random) if random.random() < share else word for word in part]


def _other(word: str, alike: Alike, random: np.random.Generator) -> str:
    near = alike.get(word.lower(), ())
    return near[int(random.integers(len(near)))] if near else word


def vocabulary(frame: pl.DataFrame, texts: Sequence[str]) -> list[str]:
    """Return the different words of these columns, in small letters, in their order."""
    every = chain.from_iterable(words(text) for name in texts for text in whole(frame[name]))
    return sorted({word.lower() for word in every})
