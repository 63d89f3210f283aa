"""The cache: rows of large files, and what is encoded once, kept in the user's cache folder and mapped into memory.

A block is named by a hash of the source's content, the rows, the fitted kind and the version of the encoders. It is
written once, under a lock, into a folder that its user alone can read (mode 0700). The oldest are deleted beyond CAP.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from netwright.events import Event, listening, say
from netwright.runtime.arrays import Array, Arrays, Gapped, Ragged
from netwright.runtime.run import replacing, unwritable, write_json

VERSION = 2  # of what encoders give: raised when any of them changes
WORTH = 32 * 2**20  # bytes of an encoded block from which keeping it saves more time than it takes
CAP = 10 * 2**30  # bytes kept at most


def folder() -> Path:
    """Return the cache's folder: NETWRIGHT_CACHE, else `netwright` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NETWRIGHT_CACHE") or Path(base) / "netwright")


def kept(key: str, encode: Callable[[], Arrays], *, least: int = WORTH) -> Arrays:
    """Return a block's arrays: from the cache where they are there, else encoded, and kept where they have `least` bytes.

    `key` must name everything that the arrays depend on.
    """
    place = _place(key)
    if _found(place):
        return _mapped(place)
    with listening(heard := []):
        arrays = encode()
    size = sum(_bytes(array) for array in arrays.values())
    if size < least:
        return arrays
    if size > CAP or not _room(size, "encoded rows"):
        return arrays
    with _lock(folder() / "lock"):
        if not (place / "done").exists():
            _write(place, arrays, heard)
            _trim()
    say(
        "notice",
        "cache.kept",
        f"{size / 2**20:,.0f} MB of encoded rows are kept in {folder()}; netwright cache clear deletes them",
    )
    return _mapped(place)


def content(held: Mapping[str, Arrays]) -> str:
    """Return a hash of encoded columns, for a key."""
    digest = hashlib.blake2b(digest_size=20)
    for key in sorted(held):
        for name, array in sorted(held[key].items()):
            digest.update(f"{key} {name}".encode())
            for part in (array.values, array.offsets) if isinstance(array, Ragged) else (array,):
                digest.update(np.ascontiguousarray(part).data)  # type: ignore[arg-type]
    return digest.hexdigest()


@contextmanager
def filled(key: str, size: int, fill: Callable[[Path], None], *, what: str) -> Iterator[Path | None]:
    """Give a block's folder: the one that is there, else one that `fill` has filled, whole or not at all.

    `key` must name everything that the files depend on; `size` is what they take in bytes, about, and `what` says what
    they hold. None, which is said, where there is no room. A block above CAP is deleted at the end; what is mapped by
    then stays readable.
    """
    place = _place(key)
    if _found(place):
        yield place
        return
    if not _room(size, what):
        yield None
        return
    with _part(place.name) as part:
        with listening(heard := []):
            fill(part)
        if _size(part) > CAP:
            say("notice", "cache.full", f"{_size(part) / 2**20:,.0f} MB of {what} are kept only while they are used")
            yield part
            return
        write_json(part / "events.json", [event.as_dict() for event in heard])
        (part / "done").touch()
        with _lock(folder() / "lock"):
            if not (place / "done").exists():
                shutil.rmtree(place, ignore_errors=True)
                part.rename(place)
                _trim()
    text = f"{_size(place) / 2**20:,.0f} MB of {what} are kept in {folder()}; netwright cache clear deletes them"
    say("notice", "cache.kept", text)
    yield place


@contextmanager
def scratch(size: int, what: str) -> Iterator[Path | None]:
    """Give a folder for files that are mapped within the block, and deleted at its end: what is mapped stays readable.

    None, which is said, where there is no room for `size` bytes.
    """
    if not _room(size, what):
        yield None
        return
    with _part("scratch") as part:
        yield part


@contextmanager
def _part(name: str) -> Iterator[Path]:
    part = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".part", dir=_made(folder())))
    try:
        yield part
    except OSError as error:
        raise unwritable(part, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _place(key: str) -> Path:
    return folder() / hashlib.blake2b(f"{VERSION} {key}".encode(), digest_size=16).hexdigest()


def _found(place: Path) -> bool:
    """Say whether a block is there; what was said when it was made is said again: nothing is silent."""
    if not (place / "done").exists():
        return False
    os.utime(place)
    for event in json.loads((place / "events.json").read_text(encoding="utf-8")):
        say(event["kind"], event["name"], event["text"], **event["data"])
    return True


def _room(size: int, what: str) -> bool:
    if shutil.disk_usage(_made(folder())).free >= 2 * size:
        return True
    say("notice", "cache.full", f"{size / 2**20:,.0f} MB of {what} are not kept: too little space in {folder()}")
    return False


def _bytes(array: Array) -> int:
    if isinstance(array, np.ndarray):
        return array.nbytes
    return array.values.nbytes + (array.offsets if isinstance(array, Ragged) else array.missing).nbytes


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(place: Path, arrays: Arrays, heard: list[Event]) -> None:
    shutil.rmtree(place, ignore_errors=True)  # what a killed process left
    _made(place)
    for name, array in arrays.items():
        assert not isinstance(array, Gapped), "encoders put NaN into the gaps"
        parts = (
            {f"{name}.values": array.values, f"{name}.offsets": array.offsets}
            if isinstance(array, Ragged)
            else {name: array}
        )
        for file, part in parts.items():
            with replacing(place / f"{file}.npy") as temporary, temporary.open("wb") as out:
                np.save(out, part, allow_pickle=False)
    write_json(place / "events.json", [event.as_dict() for event in heard])
    (place / "done").touch()


def _mapped(place: Path) -> Arrays:
    """Return a block's arrays, mapped copy-on-write: torch takes them as they are, and never writes into them."""
    found = {
        path.name.removesuffix(".npy"): np.load(path, mmap_mode="c", allow_pickle=False)
        for path in sorted(place.glob("*.npy"))
    }
    beside = (".values", ".offsets", ".missing")
    arrays: Arrays = {name: array for name, array in found.items() if not name.endswith(beside)}
    for name in {name.rpartition(".")[0] for name in found if name.endswith(".offsets")}:
        arrays[name] = Ragged(found[f"{name}.values"], found[f"{name}.offsets"])
    for name in {name.rpartition(".")[0] for name in found if name.endswith(".missing")}:
        arrays[name] = Gapped(found[name], found[f"{name}.missing"])
    return arrays


def laid(key: str | None, slices: Callable[[], Iterable[Arrays]], size: int) -> Arrays | None:
    """Return the arrays of slices of rows as those of all rows, written one after the other and mapped, or None.

    `key` must name everything that they depend on (None: they are deleted with this process), and `size` is what they
    take in bytes, about. None, which is said, where there is no room.
    """
    what = "encoded rows"
    if key is None:
        with scratch(size, what) as place:
            if place is not None:
                _write_slices(place, slices())
            return place and _mapped(place)
    with filled(key, size, lambda place: _write_slices(place, slices()), what=what) as place:
        return place and _mapped(place)


def _write_slices(place: Path, slices: Iterable[Arrays]) -> None:
    """Write the arrays of slices of the rows as those of all rows; gaps of floats are put beside them (`Gapped`)."""
    files: dict[str, _Grown] = {}
    gaps = set[str]()

    def put(name: str, part: np.ndarray) -> None:
        if name not in files:
            files[name] = _Grown(place / f"{name}.npy", part)
        files[name].add(part)

    for arrays in slices:
        for name, array in arrays.items():
            if isinstance(array, Ragged):
                begun = files.get(f"{name}.values")
                put(f"{name}.offsets", array.offsets[1:] + begun.rows if begun else array.offsets)
                put(f"{name}.values", array.values)
                continue
            assert isinstance(array, np.ndarray)
            if array.dtype.kind == "f":
                missing = np.isnan(array)
                if missing.any():
                    gaps.add(f"{name}.missing")
                    array = np.where(missing, array.dtype.type(0), array)
                put(f"{name}.missing", missing)
            put(name, array)
    for name, grown in files.items():
        grown.close()
        if name.endswith(".missing") and name not in gaps:
            grown.path.unlink()


class _Grown:
    """A NumPy file that grows by its first axis. Its header is written anew at the end, and is as long as at first."""

    def __init__(self, path: Path, like: np.ndarray) -> None:
        self.path, self.file, self.like, self.rows = path, path.open("wb"), like[:0], 0
        self._head()

    def _head(self) -> None:
        form, shape = np.lib.format.dtype_to_descr(self.like.dtype), (self.rows, *self.like.shape[1:])
        about = {"descr": form, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, about)

    def add(self, part: np.ndarray) -> None:
        np.ascontiguousarray(part).tofile(self.file)
        self.rows += len(part)

    def close(self) -> None:
        self.file.seek(0)
        self._head()
        self.file.close()


def _blocks() -> list[Path]:
    return (
        sorted((path for path in folder().glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
        if folder().exists()
        else []
    )


def _size(block: Path) -> int:
    return sum(
        file.stat().st_blocks * 512 for file in block.iterdir()
    )  # files with holes take less room than they are long


def _trim() -> None:
    blocks = _blocks()
    total = sum(map(_size, blocks))
    for block in blocks[:-1]:
        if total <= CAP:
            return
        total -= _size(block)
        shutil.rmtree(block)


def described() -> str:
    """Return where the cache is and how large."""
    blocks = _blocks()
    return (
        f"{folder()}: {len(blocks)} blocks, {sum(map(_size, blocks)) / 2**20:,.0f} MB of at most {CAP / 2**30:,.0f} GB"
    )


def clear() -> str:
    """Delete the cache; return what was deleted."""
    text = described()
    for block in _blocks():
        shutil.rmtree(block)
    return f"deleted {text}"
