"""Large JSON lines, part by part: read once to know all rows' columns and types, and again where rows are asked for.

So a table is the same as if it were read at once, in the memory of some of its rows.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from netwright.data.readers import content, jsonl
from netwright.data.readers.frames import finished
from netwright.data.readers.records import as_text, gather, say_broken, say_mixed, sorts_of, type_of, wider
from netwright.data.stream import Stream
from netwright.data.table import Table

if TYPE_CHECKING:
    from netwright.recipe import Read

LARGE = 32 * 2**20  # bytes from which a file is read in pieces (assumed: its rows as objects take ten times as much)
PIECE = 4 * 2**20  # bytes of a piece
_PACKED = 8  # times that gzip makes texts smaller, about


@dataclass(frozen=True)
class _Piece:
    """Whole lines of the text: where they begin and how many bytes they have, their first line's number, their rows."""

    begin: int
    size: int
    line: int
    first: int
    rows: int


@dataclass
class _Column:
    """What is known of a column: the type that holds all its values, and how many there are of which sort."""

    dtype: pl.DataType | None = field(default_factory=pl.Null)
    sorts: Counter[str] = field(default_factory=Counter)

    def add(self, values: list[Any]) -> None:
        self.dtype = wider(self.dtype, type_of(values))
        self.sorts += sorts_of(values)

    def series(self, name: str, values: list[Any]) -> pl.Series:
        """Return values in the column's type; texts where no type holds all of them."""
        if self.dtype is not None:
            return pl.Series(name, values, dtype=self.dtype)
        return pl.Series(name, [as_text(value) for value in values], dtype=pl.String)


def stream(path: Path, settings: Read) -> Stream | None:
    """Return a large file of JSON lines part by part; None: it is small, or must be read whole to be understood.

    Raises `InputError` as reading a small file does.
    """
    packed = path.name.lower().endswith(".gz")
    with content.readable(path):
        size = path.stat().st_size * (_PACKED if packed else 1)
    if size <= LARGE or not path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return None
    if not content.is_utf8(settings.encoding):
        return None
    try:
        return _Lines(path, settings).stream()
    except (_Whole, UnicodeDecodeError, OSError, EOFError, zlib.error):
        return None  # reading all of it says what is wrong, and where


class _Whole(Exception):
    """The text is no JSON lines in UTF-8."""


class _Lines:
    """The pieces of a text, the columns of its rows."""

    def __init__(self, path: Path, settings: Read) -> None:
        self.path, self.settings, self.name = path, settings, path.name
        self.pieces: list[_Piece] = []
        self.columns: dict[str, _Column] = {}
        self.kept = -1, ([], [])  # the piece that was decoded last: parts end within one

    def stream(self) -> Stream:
        """Read all rows once; say what is wrong with them, or raise `InputError`."""
        problems: dict[int, str] = {}
        blank: list[int] = []
        spoilt: list[int] = []
        last: list[int] = []
        rows = seen = 0
        place, line = 0, 1
        for raw in self._raw():
            values, lines, wrong, empty, halved = jsonl.lined(_text(raw, first=not place), line)
            held, _ = jsonl.objects(values, lines, wrong)
            for name, column in gather(held).items():
                self.columns.setdefault(name, _Column()).add(column)
            self.pieces.append(_Piece(place, len(raw), line, rows, len(held)))
            rows, seen = rows + len(held), seen + len(values)
            problems |= wrong
            blank += empty
            spoilt += halved
            last = lines[-1:] or last
            place, line = place + len(raw), line + raw.count(b"\n")
        if not rows or (1 in problems and not self.pieces[0].rows):
            raise _Whole
        jsonl.say_blank(blank, last, self.name)
        jsonl.judge(problems, seen, self.settings, self.name)
        say_broken([f"{self.name}:{line}" for line in spoilt], where=self.name)
        for name, column in self.columns.items():
            if column.dtype is None:
                say_mixed(name, column.sorts, where=self.name)
        schema = {name: column.series(name, []).dtype for name, column in self.columns.items()}
        schema = {name: pl.String() if isinstance(dtype, pl.Null) else dtype for name, dtype in schema.items()}
        return Stream(self.name, rows, schema, self.part, self.whole)

    def part(self, first: int, count: int, names: list[str]) -> Table:
        """Return columns of up to `count` rows from `first` on."""
        frames, lines = [], list[int]()
        for number, piece in enumerate(self.pieces):
            if piece.first < first + count and first < piece.first + piece.rows:
                held, at = self._decoded(number)
                some = slice(max(first - piece.first, 0), first + count - piece.first)
                lines += at[some]
                frames.append(
                    pl.DataFrame(
                        [self.columns[name].series(name, [row.get(name) for row in held[some]]) for name in names]
                    )
                )
        frame = finished(pl.concat(frames), name=self.name)
        table = Table(
            frame, (self.name,), np.zeros(len(lines), np.int32), np.array(lines), fingerprint="", name=self.name
        )
        return replace(table, folder=str(self.path.parent))

    def whole(self, names: list[str]) -> pl.DataFrame:
        """Return all values of columns."""
        return pl.concat(self.part(piece.first, piece.rows, names).frame for piece in self.pieces if piece.rows)

    def _decoded(self, number: int) -> tuple[list[dict[str, Any]], list[int]]:
        """Return the rows of a piece and their lines."""
        if self.kept[0] != number:
            piece = self.pieces[number]
            with self._opened() as file:
                file.seek(piece.begin)
                text = _text(file.read(piece.size), first=not piece.begin)
            values, lines, wrong, _, _ = jsonl.lined(text, piece.line)
            self.kept = number, jsonl.objects(values, lines, wrong)
        return self.kept[1]

    def _opened(self) -> Any:
        return gzip.open(self.path) if self.path.name.lower().endswith(".gz") else self.path.open("rb")

    def _raw(self) -> Iterator[bytes]:
        """Yield the text in pieces that end with a line."""
        with content.readable(self.path), self._opened() as file:
            left = b""
            while more := file.read(PIECE):
                head, mark, tail = more.rpartition(b"\n")
                if mark:
                    yield left + head + mark
                    left = tail
                else:
                    left += more
            if left:
                yield left


def _text(raw: bytes, *, first: bool) -> str:
    """Return a piece as text. Raises `UnicodeDecodeError` where it is not UTF-8, `_Whole` for a list of objects."""
    text = raw.decode("utf-8-sig" if first else "utf-8")
    if "\0" in text or (first and text.lstrip()[:1] == "["):
        raise _Whole
    return text
