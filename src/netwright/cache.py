"""The encoding cache: images and texts encoded once, kept in the user's cache folder, and mapped into memory.

A block is named by a hash of the source's content, the rows, the fitted kind and the version of the encoders. It is
written once, under a lock, into a folder that its user alone can read (mode 0700). The oldest are deleted beyond CAP.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from netwright.arrays import Array, Arrays, Ragged
from netwright.events import Event, listening, say
from netwright.run import replacing, write_json

VERSION = 1  # of what encoders give: raised when any of them changes
WORTH = 32 * 2**20  # bytes of an encoded block from which keeping it saves more time than it takes
CAP = 10 * 2**30  # bytes kept at most


def folder() -> Path:
    """Return the cache's folder: NETWRIGHT_CACHE, else `netwright` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NETWRIGHT_CACHE") or Path(base) / "netwright")


def kept(key: str, encode: Callable[[], Arrays]) -> Arrays:
    """Return a block's arrays: from the cache where they are there, else encoded, and kept where they are large.

    `key` must name everything that the arrays depend on.
    """
    place = folder() / hashlib.blake2b(f"{VERSION} {key}".encode(), digest_size=16).hexdigest()
    if (place / "done").exists():
        os.utime(place)
        for event in json.loads((place / "events.json").read_text(encoding="utf-8")):  # said again: nothing is silent
            say(event["kind"], event["name"], event["text"], **event["data"])
        return _mapped(place)
    with listening(heard := []):
        arrays = encode()
    size = sum(_bytes(array) for array in arrays.values())
    if size < WORTH:
        return arrays
    if size > CAP or shutil.disk_usage(_made(folder())).free < 2 * size:
        say(
            "notice",
            "cache.full",
            f"{size / 2**20:,.0f} MB of encoded rows are not kept: too little room in {folder()}",
        )
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


def _bytes(array: Array) -> int:
    return array.values.nbytes + array.offsets.nbytes if isinstance(array, Ragged) else array.nbytes


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
    found = {
        path.name.removesuffix(".npy"): np.load(path, mmap_mode="c", allow_pickle=False)
        for path in sorted(place.glob("*.npy"))
    }
    arrays: Arrays = {name: array for name, array in found.items() if not name.endswith((".values", ".offsets"))}
    for name in {name.rpartition(".")[0] for name in found if name.endswith(".offsets")}:
        arrays[name] = Ragged(found[f"{name}.values"], found[f"{name}.offsets"])
    return arrays


def _blocks() -> list[Path]:
    return (
        sorted((path for path in folder().glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
        if folder().exists()
        else []
    )


def _size(block: Path) -> int:
    return sum(file.stat().st_size for file in block.iterdir())


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
