"""The run: the folder that a training leaves. Files are written whole or not at all; versions are checked on reading."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright.errors import InputError, Problem
from netwright.events import Event

VERSION = 1  # of the run folder's schema: raised when an older netwright could not read it

HELD = {
    "run.json": ("version", "netwright", "state", "source", "rows"),
    "kinds.json": ("inputs", "targets", "left_out"),
}
"""Keys that a run's JSON files must have; without them they are damaged."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well, delete it when not.

    Raises `InputError` where there is no room, no right or no such place to write.
    """
    folder = _folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=folder)
    except OSError as error:
        raise unwritable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def standing(place: Path) -> Iterator[Path]:
    """Give a folder to fill out of sight, which stands as `place` once the block has ended well.

    Raises `InputError` where something is there already, or nothing can be written.
    """
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError(Problem(str(place), "this folder exists", fix="name another --output"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as work:
            folder = Path(work) / "export"
            folder.mkdir()
            yield folder
            if place.exists():
                place.rmdir()
            shutil.move(folder, place)
    except OSError as error:
        raise unwritable(place, error) from error


def unwritable(path: Path, error: OSError) -> InputError:
    """Return the user's error for a place that cannot be written."""
    full = error.errno in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    fix = "free some space, or name another --output" if full else "name another --output"
    return InputError(Problem(str(path), f"cannot be written: {error.strerror or error}", fix=fix))


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON that people can read, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@dataclass(frozen=True)
class Run:
    """A run folder and the names of what is in it."""

    folder: Path

    recipe = property(lambda self: self.folder / "recipe.yaml")
    plan = property(lambda self: self.folder / "plan.json")
    weights = property(lambda self: self.folder / "model.safetensors")
    kinds = property(lambda self: self.folder / "kinds.json")
    trust = property(lambda self: self.folder / "trust.json")
    metrics = property(lambda self: self.folder / "metrics.json")
    learnt = property(lambda self: self.folder / "learnt.safetensors")
    predictions = property(lambda self: self.folder / "predictions.csv")
    events = property(lambda self: self.folder / "events.jsonl")
    rows = property(lambda self: self.folder / "rows.jsonl")
    texts = property(lambda self: self.folder / "texts.json")
    tokenizer = property(lambda self: self.folder / "tokenizer.json")
    profile = property(lambda self: self.folder / "profile.json")
    worst = property(lambda self: self.folder / "worst.json")
    cost = property(lambda self: self.folder / "cost.json")
    report = property(lambda self: self.folder / "report.html")
    about = property(lambda self: self.folder / "run.json")
    checkpoint = property(lambda self: self.folder / "checkpoints" / "last.safetensors")

    @classmethod
    def refuse_existing(cls, folder: Path) -> None:
        """Raise `InputError` where a folder exists and is not empty."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            resume = f"go on with it: netwright train --resume {folder}" if (folder / "run.json").exists() else ""
            fix = "; or ".join(filter(None, [resume, "name another --output"]))
            raise InputError(Problem(str(folder), "this run folder exists", fix=fix))

    @classmethod
    def create(cls, folder: Path) -> Run:
        """Make a new run folder. Raises `InputError` where it exists and is not empty."""
        cls.refuse_existing(folder)
        _folder(folder)
        return cls(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other process trains this run. Raises `InputError` where one does."""
        try:
            handle = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            with suppress(OSError):  # a file system without locks
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    fix = "wait until it ends, or name another --output"
                    raise InputError(
                        Problem(str(self.folder), "another process is training this run", fix=fix)
                    ) from None
            yield
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Delete what was written, and the folder where nothing else is in it."""
        if not self.folder.is_dir():  # another process took it away
            return
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        with suppress(OSError):  # the working folder, say, named by a dot; or runs holds other runs
            self.folder.rmdir()
            if self.folder.parent == Path("runs"):
                self.folder.parent.rmdir()

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open an existing run folder. Raises `InputError` where it is none, or was made by a newer version."""
        run = cls(Path(folder))
        if not run.about.exists():
            if run.folder.is_file():
                what = "this is a file, and a run is a folder"
            elif run.folder.exists():
                what = "this folder is not a run (no run.json)"
            else:
                what = "there is no such folder"
            raise InputError(Problem(str(folder), what, fix="name the folder that netwright train wrote"))
        about = run.read(run.about)
        if about.get("version", 0) > VERSION:
            raise InputError(Problem(
                str(folder), f"made by netwright {about.get('netwright', '?')}, whose run folders (version {about['version']}) are newer",
                allowed=f"up to version {VERSION}", fix="pip install --upgrade netwright",
            ))  # fmt: skip
        return run

    def read(self, path: Path) -> Any:
        """Read one of the run's JSON files. Raises `InputError` where it is missing or damaged."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            lacking = [key for key in HELD.get(path.name, ()) if not isinstance(found, dict) or key not in found]
            if lacking and not ("version" in found and found["version"] > VERSION):
                raise ValueError(f"it lacks {', '.join(lacking)}")
            return found
        except FileNotFoundError:
            if not self.folder.exists():
                fix = "load the run before its folder is removed, or from where it was moved to"
                raise InputError(Problem(str(self.folder), "this run folder is gone", fix=fix)) from None
            if self.weights.exists():
                fix = "restore it from a copy, or train again"
                raise InputError(Problem(str(path), "this file is missing from the run", fix=fix)) from None
            fix = f"netwright train --resume {self.folder}"
            raise InputError(Problem(str(path), "this run is not complete", fix=fix)) from None
        except (OSError, ValueError) as error:
            raise InputError(
                Problem(str(path), f"this file is damaged: {error}", fix="restore it from a copy, or train again")
            ) from error

    def said(self) -> list[dict[str, Any]]:
        """Return the events of `events.jsonl`; a line that a kill has cut is passed over."""
        lines = self.events.read_text(encoding="utf-8").split("\n") if self.events.exists() else []
        found = []
        for line in lines:
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def log(self, event: Event) -> None:
        """Append an event to `events.jsonl` (progress is not kept)."""
        if event.kind == "progress":
            return
        try:
            with self.events.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event.as_dict(), ensure_ascii=False, default=str) + "\n")
        except OSError as error:
            raise unwritable(self.events, error) from error
