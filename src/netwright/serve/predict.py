"""`POST /predict`: rows in, answers out. This way is kept short: no framework between the socket and the batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Receive, Scope

from netwright.errors import InputError
from netwright.inference.generation import Text
from netwright.nn.heads.text.settings import SamplingParams
from netwright.serve import metrics
from netwright.serve.columns import Reader
from netwright.serve.refusal import Refusal, of_input
from netwright.serve.served import Served
from netwright.serve.settings import Settings
from netwright.serve.short import Encoded, encode
from netwright.serve.wire import Gone, body, bounded, header, parsed, refuse_large, written
from netwright.serve.writer import Job

FEW = 256  # rows that are encoded on the loop itself, of kinds that are quickly read
LARGE = 2**20  # bytes of a body that is parsed beside the loop
PATIENCE = 0.05  # seconds after which it is watched whether the client is still there


async def predict(served: Served, settings: Settings, scope: Scope, receive: Receive) -> tuple[bytes, int]:
    """Return the answer to a request as JSON, and how many rows it had. Raises `Refusal`, and `Gone`."""
    sort = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
    loop = asyncio.get_running_loop()
    if sort == "multipart/form-data":
        rows, many = await _form(served.reader, settings, scope, receive), True
    elif sort in ("application/json", ""):
        content = await body(scope, receive, settings.body, settings.time_limit)
        value = (
            parsed(content)
            if len(content) < LARGE
            else await loop.run_in_executor(served.threads.encoder, parsed, content)
        )
        many = isinstance(value, list)
        rows = value if many else [value]
    else:
        raise Refusal(415, f"The content type is {sort[:80]!r}: send application/json or multipart/form-data.")
    if served.writer is not None:
        found, notes = await _write(served, settings, rows, receive), []
    else:
        part = await _encoded(served, rows)
        assert served.batcher is not None
        found, notes = await waited(served.batcher.put(part), receive, settings.time_limit), part.notes
    metrics.rows.labels(served.name).inc(len(found))
    told: dict[str, Any] = {"model": served.name, "version": served.version, "predictions": found}
    if notes:
        told["notes"] = notes
    return written(told), len(rows)


async def _encoded(served: Served, rows: list[Any]) -> Encoded:
    """Check and encode rows, beside the loop where that takes long."""

    def work() -> Encoded:
        return encode(served.model, served.reader.read(rows))

    try:
        if served.reader.light and len(rows) <= FEW:
            return work()
        return await asyncio.get_running_loop().run_in_executor(served.threads.encoder, work)
    except InputError as error:
        raise of_input(error) from None


async def waited(work: Awaitable[Any], receive: Receive, seconds: float) -> Any:
    """Wait for an answer. Raises `Gone` where the client leaves, and `Refusal` where it takes too long.

    Most answers come before it is worth a look whether the client is still there.
    """
    future = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    watch: list[asyncio.Task[None]] = []
    late = False

    async def look() -> None:
        nonlocal late
        try:
            async with asyncio.timeout(seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            late = True
        future.cancel()

    timer = loop.call_later(PATIENCE, lambda: watch.append(loop.create_task(look())))
    try:
        return await future
    except asyncio.CancelledError:
        if late:
            raise Refusal(504, f"The answer took longer than {seconds:g} s.", code="time_limit") from None
        if watch and watch[0].done():
            raise Gone from None
        raise
    finally:
        timer.cancel()
        if watch:
            watch[0].cancel()


async def _write(served: Served, settings: Settings, rows: list[Any], receive: Receive) -> list[dict[str, Any]]:
    """Let a run that writes answer rows, greedily."""
    assert served.writer is not None
    if not served.reader.columns:
        way = "chat/completions" if served.chats else "completions"
        raise Refusal(400, f"This model writes after a prompt: POST /v1/{way}.", code="writes")
    columns = served.reader.read(rows)
    prompts = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    kind: Any = served.writer.generator.kind
    jobs = served.writer.ask(prompts, SamplingParams(max_tokens=kind.longest))
    name = served.model.targets[0]
    try:
        texts = await waited(asyncio.gather(*(whole(served, job) for job in jobs)), receive, settings.time_limit)
    except InputError as error:
        raise of_input(error) from None
    finally:
        served.writer.leave(jobs)
    return [{name: {"predicted": text.text, "log_probability": text.log_probability}} for text in texts]


async def whole(served: Served, job: Job) -> Text:
    """Return all of a text."""
    assert served.writer is not None
    async for piece in served.writer.pieces(job):
        if isinstance(piece, Text):
            return piece
    raise AssertionError("a text ends")


async def _form(reader: Reader, settings: Settings, scope: Scope, receive: Receive) -> list[dict[str, Any]]:
    """Read one row from a form: a field or a file for each column. Several files of an only column are as many rows."""
    refuse_large(scope, settings.body)
    request = Request(scope, bounded(scope, receive, settings.body, settings.time_limit))
    held: dict[str, list[Any]] = {}
    try:
        async with request.form(max_files=settings.rows, max_fields=1000, max_part_size=settings.body) as form:
            for name, value in form.multi_items():
                held.setdefault(name, []).append(value if isinstance(value, str) else await value.read())
    except (MultiPartException, HTTPException) as error:
        what = error.message if isinstance(error, MultiPartException) else error.detail
        raise Refusal(400, f"The form cannot be read: {str(what)[:200]}", code="form") from None
    values = {column.name: column.value for column in reader.columns}
    if list(held) == list(values) and len(values) == 1 and values[next(iter(values))].files:
        name = next(iter(values))
        return [{name: part} for part in held[name]]
    return [{name: values[name].field(parts) if name in values else parts[0] for name, parts in held.items()}]
