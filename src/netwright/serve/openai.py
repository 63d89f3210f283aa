"""The ways that OpenAI's clients know, for runs that write: models, completions, chat. What is asked for and cannot be
given is refused, never passed over.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from netwright.errors import InputError
from netwright.inference.generation import Text
from netwright.kinds.prompting import Unfit, turns
from netwright.nn.heads.text.settings import SamplingParams
from netwright.serve import metrics
from netwright.serve.predict import waited
from netwright.serve.refusal import Refusal, of_input
from netwright.serve.served import Served
from netwright.serve.settings import Settings
from netwright.serve.shelf import Shelf
from netwright.serve.wire import Gone, written
from netwright.serve.writer import Job, Piece, Token

CHOICES = 8
FINISH = {"end": "stop", "stop": "stop", "length": "length", "context": "length"}


class StreamOptions(BaseModel):
    """What a stream says beside the text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class Asked(BaseModel):
    """What both forms ask for. The last five are not OpenAI's."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(default=None, description="model name; optional if there is only one")
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=100)
    top_p: float | None = Field(default=None, gt=0, le=1)
    stop: str | list[str] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    n: int | None = Field(default=None, ge=1, le=CHOICES)
    max_tokens: int | None = Field(default=None, ge=1, description="default: until the text or the context ends")
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    top_k: int = Field(default=0, ge=0)
    min_p: float = Field(default=0.0, ge=0, le=1)
    repetition_penalty: float = Field(default=1.0, gt=0)

    def unable(self) -> dict[str, Any]:
        """Return what was asked for and is not offered, by name."""
        return {
            name: value
            for name in ("presence_penalty", "frequency_penalty", "logit_bias")
            if (value := getattr(self, name))
        }


class Completion(Asked):
    """A prompt to go on with."""

    prompt: str | list[str] = Field(description="a text, or several")
    logprobs: int | None = Field(default=None, ge=0, le=20)
    echo: bool | None = None
    best_of: int | None = None
    suffix: str | None = None

    def unable(self) -> dict[str, Any]:
        more = {name: value for name in ("echo", "suffix") if (value := getattr(self, name))}
        return super().unable() | more | ({"best_of": self.best_of} if self.best_of not in (None, 1, self.n) else {})


class Chat(Asked):
    """A conversation to answer."""

    messages: list[dict[str, Any]] = Field(min_length=1, max_length=10_000)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    response_format: dict[str, Any] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    store: bool | None = None
    reasoning_effort: str | None = None

    def unable(self) -> dict[str, Any]:
        found = super().unable() | ({"tools": self.tools} if self.tools else {})
        plain = self.response_format is None or self.response_format.get("type") == "text"
        return found | ({} if plain else {"response_format": self.response_format})


def add(app: FastAPI, shelf: Shelf, settings: Settings) -> None:
    """Add the ways to an application."""

    @app.get("/v1/models", summary="The models that write", tags=["openai"])
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(served) for served in shelf.current.values() if served.writes]}

    @app.get("/v1/models/{name}", summary="One of them", tags=["openai"])
    async def model(name: str) -> dict[str, Any]:
        return _model(shelf.get(name))

    @app.post("/v1/completions", summary="Go on with a text", tags=["openai"])
    async def complete(asked: Completion, request: Request) -> Response:
        served = _writes(shelf.get(asked.model))
        prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
        if not prompts or len(prompts) > settings.waiting:
            raise Refusal(400, f"Give a text, or up to {settings.waiting} texts.", param="prompt")
        told = _sampling(served, asked, logprobs=(asked.logprobs or 0) + 1 if asked.logprobs is not None else 0)
        form = _Completion(served, asked)
        return await _answered(form, _brought(served, prompts), told, request, settings)

    @app.post("/v1/chat/completions", summary="Answer a conversation", tags=["openai"])
    async def chat(asked: Chat, request: Request) -> Response:
        served = _writes(shelf.get(asked.model))
        if not served.chats:
            raise Refusal(400, f"{served.name} was not trained on messages: POST /v1/completions.", code="not_chat", param="model")  # fmt: skip
        try:
            said = turns(
                [{**turn, "role": "system"} if turn.get("role") == "developer" else turn for turn in asked.messages]
            )
        except Unfit as error:
            raise Refusal(400, f"messages: {error}.", param="messages") from None
        if asked.top_logprobs and not asked.logprobs:
            raise Refusal(400, "top_logprobs needs logprobs: true.", param="top_logprobs")
        told = _sampling(served, asked, logprobs=(asked.top_logprobs or 0) + 1 if asked.logprobs else 0)
        if asked.max_completion_tokens is not None:
            told = told.model_copy(update={"max_tokens": asked.max_completion_tokens})
        return await _answered(_Chat(served, asked), [said], told, request, settings)


def _model(served: Served) -> dict[str, Any]:
    return {"id": served.name, "object": "model", "created": int(served.made.timestamp()), "owned_by": "netwright"}


def _writes(served: Served) -> Served:
    if not served.writes:
        raise Refusal(
            400, f"{served.name} writes no text: POST /models/{served.name}/predict.", code="not_text", param="model"
        )
    return served


def _brought(served: Served, prompts: list[str]) -> list[Any]:
    """Return prompts as the run reads them: where it reads a file, a prompt brings its bytes, as base64."""
    if len(served.reader.columns) != 1 or not served.reader.columns[0].value.files:
        return prompts
    name = served.reader.columns[0].name
    held = served.reader.read([{name: prompt} for prompt in prompts])[name]
    return [{name: one} for one in held]


def _sampling(served: Served, asked: Asked, *, logprobs: int) -> SamplingParams:
    """Return how it is to be written. Raises `Refusal` for what is not offered."""
    unable = asked.unable()
    if unable:
        name = next(iter(unable))
        raise Refusal(400, f"{', '.join(unable)}: not offered here; leave it out.", code="unsupported", param=name)
    stops = tuple([asked.stop] if isinstance(asked.stop, str) else asked.stop or ())
    if not all(stops) or len(stops) > 16 or any(len(stop) > 1000 for stop in stops):
        raise Refusal(400, "stop: up to 16 texts that are not empty, of at most 1,000 characters.", param="stop")
    assert served.writer is not None
    return SamplingParams(
        max_tokens=asked.max_tokens or served.writer.generator.kind.length, temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p, top_k=asked.top_k, min_p=asked.min_p,
        repetition_penalty=asked.repetition_penalty, stop=stops, logprobs=logprobs,
        seed=secrets.randbits(62) if asked.seed is None else asked.seed % 2**63,
    )  # fmt: skip


class _Form:
    """How texts become an answer, at once or piece by piece."""

    sort: str
    piece_sort: str
    mark: str

    def __init__(self, served: Served, asked: Asked) -> None:
        self.served, self.asked = served, asked
        self.id = f"{self.mark}-{secrets.token_hex(12)}"
        self.created = int(time.time())

    def head(self, sort: str) -> dict[str, Any]:
        """What every answer and piece begins with."""
        served = self.served
        return {
            "id": self.id, "object": sort, "created": self.created, "model": served.name,
            "system_fingerprint": f"nw-{served.version}",
        }  # fmt: skip

    def whole(self, index: int, text: str, tokens: list[Token], finish: str) -> dict[str, Any]:
        """Return a choice."""
        raise NotImplementedError

    def piece(self, index: int, text: str, tokens: list[Token], finish: str | None) -> dict[str, Any]:
        """Return a piece of a choice."""
        raise NotImplementedError

    def first(self, index: int) -> dict[str, Any] | None:
        """Return what is sent before a choice's text."""
        return None

    def _best(self, token: Token, most: int) -> list[dict[str, Any]]:
        return [self._named(number, value) for number, value in token.best[:most]]

    def _named(self, number: int, value: float) -> dict[str, Any]:
        assert self.served.writer is not None
        text = self.served.writer.word(number)
        return {"token": text, "logprob": value, "bytes": list(text.encode())}


class _Completion(_Form):
    sort = piece_sort = "text_completion"
    mark = "cmpl"

    def __init__(self, served: Served, asked: Completion) -> None:
        super().__init__(served, asked)
        self.most, self.offsets = asked.logprobs, dict[int, int]()

    def whole(self, index: int, text: str, tokens: list[Token], finish: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": self._logs(index, tokens), "finish_reason": finish}

    piece = whole

    def _logs(self, index: int, tokens: list[Token]) -> dict[str, Any] | None:
        if self.most is None:
            return None
        words = [self._named(token.number, token.log_probability) for token in tokens]
        offsets = []
        for word in words:
            offsets.append(self.offsets.setdefault(index, 0))
            self.offsets[index] += len(word["token"])
        return {
            "tokens": [word["token"] for word in words], "token_logprobs": [word["logprob"] for word in words],
            "top_logprobs": [{each["token"]: each["logprob"] for each in self._best(token, self.most)} for token in tokens],
            "text_offset": offsets,
        }  # fmt: skip


class _Chat(_Form):
    sort, piece_sort, mark = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def __init__(self, served: Served, asked: Chat) -> None:
        super().__init__(served, asked)
        self.most = (asked.top_logprobs or 0) if asked.logprobs else None

    def whole(self, index: int, text: str, tokens: list[Token], finish: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": index, "message": message, "logprobs": self._logs(tokens), "finish_reason": finish}

    def first(self, index: int) -> dict[str, Any] | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, text: str, tokens: list[Token], finish: str | None) -> dict[str, Any]:
        delta = {"content": text} if text or tokens else {}
        return {
            "index": index,
            "delta": delta,
            "logprobs": self._logs(tokens) if tokens else None,
            "finish_reason": finish,
        }

    def _logs(self, tokens: list[Token]) -> dict[str, Any] | None:
        if self.most is None:
            return None
        content = [
            {**self._named(token.number, token.log_probability), "top_logprobs": self._best(token, self.most)}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


async def _answered(
    form: _Form, prompts: list[Any], sampling: SamplingParams, request: Request, settings: Settings
) -> Response:
    """Ask the writer, and answer at once or as a stream."""
    writer = form.served.writer
    assert writer is not None
    for prompt in prompts:
        if isinstance(prompt, dict):  # a file's bytes, which the body's bound counts
            continue
        texts = [prompt] if isinstance(prompt, str) else [turn["content"] for turn in prompt]
        if sum(map(len, texts)) > settings.characters:
            raise Refusal(413, f"The prompt has more than {settings.characters:,} characters.", code="too_long")
    jobs = writer.ask(prompts, sampling, choices=form.asked.n or 1)
    stream = False
    try:
        coming = _together(form.served, jobs)
        first = await waited(anext(coming), request.receive, settings.time_limit)
        if form.asked.stream:
            stream = True
            return Stream(form, jobs, first, coming, settings)
        pieces = [first] + await waited(_all(coming), request.receive, settings.time_limit)
    except InputError as error:
        raise of_input(error, status=400) from None
    finally:
        if not stream:
            writer.leave(jobs)
    return Response(written(_whole(form, jobs, pieces)), media_type="application/json")


async def _all(coming: AsyncIterator[tuple[int, Piece | Text]]) -> list[tuple[int, Piece | Text]]:
    return [each async for each in coming]


async def _together(served: Served, jobs: list[Job]) -> AsyncIterator[tuple[int, Piece | Text]]:
    """Yield the pieces of several texts as they come, each with its text's number."""
    writer = served.writer
    assert writer is not None
    if len(jobs) == 1:
        async for piece in writer.pieces(jobs[0]):
            yield 0, piece
        return
    queue: asyncio.Queue[tuple[int, Piece | Text | BaseException]] = asyncio.Queue()

    async def hand_on(index: int, job: Job) -> None:
        try:
            async for piece in writer.pieces(job):
                queue.put_nowait((index, piece))
        except Exception as error:  # noqa: BLE001 - raised where the pieces are read
            queue.put_nowait((index, error))

    tasks = [asyncio.create_task(hand_on(index, job)) for index, job in enumerate(jobs)]
    try:
        left = len(jobs)
        while left:
            index, piece = await queue.get()
            if isinstance(piece, BaseException):
                raise piece
            left -= isinstance(piece, Text)
            yield index, piece
    finally:
        for task in tasks:
            task.cancel()


def _whole(form: _Form, jobs: list[Job], pieces: list[tuple[int, Piece | Text]]) -> dict[str, Any]:
    tokens: list[list[Token]] = [[] for _ in jobs]
    texts: dict[int, Text] = {}
    for index, piece in pieces:
        if isinstance(piece, Text):
            texts[index] = piece
        else:
            tokens[index] += piece.tokens
    choices = [form.whole(at, texts[at].text, tokens[at], FINISH[texts[at].reason]) for at in range(len(jobs))]
    return {**form.head(form.sort), "choices": choices, "usage": _usage(jobs, texts)}


def _usage(jobs: list[Job], texts: dict[int, Text]) -> dict[str, int]:
    """Tokens read and written; a prompt counts once, however many choices there are."""
    read = sum(text.prompt_tokens for at, text in texts.items() if jobs[at].number == 0)
    wrote = sum(len(text.tokens) for text in texts.values())
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}


class Stream(Response):
    """Server-sent events. When the client leaves, its texts leave the running batch."""

    def __init__(
        self, form: _Form, jobs: list[Job], first: tuple[int, Piece | Text],
        coming: AsyncIterator[tuple[int, Piece | Text]], settings: Settings,
    ) -> None:  # fmt: skip
        super().__init__(media_type="text/event-stream")
        self.form, self.jobs, self.first, self.coming, self.settings = form, jobs, first, coming, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await waited(self._sent(send), receive, self.settings.time_limit)
        except Gone:
            metrics.left.labels(scope["route"].path).inc()
        except Refusal as refusal:  # too late for a status
            event = refusal.sent(scope.get("request_id", ""))
            await send({"type": "http.response.body", "body": b"data: " + event + b"\n\n"})
        finally:
            writer = self.form.served.writer
            assert writer is not None
            writer.leave(self.jobs)

    async def _sent(self, send: Send) -> None:
        form, texts = self.form, dict[int, Text]()
        usage = bool(form.asked.stream_options and form.asked.stream_options.include_usage)

        async def say(value: dict[str, Any] | None) -> None:
            told = "[DONE]" if value is None else json.dumps(value, ensure_ascii=False)
            await send({"type": "http.response.body", "body": f"data: {told}\n\n".encode(), "more_body": True})

        def event(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
            return {
                **form.head(form.piece_sort),
                "choices": list(choices),
                **({"usage": None} if usage else {}),
                **more,
            }

        for index in range(len(self.jobs)):
            begun = form.first(index)
            if begun is not None:
                await say(event(begun))
        async for index, piece in _after(self.first, self.coming):
            if isinstance(piece, Text):
                texts[index] = piece
                await say(event(form.piece(index, "", [], FINISH[piece.reason])))
            else:
                await say(event(form.piece(index, piece.text, piece.tokens, None)))
        if usage:
            await say(event(usage=_usage(self.jobs, texts)))
        await say(None)
        await send({"type": "http.response.body", "body": b""})


async def _after(first: Any, coming: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for each in coming:
        yield each
