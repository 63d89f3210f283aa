"""Columns that lie in a file and are mapped into memory: a frame whose rows take no memory of their own. n rows.

The columns of a frame lie one after the other in `columns.bin`, in the layout of Arrow's columnar format (values, a bit
a row that says whether it is there, a view of 16 bytes a text), long texts in `texts.bin`. Polars takes them over where
they lie, by Arrow's C data interface (https://arrow.apache.org/docs/format/CDataInterface.html).
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netwright.runtime import cache

MANY = 128 * 2**20  # bytes of rows that are picked from which they are laid down
_PAGE = 4096
_SLICE = 2**18  # rows picked at once
_SHORT = 12  # bytes of a text that stand in its view
_TEXTS = 2**30  # bytes of long texts in one buffer: a view's offset has 31 bits
_VIEW = 16
# a column's type: Arrow's format of it and the bytes of a row
_STORED: dict[Any, tuple[bytes, int]] = {
    pl.Int64(): (b"l", 8), pl.Int32(): (b"i", 4), pl.Int16(): (b"s", 2), pl.Int8(): (b"c", 1),
    pl.UInt64(): (b"L", 8), pl.UInt32(): (b"I", 4), pl.UInt16(): (b"S", 2), pl.UInt8(): (b"C", 1),
    pl.Float64(): (b"g", 8), pl.Float32(): (b"f", 4), pl.String(): (b"vu", _VIEW),
}  # fmt: skip


def storable(dtype: Any) -> bool:
    """Say whether columns of this type can be laid down.

    >>> storable(pl.Float64()), storable(pl.List(pl.Int64))
    (True, False)
    """
    return dtype in _STORED


class Writer:
    """Lays the pieces of a frame down in a folder, one after the other, at most `rows` rows in all.

    The file is as long as all columns together before anything is written: what is not written takes no room.
    """

    def __init__(self, folder: Path, schema: Mapping[str, Any], rows: int) -> None:
        self.folder, self.rows = folder, 0
        self.columns: list[dict[str, Any]] = []
        self.kept: list[np.ndarray] = []  # of each column, whether the last rows are there: they fill no whole byte yet
        end = 0
        for name, dtype in schema.items():
            form, width = _STORED[dtype]
            valid = end + _pages(rows * width)
            self.columns.append(
                {"name": name, "format": form.decode(), "values": end, "valid": valid, "width": width, "nulls": 0}
            )
            self.kept.append(np.zeros(0, bool))
            end = valid + _pages(rows // 8 + 1)
        self.file = os.open(folder / "columns.bin", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.truncate(self.file, end)
        self.texts = os.open(folder / "texts.bin", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self.length, self.buffers = 0, [0]  # of the long texts: bytes in all, and where each buffer begins

    def add(self, frame: pl.DataFrame) -> None:
        """Lay down the next rows. Raises `OSError` where there is no room."""
        for number, column in enumerate(frame):
            about = self.columns[number]
            values = self._views(column) if about["format"] == "vu" else _numbers(column)
            _put(self.file, values, about["values"] + self.rows * about["width"])
            present = column.is_not_null().to_numpy()
            about["nulls"] += int((~present).sum())
            known = np.concatenate([self.kept[number], present])
            whole = len(known) // 8 * 8
            first = about["valid"] + (self.rows - len(self.kept[number])) // 8
            _put(self.file, np.packbits(known[:whole], bitorder="little"), first)
            self.kept[number] = known[whole:]
        self.rows += frame.height

    def _views(self, column: pl.Series) -> np.ndarray:
        """(n, 16) uint8: a text's length, then itself where it is short, else its first bytes, its buffer and place."""
        size = column.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
        raw = np.frombuffer(_joined(column), np.uint8)
        start = np.cumsum(size) - size
        out = np.zeros((len(size), _VIEW), np.uint8)
        out[:, :4] = size.astype("<i4").view(np.uint8).reshape(-1, 4)
        for place in range(_SHORT):
            rows = np.flatnonzero((size > place) & ((size <= _SHORT) | (place < 4)))
            out[rows, 4 + place] = raw[start[rows] + place]
        long = np.flatnonzero(size > _SHORT)
        if len(long):
            texts = _joined(column.filter(column.str.len_bytes() > _SHORT))
            if self.length - self.buffers[-1] + len(texts) > _TEXTS:
                self.buffers.append(self.length)
            places = self.length - self.buffers[-1] + np.cumsum(size[long]) - size[long]
            where = np.stack([np.full(len(long), len(self.buffers) - 1), places], 1).astype("<i4")
            out[long, 8:] = where.view(np.uint8)
            _put(self.texts, np.frombuffer(texts, np.uint8), self.length)
            self.length += len(texts)
        return out

    def close(self) -> None:
        """Write what is left, and what is needed to open the frame."""
        for about, kept in zip(self.columns, self.kept, strict=True):
            _put(self.file, np.packbits(kept, bitorder="little"), about["valid"] + self.rows // 8)
        self.give_up()
        about = {"rows": self.rows, "columns": self.columns, "buffers": self.buffers, "length": self.length}
        (self.folder / "columns.json").write_text(json.dumps(about), encoding="utf-8")

    def give_up(self) -> None:
        """Close the files."""
        os.close(self.file)
        os.close(self.texts)


def opened(folder: Path) -> pl.DataFrame:
    """Return the frame that lies in a folder; its rows are read from there when they are looked at.

    >>> folder = getfixture("tmp_path")
    >>> written = Writer(folder, {"a": pl.Int64(), "b": pl.String()}, rows=2)
    >>> written.add(pl.DataFrame({"a": [1, None], "b": ["short", "longer than a view"]}))
    >>> written.close()
    >>> opened(folder).rows()
    [(1, 'short'), (None, 'longer than a view')]
    """
    about = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
    values = np.memmap(folder / "columns.bin", np.uint8, "r")
    texts = np.memmap(folder / "texts.bin", np.uint8, "r") if about["length"] else np.zeros(1, np.uint8)
    ends = [*about["buffers"][1:], about["length"]]
    sizes = np.array([end - begin for begin, end in zip(about["buffers"], ends, strict=True)], np.int64)
    long = [texts[begin:] for begin in about["buffers"]]
    columns = []
    for column in about["columns"]:
        parts: list[np.ndarray | None] = [
            values[column["valid"] :] if column["nulls"] else None, values[column["values"] :],
            *([*long, sizes] if column["format"] == "vu" else []),
        ]  # fmt: skip
        given: Any = _Column(column["format"].encode(), about["rows"], column["nulls"], parts)
        columns.append(pl.Series(given).alias(column["name"]))
    return pl.DataFrame(columns)


def picked(frame: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
    """Return these rows of a frame; many of them are laid down in a file of this process and mapped from there."""
    size = sum(_STORED[dtype][1] if storable(dtype) else 0 for dtype in frame.dtypes) * len(rows)
    if size <= MANY or not all(map(storable, frame.dtypes)):
        return frame[rows]
    with cache.scratch(size, "rows") as folder:
        if folder is None:
            return frame[rows]
        writer = Writer(folder, frame.schema, len(rows))
        for at in range(0, len(rows), _SLICE):
            writer.add(frame[rows[at : at + _SLICE]])
        writer.close()
        return opened(folder)


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def _put(file: int, values: np.ndarray, place: int) -> None:
    left = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    while len(left):
        done = os.pwrite(file, left.data, place)
        left, place = left[done:], place + done


def _numbers(column: pl.Series) -> np.ndarray:
    return column.fill_null(0).to_numpy() if column.null_count() else column.to_numpy()


def _joined(column: pl.Series) -> bytes:
    return (column.str.join("").item() or "").encode()


class _Schema(ctypes.Structure):
    _fields_ = [
        ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_char_p), ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64), ("children", ctypes.c_void_p), ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
    ]  # fmt: skip


class _Array(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p), ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    ]  # fmt: skip


_held: dict[int, Any] = {}  # what polars still looks at, by the address that it gives back when it no longer does
_schemas: dict[bytes, _Schema] = {}  # one a format: polars only reads them


def _read(given: Any) -> None:
    given.contents.release = None


def _release(given: Any, held: dict[int, Any] = _held) -> None:
    held.pop(given.contents.private_data, None)
    given.contents.release = None


_release_schema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))(_release)
_release_array = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))(_release)
_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype, _capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_NULLABLE = 2


class _Column:
    """A column's buffers, in the form that Arrow's C data interface asks for."""

    def __init__(self, form: bytes, rows: int, nulls: int, parts: list[np.ndarray | None]) -> None:
        self.form, self.rows, self.nulls, self.parts = form, rows, nulls, parts

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        release = ctypes.cast(_release_schema, ctypes.c_void_p)
        schema = _schemas.setdefault(self.form, _Schema(self.form, b"", None, _NULLABLE, 0, None, None, release, None))
        schema.release = release
        addresses = [None if part is None else part.ctypes.data for part in self.parts]
        buffers = (ctypes.c_void_p * len(addresses))(*addresses)
        release = ctypes.cast(_release_array, ctypes.c_void_p)
        array = _Array(
            self.rows, self.nulls, 0, len(addresses), 0, ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p)), None, None, release, None
        )  # fmt: skip
        array.private_data = ctypes.addressof(array)
        _held[array.private_data] = (array, buffers, self.parts)
        return (
            _capsule(ctypes.addressof(schema), b"arrow_schema", None),
            _capsule(ctypes.addressof(array), b"arrow_array", None),
        )
