"""Keys: who may ask. Only hashes are kept; a key has 256 random bits, so that one round of SHA-256 is enough.

A key file has a line `NAME sha256:HEX` for each key. Nobody but its owner may read it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from netwright.errors import InputError, Problem

_LINE = re.compile(r"([\w.@-]{1,64})\s+sha256:([0-9a-f]{64})")
START = "nw-"


def digest(key: str) -> str:
    """Return what is kept of a key.

    >>> digest("a")[:8]
    'ca978112'
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The keys of a file."""

    def __init__(self, held: dict[str, str]) -> None:
        self.held = held

    @classmethod
    def read(cls, path: str | Path) -> Keys:
        """Read a key file. Raises `InputError` where others may read it, or a line is no hash."""
        path = Path(path)
        try:
            mode = path.stat().st_mode
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise InputError(Problem("key_file", f"{path} cannot be read: {reason}", fix=f"netwright key {path} NAME makes one")) from None  # fmt: skip
        if os.name == "posix" and mode & 0o077:
            what = f"{path} is readable by others (mode {mode & 0o777:o})"
            raise InputError(Problem("key_file", what, fix=f"chmod 600 {path}"))
        held: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            found = _LINE.fullmatch(line.strip())
            if found is None:
                what = f"line {number} of {path} is not a key hash"
                raise InputError(Problem("key_file", what, allowed="NAME sha256:HEX", fix=f"netwright key {path} NAME adds one"))  # fmt: skip
            held[found[1]] = found[2]
        if not held:
            raise InputError(Problem("key_file", f"{path} holds no key", fix=f"netwright key {path} NAME adds one"))
        return cls(held)

    def owner(self, key: str) -> str | None:
        """Return whose key this is. All keys are compared, each in constant time, so that time tells nothing."""
        asked, found = digest(key), None
        for name, kept in self.held.items():
            if hmac.compare_digest(asked, kept):
                found = name
        return found


def made(path: str | Path, name: str) -> str:
    """Make a key, add its hash to a file that only its owner may read, and return the key, which is kept nowhere.

    Raises `InputError` where the name is taken, or the file cannot be written.
    """
    path = Path(path)
    if not re.fullmatch(r"[\w.@-]{1,64}", name):
        raise InputError(Problem("name", f"{name!r} is not a valid key name", allowed="letters, digits and . @ - _, 64 at most"))  # fmt: skip
    if path.exists() and path.stat().st_size and name in Keys.read(path).held:
        raise InputError(Problem("name", f"{path} already has a key {name!r}", fix="name another, or delete its line"))
    key = START + secrets.token_urlsafe(32)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{name} sha256:{digest(key)}\n")
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be written: {error.strerror}", fix="name another file")) from None
    return key
