"""A large delimited text, read in pieces: its rows are laid down in the cache and mapped from there, not held.

The pieces are cut at line ends outside of quotes and read by the same functions as a small text. What only the whole
text tells (the columns' types, the number of cells of most rows) is guessed from what was read before; a guess that
proves wrong is put right, and the text is read once more. So a table is the same as if it were read at once.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from netwright.data.readers import cells, content, csv, mapped
from netwright.data.readers.lines import Rows, scan
from netwright.data.readers.sniff import SAMPLE
from netwright.data.table import Table
from netwright.errors import InputError
from netwright.events import quiet, say
from netwright.runtime import cache

if TYPE_CHECKING:
    from netwright.recipe import Read

LARGE = 128 * 2**20  # bytes of a text from which it is read in pieces (assumed: what takes seconds and half a gigabyte)
PIECE = 16 * 2**20  # bytes of a piece; reading one takes about eight times as much memory
VERSION = 1  # of the form in which rows are laid down, and of how cells are read: raised when either changes
_WINDOW = 2**18
_BOM = b"\xef\xbb\xbf"


class _Whole(Exception):
    """Why a text cannot be read in pieces."""


def read(path: Path, settings: Read) -> Table | None:
    """Read a large text into a table whose columns are mapped from the cache; None: it is small, or is to be read whole.

    Raises `InputError` as reading a small text does.
    """
    with content.readable(path):
        if path.stat().st_size <= LARGE:
            return None
    with _mapped(path) as text:
        try:
            begin = _begin(text, path, settings)
            reader = _Reader(text, begin, path, settings)
            print_ = content.fingerprint(path)
            how = settings.model_dump(include={"missing", "header", "quotes", "bad_rows", "delimiter"}, mode="json")
            key = f"text {VERSION} {print_} {path.name} {json.dumps(how)}"
            with cache.filled(key, 2 * len(text), reader.fill, what=f"rows of {path.name}") as place:
                return None if place is None else _table(place, path.name, print_)
        except _Whole as why:
            say(
                "notice",
                "read.whole",
                f"{path.name}: all {len(text) / 2**20:,.0f} MB are held in memory, because {why}",
            )
            return None


def _table(place: Path, name: str, fingerprint: str) -> Table:
    line = np.load(place / "line.npy", mmap_mode="r")
    return Table(mapped.opened(place), (name,), np.zeros(len(line), np.int32), line, fingerprint=fingerprint, name=name)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with content.readable(path):
        file = path.open("rb")
    with file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        yield text


def _begin(text: mmap.mmap, path: Path, settings: Read) -> int:
    """Return where the text begins, behind its byte-order mark. Raises `_Whole`, or `InputError` as `to_utf8` does."""
    if path.suffix.lower() == ".gz" or text[:2] == b"\x1f\x8b":
        raise _Whole("it is packed with gzip")
    if text[:2] in (b"\xff\xfe", b"\xfe\xff") and settings.encoding is None:
        raise _Whole("its encoding is UTF-16")
    if not content.is_utf8(settings.encoding):
        raise _Whole(f"its encoding is {settings.encoding}")
    if text.find(b"\n") < 0:
        raise _Whole("it has no line ends")
    begin = len(_BOM) if text[: len(_BOM)] == _BOM else 0
    if b"\0" in text[begin : begin + 4096]:
        content.to_utf8(text[: begin + 4096], settings.encoding, name=path.name)
    content.check_utf8(text, path.name)
    if not any(text[at : at + PIECE].strip() for at in range(begin, len(text), PIECE)):
        raise InputError(csv.empty(path.name))
    return begin


def _pieces(text: mmap.mmap, begin: int, *, quotes: bool) -> Iterator[bytes]:
    """Yield the text in pieces of whole rows: each ends with a newline before which the number of quote marks is even."""
    while begin < len(text):
        size = PIECE
        while True:
            piece = text[begin : begin + size]
            stop = len(piece) if begin + size >= len(text) else _cut(piece, quotes)
            if stop:
                break
            size *= 2
        yield piece[:stop]
        begin += stop


def _cut(piece: bytes, quotes: bool) -> int:
    """Return where the last row that is whole ends; 0: none is."""
    stop = piece.rfind(b"\n") + 1
    marks = piece.count(b'"', 0, stop) if quotes else 0
    while stop and marks % 2:
        before = piece.rfind(b"\n", 0, stop - 1) + 1
        marks -= piece.count(b'"', before, stop)
        stop = before
    return stop


@dataclass
class _Guess:
    """What only the whole text tells: whether a row has several cells, how many most rows have, the columns' types."""

    wide: bool
    width: int
    dtypes: dict[str, pl.DataType] | None = None


@dataclass
class _Seen:
    """What one pass over the text found."""

    names: list[str] = field(default_factory=list)
    first: tuple[bytes, str] | None = None  # the header, and where it stands
    wide: bool = False
    sizes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # how many rows have so many cells
    rows: int = 0
    lines: int = 0  # line ends passed
    last: int = 0  # the line of the last row
    blank: list[np.ndarray] = field(default_factory=list)
    uneven: list[np.ndarray] = field(default_factory=list)  # (2, k): lines, numbers of cells
    mended: cells.Mended = field(default_factory=cells.Mended)
    found: dict[str, cells.Found] = field(default_factory=dict)
    final: bool = True  # whether what was written is of the right types


class _Reader:
    """Reads a text in pieces and lays its rows down in a folder."""

    def __init__(self, text: mmap.mmap, begin: int, path: Path, settings: Read) -> None:
        self.text, self.begin, self.path, self.name, self.settings = text, begin, path, path.name, settings
        self.quotes = settings.quotes is not False
        with quiet():
            self.delimiter = self._found_delimiter()

    def _found_delimiter(self) -> str:
        sample = self.text[self.begin : self.begin + SAMPLE + 1]
        return self.settings.delimiter or csv.found_delimiter(sample, self.path)

    def fill(self, folder: Path) -> None:
        """Read the text as often as it takes to guess right, and say what was found."""
        guess: _Guess | None = None
        while True:
            seen, guess = self._passed(folder, guess)
            width = int(seen.sizes.argmax()) if len(seen.sizes) and not self.settings.header else guess.width
            if (seen.wide, width) != (guess.wide, guess.width):
                guess = _Guess(seen.wide, width)
                continue
            self._say_rows(seen)
            if seen.final:
                break
            guess.dtypes = {name: found.dtype for name, found in seen.found.items()}
            with quiet():
                found = seen.found
                seen, guess = self._passed(folder, guess)
                seen.found = found
            break
        cells.say_mended(seen.mended, seen.names, self.name)
        cells.say_texts(seen.found, self.name)
        if self.settings.header:
            csv.doubt_header(mapped.opened(folder), self.name)

    def _say_rows(self, seen: _Seen) -> None:
        """Say what was found of rows, or raise `InputError` for it, as for a small text."""
        self._found_delimiter()
        blank = np.concatenate(seen.blank) if seen.blank else np.zeros(0, np.int64)
        csv.say_blank(blank[blank < seen.last], self.name)
        if seen.first is not None:
            csv.header_names(seen.first[0], self.delimiter, self.quotes, where=seen.first[1])
            if not seen.rows:
                raise InputError(csv.headless(self.name))
        if seen.uneven:
            lines, sizes = np.concatenate(seen.uneven, 1)
            csv.judge_uneven(lines, sizes, seen.rows, len(seen.names), self.settings, self.name)

    def _passed(self, folder: Path, guess: _Guess | None) -> tuple[_Seen, _Guess]:
        """Read all pieces once by a guess (None: it is made by the first one)."""
        seen, writer, written = _Seen(), None, dict[str, pl.DataType]()
        with (folder / "line.part").open("wb") as line:
            for piece in _pieces(self.text, self.begin, quotes=self.quotes):
                rows = scan(piece, self.delimiter, quotes=self.quotes and b'"' in piece)
                if rows is None:
                    raise _Whole("its quote marks do not always enclose whole cells")
                rows = Rows(rows.start, rows.end, rows.line + seen.lines, rows.cells)
                seen.lines += piece.count(b"\n")
                seen.wide |= bool(rows.cells.max() > 1)
                guess = guess or _Guess(seen.wide, 0)
                rows = self._even(piece, rows, seen, guess)
                if not len(rows) or (seen.uneven and self.settings.bad_rows == "refuse"):
                    continue
                frame = self._frame(piece, rows, seen, guess)
                now = guess.dtypes or {name: found.dtype for name, found in seen.found.items()}
                written = written or now
                writer = writer or mapped.Writer(folder, written, self._most())
                seen.final = (
                    seen.final and now == written
                )  # else the pass goes on, to know all types; the next one writes
                if seen.final:
                    writer.add(frame)
                    rows.line.astype(np.int64).tofile(line)
        if writer is not None:
            writer.close() if seen.final else writer.give_up()
        if seen.final and writer is not None:
            _as_npy(folder / "line.part", folder / "line.npy")
        assert guess is not None
        return seen, guess

    def _most(self) -> int:
        """As many rows as the text can have."""
        return 1 + sum(self.text[at : at + PIECE].count(b"\n") for at in range(0, len(self.text), PIECE))

    def _even(self, piece: bytes, rows: Rows, seen: _Seen, guess: _Guess) -> Rows:
        """Return the rows that have as many cells as the columns; note the others."""
        blank = csv.blank_lines(piece, rows, wide=guess.wide)
        seen.blank.append(rows.line[blank])
        rows = rows.take(~blank)
        if not len(rows):
            return rows
        seen.last = int(rows.line[-1])
        if self.settings.header and seen.first is None:
            first = piece[rows.start[0] : rows.end[0]]
            seen.first = (first, f"{self.name}:{rows.line[0]}")
            with quiet():  # said once all is known
                seen.names = csv.header_names(first, self.delimiter, self.quotes, where=seen.first[1])
            rows = rows.take(np.arange(1, len(rows)))
            if not len(rows):
                return rows
        sizes = np.bincount(rows.cells)
        seen.sizes = _sum(seen.sizes, sizes)
        if not self.settings.header and not seen.names:
            guess.width = guess.width or int(sizes.argmax())
            seen.names = csv.numbered(guess.width)
        seen.rows += len(rows)
        uneven = rows.cells != len(seen.names)
        if not uneven.any():
            return rows
        seen.uneven.append(np.stack([rows.line[uneven], rows.cells[uneven]]))
        return rows.take(~uneven)

    def _frame(self, piece: bytes, rows: Rows, seen: _Seen, guess: _Guess) -> pl.DataFrame:
        """Return the rows in the types that are known by now; note what was found of their cells."""
        dtypes = guess.dtypes or {name: found.dtype for name, found in seen.found.items()}
        numbers = {name: dtype for name, dtype in dtypes.items() if dtype != pl.String}
        quotes = self.quotes and b'"' in piece
        texts: dict[str, pl.DataType] = {name: pl.String() for name in seen.names}
        frame = None
        if numbers and self._plain(piece):
            try:
                frame = csv.parted(piece, rows, {**texts, **numbers}, self.delimiter, quotes)
            except pl.exceptions.ComputeError:  # a cell is no number of its column's type
                frame = None
        direct = [] if frame is None else list(numbers)
        if frame is None:
            frame = csv.parted(piece, rows, texts, self.delimiter, quotes)
        left = [name for name in frame.columns if name not in direct]
        if left:
            bare, mended = cells.bare(frame.select(left).with_columns(pl.all().fill_null("")), self.settings.missing)
            seen.mended.add(mended)
            frame = frame.with_columns(bare)
        if guess.dtypes is None:
            self._look(frame, left, seen)
            dtypes = {name: found.dtype for name, found in seen.found.items()}
        return cells.cast(frame, {name: dtypes[name] for name in left})

    def _look(self, frame: pl.DataFrame, left: list[str], seen: _Seen) -> None:
        """Add what these rows tell of the types of columns that were read as texts."""
        for name in frame.columns:
            known = seen.found.setdefault(name, cells.Found())
            if name not in left:
                known.known |= frame[name].null_count() < frame.height
            elif known.number:  # else it is text, whatever follows
                known.add(cells.look(frame[name]))

    def _plain(self, piece: bytes) -> bool:
        """Say whether cells of numbers can be read as numbers at once: nothing in them is to be mended or said."""
        if "" not in self.settings.missing or self.delimiter in " \t" and b'"' in piece:
            return False
        if any(text and text.encode() in piece for text in self.settings.missing if _is_number(text)):
            return False
        view, mark = np.frombuffer(piece, np.uint8), ord(self.delimiter)
        return not _blanks(view, mark) and not _padded(view, mark)


def _blanks(view: np.ndarray, mark: int) -> bool:
    """Say whether blanks may stand at the ends of a cell."""
    ends = _among(mark, *b'\n\r"')
    for blank in b" \t":
        places = np.flatnonzero(view == blank) if blank != mark else np.zeros(0, np.int64)
        if len(places) and (
            places[0] == 0 or places[-1] == len(view) - 1 or ends[view[places - 1]].any() or ends[view[places + 1]].any()
        ):  # fmt: skip
            return True
    return False


def _padded(view: np.ndarray, mark: int) -> bool:
    """Say whether a cell may begin with a zero and another digit, a sign before them or not."""
    if re.match(rb"[+-]?0[0-9]", view[:3].tobytes()):
        return True  # the first cell of all
    for at in range(0, len(view), _WINDOW):  # in parts that stay in the processor's cache
        part = view[at : at + _WINDOW + 3]
        end = (part == mark) | (part == ord("\n")) | (part == ord('"'))
        zero = (part[:-1] == ord("0")) & (part[1:] - ord("0") < 10)  # below "0" the bytes wrap round, and are large
        if (end[:-2] & zero[1:]).any():
            return True
        sign = (part == ord("+")) | (part == ord("-"))
        if (end[:-3] & sign[1:-2] & zero[2:]).any():
            return True
    return False


def _among(*characters: int) -> np.ndarray:
    """(256,) which bytes are among these."""
    return np.isin(np.arange(256), characters)


def _is_number(text: str) -> bool:
    return not pl.Series([text]).cast(pl.Float64, strict=False).has_nulls()


def _sum(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    out = np.zeros(max(len(one), len(other)), np.int64)
    out[: len(one)] += one
    out[: len(other)] += other
    return out


def _as_npy(raw: Path, path: Path) -> None:
    """Move a file of int64 values into NumPy's form."""
    values: Any = np.memmap(raw, np.int64, "r")
    np.save(path, values, allow_pickle=False)
    raw.unlink()
