"""A file's bytes: read whole, hashed, unpacked from gzip and brought to UTF-8, with errors that name the place."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from netwright.errors import InputError, Problem, counted
from netwright.events import say_rows

if TYPE_CHECKING:
    from hashlib import blake2b

_PIECE = 1 << 24
_GZIP = b"\x1f\x8b"
_LIKELY = ("gb18030", "cp1252")


def ends(path: object, endings: tuple[str, ...]) -> bool:
    """Say whether `path` is the path of a file with one of these endings, `.gz` behind it or not.

    >>> ends(Path("A.CSV.gz"), (".csv",))
    True
    """
    return isinstance(path, Path) and path.name.lower().removesuffix(".gz").endswith(endings) and not path.is_dir()


def hasher() -> blake2b:
    """Return the hash by which contents are told apart: BLAKE2b, 16 bytes."""
    return hashlib.blake2b(digest_size=16)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the system's refusals to open or read `path` into errors for the user."""
    try:
        yield
    except PermissionError as error:
        raise InputError(
            Problem(str(path), "is not readable by this user", fix=f"change its permissions: chmod u+r {path.name}")
        ) from error
    except OSError as error:
        raise InputError(Problem(str(path), f"could not be read: {error.strerror or error}")) from error


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the file's bytes piece by piece."""
    with readable(path), path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece


def fingerprint(path: Path) -> str:
    """Return the hash of the file's bytes, read piece by piece."""
    content = hasher()
    for piece in pieces(path):
        content.update(piece)
    return content.hexdigest()


def load(path: Path) -> tuple[bytes, str]:
    """Return the file's bytes, unpacked where they are gzip, and the fingerprint of the file as it lies there."""
    content, parts = hasher(), []
    for piece in pieces(path):
        content.update(piece)
        parts.append(piece)
    raw = b"".join(parts)
    del parts
    if raw.startswith(_GZIP):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(
                Problem(path.name, f"the gzip file is damaged: {error}", fix="download or pack it again")
            ) from error
    elif path.suffix.lower() == ".gz" and raw:
        raise InputError(Problem(path.name, "is named .gz but is not gzip", fix="drop .gz from its name"))
    return raw, content.hexdigest()


def to_utf8(raw: bytes, encoding: str | None, *, name: str) -> bytes:
    """Return the text as UTF-8 bytes without a byte-order mark; errors name line and byte.

    >>> to_utf8(b"caf\\xe9", "cp1252", name="a.csv").decode()
    'café'
    """
    if encoding is None and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    if encoding is None or is_utf8(encoding):
        raw = raw.removeprefix(codecs.BOM_UTF8)
        if b"\0" in raw[:4096]:
            what = "holds null bytes, like UTF-16 without a byte order mark, or a file that is not text"
            raise InputError(Problem(name, what, fix="--read.encoding utf-16-le, if it is text"))
        if not raw.isascii():
            check_utf8(raw, name)
        return raw
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeDecodeError as error:
        raise InputError(
            Problem(
                f"{name}:{_line(raw, error.start)}",
                f"byte {error.start + 1:,} of the file (0x{raw[error.start]:02x}) is not {encoding}",
                fix="name the right encoding with --read.encoding",
            )
        ) from error


def is_utf8(encoding: str | None) -> bool:
    """Say whether this is UTF-8's name, or none at all, which means it."""
    return encoding is None or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def check_utf8(raw: bytes | mmap, name: str) -> None:
    """Raise `InputError` at the first byte that is not UTF-8. Works in pieces, cut at line ends, to keep memory small."""
    start = 0
    while start < len(raw):
        stop = raw.rfind(b"\n", start, start + _PIECE) + 1 if start + _PIECE < len(raw) else len(raw)
        stop = stop or (raw.find(b"\n", start + _PIECE) + 1 or len(raw))
        piece = raw[start:stop]
        try:
            if not piece.isascii():
                piece.decode()
        except UnicodeDecodeError as error:
            raise InputError(_broken(raw, start + error.start, name)) from error
        start = stop


def _broken(raw: bytes | mmap, place: int, name: str) -> Problem:
    """Return the problem of a byte that is not UTF-8, with the encodings that would read the file."""
    opens = raw.rfind(b"\n", 0, place) + 1
    closes = raw.find(b"\n", place)
    line = raw[opens : closes if closes >= 0 else len(raw)]
    where = f"{name}:{_line(raw, place)}"
    what = f"byte {place - opens + 1:,} of the line (0x{raw[place]:02x}) is not UTF-8"
    fits = [encoding for encoding in _LIKELY if _decodes(raw, encoding)]
    if not fits:
        fix = "save it as UTF-8, or name its encoding with --read.encoding"
        return Problem(where, f"{what}, and neither {' nor '.join(_LIKELY)} decodes the file", fix=fix)
    near = [(encoding, _near(line, place - opens, encoding)) for encoding in fits]
    looks = "; ".join(f"{encoding} decodes it and reads {text!r} there" for encoding, text in near)
    return Problem(where, f"{what}; {looks}", fix=" or ".join(f"--read.encoding {encoding}" for encoding in fits))


def _line(raw: bytes | mmap, place: int) -> int:
    """Return the number of the line in which a byte stands, counted from 1."""
    return 1 + sum(raw[start : min(start + _PIECE, place)].count(b"\n") for start in range(0, place, _PIECE))


def _decodes(raw: bytes | mmap, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for start in range(0, len(raw), _PIECE):
            decoder.decode(raw[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _near(line: bytes, place: int, encoding: str) -> str:
    """Return how the text round a place of the line looks in `encoding`."""
    middle = len(line[:place].decode(encoding, "ignore"))
    return line.decode(encoding)[max(0, middle - 10) : middle + 10].strip()


def say_blank_lines(ids: Sequence[str]) -> None:
    """Say which blank lines between rows are no rows."""
    text = f"{counted(len(ids), 'blank line')} skipped"
    say_rows("read.blank_lines", text, ids, kind="notice")
