"""Rows, pictures, and a server in a thread."""

from __future__ import annotations

import asyncio
import io
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from netwright.serve.app import built
from netwright.serve.logs import Log
from netwright.serve.settings import Settings


def table(count: int = 200) -> list[dict[str, Any]]:
    """Rows of all kinds that a table may hold, with gaps."""
    draw = random.Random(0)
    rows = []
    for k in range(count):
        size, city = draw.uniform(10, 90), draw.choice(["Rome", "Bonn", "上海"])
        rows.append({
            "size": None if k % 17 == 0 else round(size, 1), "rooms": k % 5, "city": None if k % 19 == 0 else city,
            "code": k % 2, "lift": k % 3 == 0, "since": f"20{10 + k % 9}-0{1 + k % 9}-11", "marks": "a|b" if k % 4 else "c",
            "advert": " ".join(draw.choices(["sunny", "quiet", "small", "large", "view", "garden"], k=5)),
            "price": size * 3 + 10 * (city == "Rome"), "sold": "yes" if size > 50 else "no", "tags": ["x", "y"] if k % 3 else ["z"],
        })  # fmt: skip
    return rows


def images() -> dict[str, Any]:
    """Bright squares at the left or at the right."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 60, (80, 12, 12), dtype=np.uint8)
    sides = np.arange(80) % 2
    for k, side in enumerate(sides):
        pixels[k, 3:9, 1 + 6 * side : 5 + 6 * side] = 230
    return {"picture": pixels, "side": np.array(["left", "right"])[sides]}


class Live:
    """A server in a thread, and a client of it."""

    def __init__(self, names: list[str], folder: Path, **settings: Any) -> None:
        self.lines = io.StringIO()
        self.settings = Settings(threads=1, **settings)
        given = [name if "=" in name else str(folder / name) for name in names]
        self.gate: Any = built(given, self.settings, log=Log(self.lines))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.gate, log_config=None, ws="none", lifespan="on", server_header=False, timeout_graceful_shutdown=10
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        self.client = httpx.Client(base_url=self.base, timeout=30)
        while not self.server.started:
            time.sleep(0.01)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's own loop."""
        return self.server.servers[0].get_loop()

    def log(self) -> str:
        """What the server has logged so far."""
        self.loop.call_soon_threadsafe(self.gate.log.flush)
        time.sleep(0.05)
        return self.lines.getvalue()

    def stop(self) -> None:
        """Stop as a signal does."""
        self.client.close()
        self.server.should_exit = True
        self.thread.join(20)
        self.socket.close()


def until(look: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
