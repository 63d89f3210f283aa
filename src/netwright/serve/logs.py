"""The server's log: one JSON object a line, on standard error. It holds ids, routes, statuses and times; nothing that a
user sent, no address and no key.

Lines are gathered for a moment and written together: a write for each would cost a tenth of a small answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import lru_cache
from typing import Any, TextIO

GATHER = 0.2  # seconds
_json = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache(2)
def _second(when: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))


class Log:
    """Writes what happens."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out, self.lines, self.loop = out or sys.stderr, list[str](), None

    def say(self, event: str, /, *, level: str = "info", **facts: Any) -> None:
        """Write an event with its facts."""
        when = time.time()
        stamp = f"{_second(int(when))}.{int(when % 1 * 1000):03}Z"
        self.lines.append(_json({"time": stamp, "level": level, "event": event, **facts}))
        if len(self.lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_later(GATHER, self.flush)
        except RuntimeError:  # outside the loop: while starting, or from a thread
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        lines, self.lines = self.lines, []
        if lines:
            self.out.write("\n".join(lines) + "\n")
            self.out.flush()
