"""Bytes in, bytes out: a request's body within its bound, JSON read strictly, answers sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json, to_json
from starlette.types import Message, Receive, Scope, Send

from netwright.serve.refusal import Refusal

JSON = b"application/json"


class Gone(Exception):
    """The client has left."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return a header of a request that has passed the gate."""
    value = scope["heads"].get(name)
    return None if value is None else value.decode("latin-1")


async def body(scope: Scope, receive: Receive, most: int, seconds: float) -> bytes:
    """Read a request's body. Raises `Refusal` as soon as it is known to be too large, or does not come in time, and `Gone`
    where the client left.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _read(scope, receive, most)
    except TimeoutError:
        raise _slow(seconds) from None


async def _read(scope: Scope, receive: Receive, most: int) -> bytes:
    refuse_large(scope, most)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    if not message.get("more_body", False):
        found = message.get("body", b"")
        if len(found) > most:
            raise too_large(most)
        return found
    parts, size = [message.get("body", b"")], len(message.get("body", b""))
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large(most)
    return b"".join(parts)


def refuse_large(scope: Scope, most: int) -> None:
    """Raise `Refusal` where a request says of itself that it is too large."""
    told = header(scope, b"content-length") or "0"
    if not (told.isascii() and told.isdigit()) or len(told) > 18 or int(told) > most:
        raise too_large(most)


def too_large(most: int) -> Refusal:
    """Return the refusal of a body beyond its bound; the connection ends with it, as the rest is not read."""
    return Refusal(
        413, f"The request is larger than {most:,} bytes.", code="body_too_large", headers=((b"connection", b"close"),)
    )


def _slow(seconds: float) -> Refusal:
    return Refusal(408, f"The request did not come within {seconds:g} s.", headers=((b"connection", b"close"),))


def bounded(scope: Scope, receive: Receive, most: int, seconds: float) -> Receive:
    """Return a `receive` that raises `Refusal` once a body is larger than its bound, or does not come in time.

    The refusal is kept in the scope too: who parses a body may make another error of it.
    """
    size, coming, end = 0, True, asyncio.get_running_loop().time() + seconds

    async def counted() -> Message:
        nonlocal size, coming
        if not coming:  # only the client's leaving is still to come
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            scope["refusal"] = _slow(seconds)
            raise scope["refusal"] from None
        size, coming = size + len(message.get("body", b"")), message.get("more_body", False)
        if size > most:
            scope["refusal"] = too_large(most)
            raise scope["refusal"]
        return message

    return counted


def parsed(content: bytes) -> Any:
    """Return a body's JSON; NaN and infinity are none. Raises `Refusal` with the place of the mistake."""
    try:
        return from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        text = str(error)
        if not content.strip():
            raise Refusal(400, "The request has no body: send JSON.", code="json") from None
        if "utf-8" in text or "unicode" in text:
            raise Refusal(400, "The body is no valid UTF-8.", code="json") from None
        raise Refusal(400, f"The body is no JSON: {text[:200]}.", code="json") from None


def written(value: Any) -> bytes:
    """Return a value as JSON; what is not finite becomes null."""
    return to_json(value, inf_nan_mode="null")


async def send(
    out: Send, status: int, content: bytes, *, kind: bytes = JSON, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send an answer."""
    told = [(b"content-type", kind), (b"content-length", str(len(content)).encode()), *headers]
    await out({"type": "http.response.start", "status": status, "headers": told})
    await out({"type": "http.response.body", "body": content})
