"""Rows to arrays: at once where they are few, else slice by slice into memory-mapped blocks. n rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import polars as pl

from netwright.data import media
from netwright.data.table import Table
from netwright.events import Event, listening, quiet, say_together
from netwright.kinds.base import Input, RowIds, Target
from netwright.runtime import cache
from netwright.runtime.arrays import Arrays

SLICE = 2**18  # rows encoded at once, of kinds that can be encoded slice by slice
LAID = 128 * 2**20  # bytes of an encoded block from which it is mapped from the cache rather than held


def encoded(kind: Input, table: Table) -> Arrays:
    """Encode the columns (n rows) of a block of inputs of a table."""
    frame = table.frame.select(kind.columns)
    if kind.by_rows and frame.height > SLICE:

        def encode(part: pl.DataFrame, ids: RowIds) -> Arrays:
            return kind.encode(media.read(kind, part, table), ids)

        with quiet():
            first = encode(frame.head(SLICE), table.ids)
        size = sum(part.nbytes for part in first.values() if isinstance(part, np.ndarray)) * frame.height // SLICE
        slices = partial(_slices, encode, frame, table)
        found = cache.laid(_key(kind, table, ""), slices, size) if size > LAID else None
        return _together(list(slices())) if found is None else found
    cells = media.read(kind, frame, table)
    key = _key(kind, table, media.fingerprint(cells)) if kind.costly else None
    return kind.encode(cells, table.named) if key is None else cache.kept(key, lambda: kind.encode(cells, table.named))


def encoded_target(kind: Target, table: Table) -> Arrays:
    """Encode a target's column: it is held in memory, for a loss looks at it in every step."""
    frame = table.frame.select(*dict.fromkeys((*kind.columns, *kind.prompted, *kind.beside)))
    if kind.by_rows and frame.height > SLICE:
        return _together(list(_slices(kind.encode, frame, table)))
    return kind.encode(frame, table.ids)


def _key(kind: Input, table: Table, outside: str) -> str | None:
    """All that the arrays depend on; None where the content is not known."""
    if not table.fingerprint:
        return None
    rows = hashlib.blake2b(digest_size=16)
    for part in (table.file, table.line):
        rows.update(np.ascontiguousarray(part).data)
    return f"{table.fingerprint} {rows.hexdigest()} {outside} {kind.model_dump_json()}"


def _slices(encode: Callable[[pl.DataFrame, RowIds], Arrays], frame: pl.DataFrame, table: Table) -> Iterator[Arrays]:
    """Encode slice by slice; what is said of slices is said together at the end."""
    heard: list[Event] = []
    for at in range(0, frame.height, SLICE):
        with quiet(), listening(heard):
            arrays = encode(frame.slice(at, SLICE), lambda rows, at=at: table.ids([at + row for row in rows]))
        yield arrays
    say_together(heard)


def _together(slices: list[Arrays]) -> Arrays:
    """Join the arrays of slices in memory."""
    out: Arrays = {}
    for name in slices[0]:
        parts = [arrays[name] for arrays in slices]
        out[name] = np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
        assert len(out[name]) == sum(map(len, parts)), "kinds that are encoded by rows give dense arrays"
    return out
