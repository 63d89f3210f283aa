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
from netwright.seeds import generator

Alike = Mapping[str, Sequence[str]]
"""By word in small letters: other words that a teacher reads alike."""
WORD = re.compile(rf"{WIDE.pattern}|(?:(?!{WIDE.pattern})\w)+(?:['’]\w+)*|[^\w\s]")
LEAST, MOST = 0.1, 0.5  # of a text's words so large a share is changed, drawn anew for each text


def words(text: str) -> list[str]:
    """Return a text's words and marks; characters of Chinese and Japanese one by one.

    >>> words("It isn't 很好, is it?")
    ['It', "isn't", '很', '好', ',', 'is', 'it', '?']
    """
    return WORD.findall(text)


def rows(frame: pl.DataFrame, texts: Sequence[str], alike: Alike, *, count: int, seed: int) -> pl.DataFrame:
    """Return `count` rows made of `frame`'s, with the columns `texts` changed.

    Each text in one of four ways, drawn anew: a part of it; its beginning and another row's end; words left out; a part of
    it, some words of which others that are `alike` replace.
    """
    random = generator(seed, "made")
    from_rows, other = (random.integers(frame.height, size=count) for _ in range(2))
    out = frame[from_rows]
    for name in texts:
        parted = [words(text) for text in whole(frame[name])]
        found = [" ".join(_changed(parted[a], parted[b], alike, random)) for a, b in zip(from_rows, other, strict=True)]
        out = out.with_columns(pl.Series(name, found, dtype=pl.String))
    return out


def _changed(own: list[str], other: list[str], alike: Alike, random: np.random.Generator) -> list[str]:
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
