"""One version of a run, ready to answer."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netwright.events import quiet
from netwright.inference.model import Model, load
from netwright.kinds.language import written
from netwright.runtime.run import Run
from netwright.serve import metrics
from netwright.serve.batches import LIGHT, Batcher
from netwright.serve.columns import Reader
from netwright.serve.settings import Settings
from netwright.serve.short import answered, encode
from netwright.serve.writer import Writer

FILES = ("run.json", "recipe.yaml", "plan.json", "kinds.json", "trust.json", "model.safetensors")
PROOF = 16  # rows of the call by which it is told how long calls take

Signature = tuple[tuple[str, int, int, int], ...]


def signature(folder: Path) -> Signature:
    """Return what changes when a file of a run does; a file that is not there has none."""
    out = []
    for name in FILES:
        try:
            found = (folder / name).stat()
        except OSError:
            continue
        out.append((name, found.st_ino, found.st_size, found.st_mtime_ns))
    return tuple(out)


def version(folder: Path) -> str:
    """Return the first digits of the SHA-256 of what answers: weights, kinds and trust."""
    digest = hashlib.sha256()
    for name in FILES[3:]:
        if (folder / name).exists():
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Threads:
    """The threads that versions of all runs share: one encodes rows that take long, one makes calls that take long."""

    encoder: ThreadPoolExecutor
    caller: ThreadPoolExecutor


class Served:
    """A loaded run under its name. Whoever holds it may ask it, also after a newer version has taken its place."""

    def __init__(self, name: str, model: Model, settings: Settings, threads: Threads, *, version: str) -> None:
        self.name, self.model, self.version = name, model, version
        self.made = datetime.now(UTC).replace(microsecond=0)
        self.reader = Reader(model.fitted, settings)
        text = written(model.fitted.targets.values())
        self.writes = "" if text is None else "messages" if text.conversation else "text"
        self.chats = text is not None and text.conversation
        self.threads = threads
        self.writer = Writer(name, model, settings) if self.writes else None
        self.batcher = None if self.writes else self._batcher(settings)
        metrics.loaded.labels(name).set(time.time())

    def _batcher(self, settings: Settings) -> Batcher:
        batches, calls = metrics.batch.labels(self.name), metrics.call.labels(self.name)

        def told(rows: int, seconds: float) -> None:
            batches.observe(rows)
            calls.observe(seconds)

        def answer(parts: list[Any]) -> list[list[dict[str, Any]]]:
            return answered(self.model, parts)

        return Batcher(
            answer, self.threads.caller, gather=settings.gather / 1000, most=settings.queue,
            light=self._seconds() < LIGHT, told=told,
        )  # fmt: skip

    def _seconds(self) -> float:
        """How long a call takes, the first being slower than all others."""
        times: list[float] = []
        with quiet():
            part = encode(self.model, self.reader.blank())
            for _ in range(4):
                began = time.perf_counter()
                answered(self.model, [part] * PROOF)
                times.append(time.perf_counter() - began)
        return min(times)

    def retire(self) -> None:
        """A newer version has taken its place: end once what was accepted is answered."""
        if self.writer is not None:
            self.writer.retire()


def opened(name: str, folder: Path, settings: Settings, threads: Threads) -> tuple[Served, Signature]:
    """Load a run. Raises `InputError` where it is none, is half written, or was changed while it was read."""
    from netwright.errors import InputError, Problem

    before = signature(folder)
    state = Run.open(folder).read(folder / "run.json").get("state", "done")
    if state != "done":
        fix = f"netwright train --resume {folder}"
        raise InputError(Problem(str(folder), "this run is not complete", fix=fix))
    with quiet():
        served = Served(name, load(folder), settings, threads, version=version(folder))
    if signature(folder) != before:
        served.retire()
        raise InputError(Problem(str(folder), "this run changed while it was read", fix="try again"))
    return served, before
