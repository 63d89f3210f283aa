"""Contamination: which held texts also stand, whole or for a long stretch, in the training texts; which rows do. n texts.

A text counts where the whole of it is a training text, or a stretch of it of SPAN characters stands in one (Brown et al.
2020, arXiv 2005.14165, appendix C, look for stretches of 13 words). Blanks and case are left aside. Stretches are told
by a rolling hash of 64 bits, so that a false find is next to impossible.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

SPAN = 50  # characters, with blanks left out: about 10 English words
_BASE = np.uint64(0x9E3779B97F4A7C15)


def shared(training: Iterable[str], held: list[str]) -> np.ndarray:
    """(n,) bool: which of the held texts also stand in the training texts.

    >>> shared(["The cat sat."], ["the cat  sat.", "the dog sat."]).tolist()
    [True, False]
    """
    known = [_bare(text) for text in training]
    whole, asked = set(known), [_bare(text) for text in held]
    out = np.array([text in whole for text in asked], bool)
    long = [number for number, text in enumerate(asked) if len(text) >= SPAN and not out[number]]
    if not long:
        return out
    table = np.unique(_hashes("\x00".join(known)))
    for number in long:
        found = _hashes(asked[number])
        place = np.searchsorted(table, found).clip(max=max(len(table) - 1, 0))
        out[number] = len(table) > 0 and bool((table[place] == found).any())
    return out


def repeated(training: pl.DataFrame, held: pl.DataFrame) -> np.ndarray:
    """(n,) bool: which of the held rows also stand among the training rows, by a hash of 64 bits of all their values.

    >>> repeated(pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [2, 3]})).tolist()
    [True, False]
    """
    return np.isin(held.hash_rows().to_numpy(), training.hash_rows().to_numpy())


def _bare(text: str) -> str:
    return "".join(text.lower().split())


def _hashes(text: str) -> np.ndarray:
    """The hash of each stretch of SPAN characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    count = len(codes) - SPAN + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    out = np.zeros(count, np.uint64)
    for k in range(SPAN):
        out = out * _BASE + codes[k : k + count] + np.uint64(1)
    return out
