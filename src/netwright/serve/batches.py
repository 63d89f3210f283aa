"""Dynamic batching: rows of several requests are answered by one call of the network.

A lone row never waits. While there were others the last time, a row waits for them up to `gather`; while a call is at
work, what comes gathers by itself. A call that takes less than LIGHT is made on the loop itself: handing it to a thread
and back takes about as long.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from netwright.serve.refusal import busy
from netwright.serve.short import Encoded

LIGHT = 0.003  # seconds
TOGETHER = 512  # rows of a call, about

Answer = Callable[[list[Encoded]], list[list[dict[str, Any]]]]


class Batcher:
    """Gathers rows and answers them together. `told`: called with the rows of each call and its seconds."""

    def __init__(
        self, answer: Answer, executor: Executor, *, gather: float, most: int, light: bool,
        told: Callable[[int, float], None],
    ) -> None:  # fmt: skip
        self.answer, self.executor, self.told = answer, executor, told
        self.gather, self.most, self.light = gather, most, light
        self.waiting: deque[tuple[Encoded, asyncio.Future[list[dict[str, Any]]]]] = deque()
        self.rows, self.together, self.at_work = 0, 1.0, False
        self.timer: asyncio.Handle | None = None

    def put(self, part: Encoded) -> asyncio.Future[list[dict[str, Any]]]:
        """Return the future answer to some rows; cancelled, they are left out. Raises `Refusal` where too many wait."""
        if self.rows and self.rows + part.count > self.most:
            raise busy("rows")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[dict[str, Any]]] = loop.create_future()
        self.waiting.append((part, future))
        self.rows += part.count
        if self.at_work:
            return future
        full = len(self.waiting) >= round(self.together) or self.rows >= TOGETHER
        if self.timer is None:
            # one turn of the loop: what has already arrived is read first
            self.timer = loop.call_soon(self._flush) if full else loop.call_later(self.gather, self._flush)
        elif full and isinstance(self.timer, asyncio.TimerHandle):
            self.timer.cancel()
            self.timer = loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        self.timer = None
        parts, futures, rows = [], [], 0
        while self.waiting and (not rows or rows + self.waiting[0][0].count <= TOGETHER):
            part, future = self.waiting.popleft()
            self.rows -= part.count
            if not future.cancelled():
                parts.append(part)
                futures.append(future)
                rows += part.count
        if not parts:
            return
        self.together = max(1.0, 0.7 * self.together + 0.3 * len(parts))
        began = time.perf_counter()
        if self.light and rows <= TOGETHER:
            try:
                _give(futures, self.answer(parts))
            except Exception as error:  # noqa: BLE001 - whatever it is, each request that waits is told
                _fail(futures, error)
            self.told(rows, time.perf_counter() - began)
            self._again()
            return
        self.at_work = True
        work = asyncio.get_running_loop().run_in_executor(self.executor, self.answer, parts)
        work.add_done_callback(lambda done: self._done(done, futures, rows, began))

    def _done(self, done: asyncio.Future[Any], futures: list[asyncio.Future[Any]], rows: int, began: float) -> None:
        self.at_work = False
        error = done.exception()
        if error is None:
            _give(futures, done.result())
        else:
            _fail(futures, error)
        self.told(rows, time.perf_counter() - began)
        self._again()

    def _again(self) -> None:
        if self.waiting and self.timer is None:
            self.timer = asyncio.get_running_loop().call_soon(self._flush)


def _give(futures: list[asyncio.Future[Any]], answers: list[Any]) -> None:
    for future, rows in zip(futures, answers, strict=True):
        if not future.done():
            future.set_result(rows)


def _fail(futures: list[asyncio.Future[Any]], error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
