"""The gate that every request passes: who may ask, how much may come in, what is said of it, what leaves.

Plain ASGI: a framework's layers would take longer than a small answer. `/predict` is answered here; all else by the app.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import traceback
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netwright.serve import metrics
from netwright.serve.keys import Keys
from netwright.serve.logs import Log
from netwright.serve.predict import predict
from netwright.serve.refusal import Refusal, busy
from netwright.serve.settings import Settings
from netwright.serve.shelf import Shelf
from netwright.serve.wire import Gone, bounded, header, refuse_large, send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN = frozenset({"/", "/docs", "/health", "/ready", "/favicon.ico"})  # asked without a key, as the page's files are
METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"})
MOST = 2048  # requests under way at once
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PLAIN = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))  # of answers that no browser shows
_SAFE = (
    *_PLAIN,
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Gate:
    """The outermost layer of the server."""

    def __init__(self, app: ASGIApp, shelf: Shelf, settings: Settings, keys: Keys | None, log: Log) -> None:
        self.app, self.shelf, self.settings, self.keys, self.log = app, shelf, settings, keys, log
        self.local = settings.host in LOOPBACK
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["heads"] = dict(scope["headers"])
        given = header(scope, b"x-request-id")
        request = given if given and _ID.fullmatch(given) else os.urandom(8).hex()
        state: dict[str, Any] = {"status": 0, "route": "", "rows": None}
        telling = (b"x-request-id", request.encode())
        safe = _PLAIN if scope["path"] in self.shelf.ways else _SAFE

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), telling, *safe]
            await send(message)

        self.under_way += 1
        try:
            await self._answer(scope, receive, out, request, state)
        finally:
            self.under_way -= 1
            taken = time.perf_counter() - began
            counted, timed = metrics.of_route(state["route"], state["status"])
            counted.inc()
            timed.observe(taken)
            facts = {"rows": state["rows"]} if state["rows"] is not None else {}
            self.log.say(
                "request", id=request, method=_method(scope), route=state["route"], status=state["status"],
                ms=round(taken * 1000, 2), **facts,
            )  # fmt: skip

    async def _answer(self, scope: Scope, receive: Receive, out: Send, request: str, state: dict[str, Any]) -> None:
        """Answer, or refuse; whatever goes wrong is answered with nothing but its request's id."""
        path = scope["path"]
        rows = path in self.shelf.ways
        state["route"] = path if rows else "other"
        try:
            self._let_in(scope, path)
            if rows:
                if scope["method"] != "POST":
                    allow = ((b"allow", b"POST"),)
                    raise Refusal(405, f"{path} takes POST, not {_method(scope)}.", headers=allow)
                content, state["rows"] = await predict(self.shelf.at(path), self.settings, scope, receive)
                await send(out, 200, content)
                return
            refuse_large(scope, self.settings.body)
            scope["request_id"] = request
            try:
                await self.app(scope, bounded(scope, receive, self.settings.body, self.settings.time_limit), out)
            finally:
                state["route"] = getattr(scope.get("route"), "path", state["route"])
        except Gone:
            metrics.left.labels(state["route"]).inc()
            state["status"] = 499
        except Refusal as refusal:
            if not state["status"]:
                await send(out, refusal.status, refusal.sent(request), headers=refusal.headers)
        except asyncio.CancelledError:  # the server stops, and its patience is over
            if not state["status"]:
                late = Refusal(503, "The server is stopping.", code="stopping")
                await send(out, 503, late.sent(request))
            raise
        except Exception as error:  # noqa: BLE001 - the last resort: a bug of ours, told to the log alone
            frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-4:]]
            self.log.say("error", level="error", id=request, sort=type(error).__name__, at=frames)
            if not state["status"]:
                wrong = Refusal(500, "Something went wrong here; the log holds this request's id.", code="internal")
                await send(out, 500, wrong.sent(request))

    def _let_in(self, scope: Scope, path: str) -> None:
        """Raise `Refusal` where the request may not be answered."""
        if self.under_way > MOST:
            raise busy("requests")
        host = header(scope, b"host")
        if self.local and host is not None and _name(host) not in LOOPBACK:
            # a page of another name that leads to this machine (DNS rebinding) is not to read what is served here
            raise Refusal(421, "This server answers to localhost and 127.0.0.1 alone.", code="host")
        origin = header(scope, b"origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Refusal(403, "Pages of other origins may not ask this server.", code="origin")
        if self.keys is None or path in OPEN or path.startswith("/page/"):
            return
        kind, _, given = (header(scope, b"authorization") or "").partition(" ")
        key = given.strip() if kind.lower() == "bearer" else header(scope, b"x-api-key")
        if not key or self.keys.owner(key) is None:
            ask = ((b"www-authenticate", b"Bearer"),)
            raise Refusal(401, "A key is needed: Authorization: Bearer KEY.", code="key", headers=ask)


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0].lower()


def _method(scope: Scope) -> str:
    """The method as it may be told: clients may send any word."""
    return scope["method"] if scope["method"] in METHODS else "other"
