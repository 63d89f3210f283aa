"""A folder's files, its class folders, and the split folders above them: what sources of folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from netwright.data.readers.content import hasher, pieces, readable
from netwright.data.readers.splits import split_of
from netwright.errors import InputError, Problem

LOOKED_AT = 100_000  # files, so that a home folder given by mistake is not walked to its end


def files(folder: Path) -> Iterator[str]:
    """Yield the paths within the folder (with /) of all files that are not hidden; each folder is entered once."""
    seen: set[str] = set()

    def fail(error: OSError) -> None:
        raise error

    with readable(folder):
        for place, folders, found in os.walk(folder, followlinks=True, onerror=fail):
            real = os.path.realpath(place)
            if real in seen:  # a link that leads back up
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            within = Path(place).relative_to(folder)
            yield from ((within / name).as_posix() for name in found if not name.startswith("."))


def divided(names: Sequence[str], data: Path, *, what: str) -> bool:
    """Say whether the folders directly in `data` are splits (train, validation, test) with class folders in them."""
    parts = [PurePosixPath(name).parts for name in names]
    upper = {part[0] for part in parts if len(part) > 1}
    with_classes = {part[0] for part in parts if len(part) > 2}
    splits = sorted(name for name in upper if split_of(name))
    if not with_classes & set(splits):
        return False
    beside = sorted(upper - set(splits))
    if beside:
        held = f"holds folders of splits ({', '.join(splits)}) beside others with {what} ({', '.join(beside[:5])})"
        fix = "keep only train, validation and test in it, each with its classes"
        raise InputError(Problem(str(data), held, fix=fix))
    return True


def fingerprint(folder: Path, names: Sequence[str]) -> str:
    """Return the hash of the sorted names and each file's bytes."""
    content = hasher()
    for name in names:
        content.update(name.encode(errors="surrogateescape") + b"\0")
        for piece in pieces(folder / name):
            content.update(piece)
    return content.hexdigest()
