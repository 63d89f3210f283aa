"""Leakage: which test texts or rows also occur in the training set, whole or for a long stretch. n texts or rows.

A text counts where the whole of it is a training text, or a stretch of it of SPAN characters stands in one (Brown et al.
2020, arXiv 2005.14165, appendix C, look for stretches of 13 words). Blanks and case are left aside. Stretches are told
by a rolling hash of 64 bits, so that a false find is next to impossible.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from netwright.data import media
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.runtime.run import replacing

if TYPE_CHECKING:
    from netwright.data.schema import Fitted

SPAN = 50  # characters, with blanks left out: about 10 English words
LOOKED_AT, FEW_VALUES = 10_000, 20  # first rows, among which a column that tells rows apart has more values than these
KEPT = 2**17  # rows' keys that a run keeps: a megabyte
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


@dataclass(frozen=True)
class Learnt:
    """The rows that a network learnt, by their keys in order.

    A file holds the smallest KEPT of them: of many rows a sample by their values, not by their places. Of other rows those
    whose keys are in the sample's range can be told, and are a like share of all (Broder 1997, On the resemblance of
    documents).

    `by_content`: the columns that name files, whose keys are made of the files' content. Earlier versions made them of
    names: such rows cannot be told, for unlike files may have like names.
    """

    keys: np.ndarray
    rows: int
    by_content: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pl.DataFrame, *, by_content: Iterable[str] = ()) -> Learnt:
        """Return the rows of a frame, which holds the content of files where columns name some."""
        return cls(np.sort(keys(frame)), len(frame), tuple(by_content))

    def write(self, path: Path) -> None:
        """Write them to a file."""
        with replacing(path) as temporary:
            about = {"by_content": json.dumps(self.by_content)}
            save_file({"keys": self.keys[:KEPT], "rows": np.array([self.rows], np.int64)}, temporary, metadata=about)

    @classmethod
    def read(cls, path: Path) -> Learnt:
        """Read what `write` wrote. Raises `InputError` where the file is damaged."""
        try:
            with safe_open(path, framework="numpy") as held:
                about = held.metadata() or {}
                by_content = tuple(json.loads(about.get("by_content", "[]")))
                return cls(held.get_tensor("keys"), int(held.get_tensor("rows")[0]), by_content)
        except (SafetensorError, OSError, KeyError, IndexError, ValueError) as error:
            fix = "restore it from a copy, or delete it: training rows are then no longer recognized"
            raise InputError(Problem(str(path), f"this file is damaged: {error}", fix=fix)) from error

    def among(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """(n,) bool twice: which rows of a frame were learnt, of those that can be told; which can be told.

        >>> known = Learnt.of(pl.DataFrame({"a": [1, 2], "b": ["x", None]}))
        >>> [part.tolist() for part in known.among(pl.DataFrame({"a": [2.0, 2.0], "b": [None, "x"]}))]
        [[True, False], [True, True]]
        """
        asked = keys(frame)
        told = np.ones(len(asked), bool) if self.rows <= len(self.keys) else asked <= self.keys[-1]
        return np.isin(asked, self.keys), told

    def say_among(self, table: Table, fitted: Fitted) -> None:
        """Say which of a table's rows, which measure, also stand among the training rows, by the columns that make a row."""
        by_name = set(fitted.naming_files) - set(self.by_content)
        if any(media.hashed(table.frame[name].dtype) for name in by_name if name in table.columns):
            text = "it is not told which rows are training rows: an earlier version kept the names of this run's files, not what is in them"
            say("notice", "rows.repeated", text)
            return
        found, told = self.among(fitted.told(table))
        if found.any():
            text = f"{found.sum():,} of {told.sum():,} test rows are also in the training set, value for value: if they are copies, the scores are too good"
            kind = "warning" if found.sum() > 0.05 * told.sum() else "notice"
            say_rows("rows.repeated", text, table.named(np.flatnonzero(found)), kind=kind, of=int(told.sum()))


def telling(inputs: pl.DataFrame) -> bool:
    """Whether rows are told apart by their inputs; rows of few values are alike by chance.

    >>> telling(pl.DataFrame({"a": [0, 1] * 30})), telling(pl.DataFrame({"a": range(60)}))
    (False, True)
    """
    return any(values.dtype.is_nested() or values.head(LOOKED_AT).n_unique() > FEW_VALUES for values in inputs)


def keys(frame: pl.DataFrame) -> np.ndarray:
    """(n,) uint64: a hash of each row's values, the same on each machine; a number is one, be it whole or not.

    >>> keys(pl.DataFrame({"a": [1]})) == keys(pl.DataFrame({"a": [1.0]}))
    array([ True])
    """
    out = np.zeros(len(frame), np.uint64)
    for column in frame:
        out = _mixed(out * _BASE + _values(column))
    return out


def _values(column: pl.Series) -> np.ndarray:
    """(n,) uint64: a number for each value of a column."""
    if column.dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        numbers = column.cast(pl.Float64).to_numpy() + 0.0  # of the two zeros one
        return np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
    if isinstance(column.dtype, pl.Array):
        return _digests([row.tobytes() for row in column.to_numpy()])
    parts = [column[first : first + LOOKED_AT].to_list() for first in range(0, len(column), LOOKED_AT)]
    return np.concatenate([np.zeros(0, np.uint64), *(_digests(list(map(_bytes, part))) for part in parts)])


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _digests(values: list[bytes]) -> np.ndarray:
    known = {value: hashlib.blake2b(value, digest_size=8).digest() for value in set(values)}
    return np.frombuffer(b"".join([known[value] for value in values]), "<u8").astype(np.uint64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread each bit over all 64 (Steele, Lea and Flood 2014, SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


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
