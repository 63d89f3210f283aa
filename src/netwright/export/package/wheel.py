"""The installed netwright as a wheel, so that a pack needs no index that has it (binary distribution format, version 1.0)."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same files give the same wheel


def write(folder: Path) -> str:
    """Write the wheel into a folder, and return its name."""
    found = distribution("netwright")
    about = f"netwright-{found.version}.dist-info"
    name = f"netwright-{found.version}-py3-none-any.whl"
    files = {f"netwright/{place}": path.read_bytes() for place, path in _own()}
    files[f"{about}/METADATA"] = (found.read_text("METADATA") or "").encode()
    files[f"{about}/entry_points.txt"] = (found.read_text("entry_points.txt") or "").encode()
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: netwright\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{place},sha256={_hash(content)},{len(content)}\n" for place, content in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, content in files.items():
            entry = zipfile.ZipInfo(place, _MOMENT)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return name


def _own() -> list[tuple[str, Path]]:
    root = Path(__file__).parents[2]
    held = [path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return [(path.relative_to(root).as_posix(), path) for path in held]


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
