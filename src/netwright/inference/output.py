"""Rows written part by part to a file that stands once it is whole, and goes on after a kill where it was.

Beside `scored.parquet` a folder `.scored.parquet.part` holds what is written: `job.json` says of what, and how far it is. Of
CSV and JSON lines it is one file and its length after the last whole part: what is behind it is cut off before going on. Of
Parquet it is a file of Arrow's a part, which costs next to nothing, joined at the end.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from netwright.errors import InputError, Problem
from netwright.inference.model import flat
from netwright.runtime.run import replacing, unwritable

ENDINGS = (".csv", ".jsonl", ".parquet")


def check(output: str | Path, *sources: Any) -> Path:
    """Return the path of a file that can be written. Raises `InputError` for another ending, and where something is there."""
    path = Path(output)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise InputError(Problem("--output", f"{str(output)!r} ends in {ending!r}", allowed=", ".join(ENDINGS)))
    if path.is_dir():
        raise InputError(Problem(str(path), "is a folder", fix="name a file in it"))
    if any(isinstance(data, str | Path) and Path(data).exists() and path.exists() and path.samefile(data) for data in sources):  # fmt: skip
        raise InputError(Problem(str(path), "is the file being read", fix="name another --output"))
    if path.exists():
        raise InputError(Problem(str(path), "this file exists", fix="delete it, or name another --output"))
    return path


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a file at once. Raises `InputError` where it cannot be written."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        ending = path.suffix.lower()
        _put(frame, temporary if ending == ".parquet" else file, ending, header=True)


class Parts:
    """A file that is written part by part. `rows`: how many are written already."""

    def __init__(self, path: Path, folder: Path, job: dict[str, Any]) -> None:
        self.path, self.folder, self.ending = path, folder, path.suffix.lower()
        self.rows, self.length, self.parts = 0, 0, 0
        self.job = job
        kept = _kept(folder)
        if kept.get("job") == job:
            self.rows, self.length, self.parts = kept["rows"], kept["length"], kept["parts"]
        else:
            for entry in folder.iterdir():
                if entry.name != "lock":
                    entry.unlink()
            self._keep()

    def _keep(self) -> None:
        done = {"rows": self.rows, "length": self.length, "parts": self.parts}
        with _whole(self.folder / "job.json") as temporary:
            temporary.write_text(json.dumps({"job": self.job, **done}) + "\n", encoding="utf-8")

    def add(self, frame: pl.DataFrame) -> None:
        """Write the next part; once this returns it is not lost."""
        if self.ending == ".parquet":
            with _whole(self._part(self.parts)) as temporary:
                _put(frame, temporary, ".arrow", header=True)
        else:
            with (self.folder / "rows").open("ab") as file:
                os.truncate(file.fileno(), self.length)
                _put(frame, file, self.ending, header=not self.rows)
                file.flush()
                os.fsync(file.fileno())
                self.length = file.tell()
        self.rows, self.parts = self.rows + frame.height, self.parts + 1
        self._keep()

    def close(self) -> None:
        """Put the whole file in its place, and take the folder away."""
        with replacing(self.path) as temporary:
            if self.ending == ".parquet":
                _joined([self._part(number) for number in range(self.parts)], temporary)
            else:
                os.truncate(self.folder / "rows", self.length)
                os.replace(self.folder / "rows", temporary)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:06}.arrow"


@contextmanager
def opened(path: Path, job: dict[str, Any]) -> Iterator[Parts]:
    """Give a file to write part by part; a job that was left off, of the same `job`, goes on.

    Raises `InputError` where it cannot be written, or another process is writing it.
    """
    folder = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(Problem(str(path), "another process is writing this file", fix="wait for it, or name another --output")) from error  # fmt: skip
            try:
                yield Parts(path, folder, job)
            finally:
                if not _kept(folder).get("rows"):  # nothing is there to go on from
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise unwritable(path, error) from error


def _kept(folder: Path) -> dict[str, Any]:
    """What a job that was left off says of itself; nothing where there is none."""
    try:
        return json.loads((folder / "job.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a temporary name; what stands there then stands under `path`, whole or not at all. Raises `OSError`."""
    temporary = path.with_suffix(".tmp")
    yield temporary
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def _put(frame: pl.DataFrame, to: Any, ending: str, *, header: bool) -> None:
    try:
        if ending == ".parquet":
            frame.write_parquet(to)
        elif ending == ".arrow":
            frame.write_ipc(to)
        elif ending == ".jsonl":
            frame.write_ndjson(to)
        else:
            flat(frame).write_csv(to, include_header=header)
    except pl.exceptions.ComputeError as error:  # no room, say: polars has no class of its own for it
        raise OSError(str(error).rpartition(": ")[2]) from error


def _joined(parts: list[Path], to: Path) -> None:
    """Join Arrow files into one of Parquet, in their order, in the memory of a few of them."""
    try:
        pl.scan_ipc(parts).sink_parquet(to, maintain_order=True)
    except pl.exceptions.ComputeError as error:
        raise OSError(str(error).rpartition(": ")[2]) from error
