"""The runs that are served, by name, and the watch that takes up newer ones."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from netwright.errors import InputError, Problem
from netwright.serve import metrics
from netwright.serve.logs import Log
from netwright.serve.refusal import Refusal
from netwright.serve.served import Served, Signature, Threads, opened, signature
from netwright.serve.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def named(runs: list[str]) -> dict[str, Path]:
    """Return folders by the names they are served under: NAME=FOLDER, or the folder's own name.

    Raises `InputError` where a name cannot stand in an address, or stands twice.

    >>> named(["runs/iris", "flowers=runs/iris-2"])["flowers"].as_posix()
    'runs/iris-2'
    """
    out: dict[str, Path] = {}
    for run in runs:
        given, found, path = run.partition("=")
        folder = Path(path if found else run)
        name = given if found else folder.resolve().name if folder.name in ("", ".", "..") else folder.name
        if not _NAME.fullmatch(name):
            what = f"{name!r} cannot be a model's name in an address"
            raise InputError(Problem(run, what, allowed="letters, digits and . _ -", fix=f"name it: NAME={run}"))
        if name in out:
            raise InputError(Problem(run, f"the name {name!r} occurs twice", fix=f"name one: OTHER={run}"))
        out[name] = folder
    return out


class Shelf:
    """The versions that answer now."""

    def __init__(self, runs: dict[str, Path], settings: Settings, log: Log) -> None:
        self.runs, self.settings, self.log = runs, settings, log
        self.ways = {"/predict": None} | {f"/models/{name}/predict": name for name in runs}  # where rows are answered

        def begin(threads: int) -> None:
            torch.set_flush_denormal(True)
            torch.set_num_threads(threads)

        one = settings.threads or 1
        begin(one)
        encoder = ThreadPoolExecutor(1, "encoder", begin, (one,))
        self.threads = Threads(encoder, ThreadPoolExecutor(1, "caller", begin, (settings.share(),)))
        self.current: dict[str, Served] = {}
        self.seen: dict[str, Signature] = {}
        for name, folder in runs.items():
            self.current[name], self.seen[name] = opened(name, folder, settings, self.threads)
        if "float64" in (kinds := {served.model.plan.precision for served in self.current.values()}):
            if len(kinds) > 1:
                what = "float64 and float32 runs cannot be served by one process"
                raise InputError(Problem("runs", what, fix="serve each by itself, on a port of its own"))
            torch.set_default_dtype(torch.float64)
        self.stopping = False

    @property
    def only(self) -> Served | None:
        """The only one, where there is one."""
        return next(iter(self.current.values())) if len(self.current) == 1 else None

    def get(self, name: str | None, way: str = "{}") -> Served:
        """Return what answers under a name; without one, the only model.

        Raises `Refusal` that names what there is, each written as `way` has it.
        """
        if name is None and self.only is not None:
            return self.only
        if name not in self.current:
            what = "Several models are served, each by its name" if name is None else "There is no such model"
            there = ", ".join(way.format(name) for name in self.current)
            raise Refusal(404, f"{what}; there is: {there}.", code="model_not_found", param="model")
        return self.current[name]

    def at(self, way: str) -> Served:
        """Return what answers rows at an address of `ways`. Raises `Refusal` where it stands for several."""
        return self.get(self.ways[way], "/models/{}/predict")

    async def watch(self) -> None:
        """Look now and then whether a run is newer, and take it up. What was accepted is answered by the older one."""
        looked = dict(self.seen)
        while self.settings.watch:
            await asyncio.sleep(self.settings.watch)
            for name, folder in self.runs.items():
                now = signature(folder)
                settled, looked[name] = now == looked[name], now
                if settled and now and now != self.seen[name]:
                    self.seen[name] = now
                    await self._take_up(name, folder)

    async def _take_up(self, name: str, folder: Path) -> None:
        loop, old = asyncio.get_running_loop(), self.current[name]
        try:
            new, self.seen[name] = await loop.run_in_executor(
                self.threads.encoder, opened, name, folder, self.settings, self.threads
            )
        except InputError as error:
            metrics.reloads.labels(name, "refused").inc()
            self.log.say(
                "reload.refused", level="warning", model=name, version=old.version, reason=error.problems[0].what
            )
            return
        if new.model.plan.precision != old.model.plan.precision or new.version == old.version:
            new.retire()
            return
        self.current[name] = new
        old.retire()
        metrics.reloads.labels(name, "taken_up").inc()
        self.log.say("reload", model=name, version=new.version, before=old.version)
