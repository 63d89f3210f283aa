"""Key: a new key for `serve`."""

from __future__ import annotations

from pathlib import Path

from netwright.serve.keys import made


def key(file: str | Path, name: str) -> str:
    """Return a new key, and add its hash under a name to a key file. The key itself is kept nowhere.

    Raises `InputError` where the name is taken, or others may read the file.
    """
    return made(file, name)
