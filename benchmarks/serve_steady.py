"""Steady serving: mixed load for minutes, with all that goes wrong. Used by `serve.py steady`.

Two processes answer a table run (two versions, one put in the other's place each minute) and a run that writes. 5 % of the
bodies are malformed, 5 % of the clients vanish before their answer, and each two minutes a process is killed. Counted: answers
that are wrong for the version that they name, 5xx, requests lost other than those of a killed process, memory by process.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from serve import free_port, running, trained

CLIENTS = 12
RELOAD, KILL, LOOK = 60.0, 120.0, 5.0


def workers(pid: int) -> list[int]:
    """The processes that answer: children of the server's first one that have loaded a network."""
    found = []
    for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if memory(int(each)) > 100:
            found.append(int(each))
    return found


def memory(pid: int) -> float:
    """A process's own memory in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def expected(folder: Path, rows: list[dict[str, float]]) -> tuple[str, list[float]]:
    """A run's version, and what it answers to rows."""
    import netwright as nw
    from netwright.serve.served import version

    frame = nw.load(folder).predict(rows)
    return version(folder), frame["p_benign"].to_list()


class Load:
    """Clients that ask, and what came of it."""

    def __init__(self, port: int, rows: list[dict[str, float]], truth: dict[str, list[float]]) -> None:
        self.port, self.rows, self.truth = port, rows, truth
        self.found = {
            "answered": 0,
            "written": 0,
            "refused": 0,
            "busy": 0,
            "vanished": 0,
            "wrong": 0,
            "5xx": 0,
            "lost": 0,
        }
        self.killed, self.unexplained, self.draw = -60.0, 0, random.Random(0)
        self.odd: list[str] = []

    async def client(self, end: float) -> None:
        """Ask until the time is over; where a connection is lost, make a new one."""
        while time.monotonic() < end:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                while time.monotonic() < end and await self.ask(reader, writer):
                    pass
                writer.close()
            except (OSError, asyncio.IncompleteReadError):
                self.found["lost"] += 1
                if time.monotonic() - self.killed > 10:
                    self.unexplained += 1
                    self.odd.append("a connection was lost though no process was killed")
                await asyncio.sleep(0.2)

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection is to be kept."""
        sort, at = self.draw.random(), self.draw.randrange(len(self.rows))
        body, path = json.dumps(self.rows[at]).encode(), "/models/it/predict"
        if sort < 0.05:
            body = body[: self.draw.randrange(len(body))]
        elif sort > 0.97:
            path, body = (
                "/v1/completions",
                json.dumps({"model": "poems", "prompt": "the", "max_tokens": 12, "temperature": 0}).encode(),
            )
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        if 0.05 <= sort < 0.10:
            await writer.drain()
            self.found["vanished"] += 1
            return False
        top = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        told = json.loads(await reader.readexactly(length))
        status = int(top[9:12])
        await asyncio.sleep(self.draw.random() * 0.01)
        self.count(status, told, path, sort, at)
        return b"connection: close" not in top.lower()

    def count(self, status: int, told: dict[str, Any], path: str, sort: float, at: int) -> None:
        """Count an answer, right or wrong."""
        if status >= 500:
            self.found["5xx"] += 1
            self.odd.append(str(told)[:200])
        elif status == 429:
            self.found["busy"] += 1
        elif sort < 0.05:
            self.found["refused"] += status in (400, 422)
        elif path.startswith("/v1"):
            self.found["written"] += status == 200
        else:
            wanted = self.truth[told["version"]][at]
            got = told["predictions"][0]["y"]["probabilities"]["benign"]
            right = abs(got - wanted) < 1e-5
            self.found["answered" if right else "wrong"] += 1


async def go(pid: int, load: Load, minutes: float, live: Path, versions: list[Path]) -> list[tuple[float, list[float]]]:
    """Load, reload and kill; returns the memory of the processes by time."""
    began = time.monotonic()
    end = began + 60 * minutes
    clients = [asyncio.create_task(load.client(end)) for _ in range(CLIENTS)]
    seen, turn, reload_at, kill_at = [], 0, began + min(RELOAD, 15 * minutes), began + min(KILL, 25 * minutes)
    while time.monotonic() < end:
        await asyncio.sleep(min(LOOK, minutes * 3))
        now = time.monotonic()
        seen.append((now - began, [memory(each) for each in workers(pid)]))
        if now >= reload_at:
            turn, reload_at = turn + 1, now + min(RELOAD, 15 * minutes)
            fresh = live.with_name("fresh")
            await asyncio.to_thread(shutil.copytree, versions[turn % 2], fresh)
            live.rename(live.with_name(f"old-{turn}"))
            fresh.rename(live)
        if now >= kill_at:
            kill_at, load.killed = now + min(KILL, 25 * minutes), now
            os.kill(workers(pid)[0], signal.SIGKILL)
            print(f"{now - began:6.0f} s: a process was killed; {load.found}", flush=True)
    await asyncio.gather(*clients)
    return seen


def steady(minutes: float, scratch: Path) -> list[str]:
    """Serve under load for minutes, and return what is told of it."""
    from sklearn.datasets import load_breast_cancer

    import netwright as nw

    values = load_breast_cancer().data
    rows = [{f"c{k}": float(v) for k, v in enumerate(row)} for row in values[:100]]
    first, second, live = scratch / "first", scratch / "second", scratch / "live"
    trained(first)
    data = load_breast_cancer()
    table = {**{f"c{k}": data.data[:, k] for k in range(30)}, "y": [data.target_names[t] for t in data.target]}
    nw.train(table, target="y", model="linear", output=second)
    texts = [{"text": f"the moon shines on {k % 9} houses and the {k % 4} rivers"} for k in range(60)]
    nw.train(texts, target="text", model={"family": "transformer", "width": 32, "depth": 2, "heads": 4}, output=scratch / "poems", settings={"training": {"epochs": 3}, "columns": {"text": {"kind": "text", "vocabulary": 300}}})  # fmt: skip
    truth = dict(expected(folder, rows) for folder in (first, second))
    shutil.copytree(first, live)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "netwright",
        "serve",
        f"it={live}",
        str(scratch / "poems"),
        "--port",
        str(port),
        "--workers",
        "2",
        "--watch",
        "1",
    ]
    with running(command, port, ready="/ready") as process:
        while len(workers(process.pid)) < 2:
            time.sleep(0.5)
        load = Load(port, rows, truth)
        seen = asyncio.run(go(process.pid, load, minutes, live, [first, second]))
    found = load.found
    # killed processes start anew: memory is compared within a process's life, as the largest total early and late
    whole = [sum(each) for _, each in seen if len(each) == 2]
    quarter = max(len(whole) // 4, 1)
    early, late = max(whole[quarter : 2 * quarter], default=0.0), max(whole[-quarter:], default=0.0)
    lines = [
        f"\n{minutes:g} minutes, {CLIENTS} clients, 2 processes: "
        + ", ".join(f"{value:,} {name}" for name, value in found.items())
        + ".",
        f"\nLost connections that no killed process explains: {load.unexplained}. Memory of both processes: at most {early:,.0f} MB in the second "
        f"quarter, {late:,.0f} MB in the last ({100 * (late / early - 1) if early else 0:+.1f} %).",
    ]
    return lines + [f"\n- {text}" for text in sorted(set(load.odd))[:10]]
