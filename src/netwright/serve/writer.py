"""Texts written on demand: a thread that keeps one running batch, which texts join and leave between two tokens."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import torch

from netwright.errors import InputError
from netwright.events import quiet
from netwright.inference.generation import Generator, Held, Running, Text
from netwright.inference.model import Model, precisely
from netwright.kinds import tokenizing
from netwright.nn.heads.text.settings import SamplingParams
from netwright.nn.heads.text.state import Single
from netwright.serve import metrics
from netwright.serve.refusal import busy
from netwright.serve.settings import Settings


@dataclass(frozen=True)
class Token:
    """A token of a text: its number, its ln p, and the most probable ones in its place with theirs."""

    number: int
    log_probability: float
    best: list[tuple[int, float]]


@dataclass(frozen=True)
class Piece:
    """What came with a step: text that is now sure, and the tokens it is of."""

    text: str
    tokens: list[Token]


@dataclass(eq=False)
class Job:
    """A text that is asked for.

    `told` and `sent`: tokens and characters of it that were handed on; `left`: nobody waits for it any more.
    """

    prompt: Any
    sampling: SamplingParams
    number: int
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Piece | Text | BaseException]
    held: Held
    stream: tokenizing.Writer
    fresh: list[int] = field(default_factory=list)
    told: int = 0
    sent: int = 0
    left: bool = False


class Writer:
    """Writes for one version of a run. Its thread ends when it has retired and everything accepted is written."""

    def __init__(self, name: str, model: Model, settings: Settings) -> None:
        self.name, self.model, self.settings = name, model, settings
        self.generator = Generator(model.network, model.fitted, model.plan.device, files=False)
        self.joining: deque[Job] = deque()
        self.work, self.retired = threading.Condition(), False
        self.thread: threading.Thread | None = self._begun()

    def _begun(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name=f"writer {self.name}", daemon=True)
        thread.start()
        return thread

    def ask(self, prompts: list[Any], sampling: SamplingParams, *, choices: int = 1) -> list[Job]:
        """Accept texts to be written: `choices` after each prompt. Raises `Refusal` where too many wait."""
        loop = asyncio.get_running_loop()
        jobs = [
            Job(
                prompt, sampling, number, loop, asyncio.Queue(), Held(sampling.stop), tokenizing.Writer(self.generator.kind.reader)
            )
            for prompt in prompts
            for number in range(choices)
        ]  # fmt: skip
        with self.work:
            if self.joining and len(self.joining) + len(jobs) > self.settings.waiting:
                raise busy("texts", seconds=2)
            self.joining.extend(jobs)
            if self.thread is None:  # it had ended: who held this version asks once more
                self.thread = self._begun()
            self.work.notify()
        return jobs

    def leave(self, jobs: list[Job]) -> None:
        """Let texts go that nobody waits for any more."""
        with self.work:
            for job in jobs:
                job.left = True
            self.work.notify()

    async def pieces(self, job: Job) -> AsyncIterator[Piece | Text]:
        """Yield a text as it comes, and at last all of it. Raises `InputError` where its prompt cannot be read."""
        while True:
            got = await job.pieces.get()
            if isinstance(got, BaseException):
                raise got
            yield got
            if isinstance(got, Text):
                return

    def word(self, token: int) -> str:
        """Return a token as text."""
        return self.generator.kind.reader.decode([token], skip_special_tokens=False)

    def retire(self) -> None:
        """End once what was accepted is written."""
        with self.work:
            self.retired = True
            self.work.notify()

    def _run(self) -> None:
        torch.set_num_threads(self.settings.share())
        running, jobs = Running(self.generator), dict[int, tuple[Job, Single]]()
        with quiet(), precisely(self.model.plan), torch.inference_mode():
            while self._turn(running, jobs):
                pass

    def _turn(self, running: Running, jobs: dict[int, tuple[Job, Single]]) -> bool:
        """One prompt joins, where there is one and room; all others get a token. False when there is no more to do."""
        with self.work:
            while not (self.joining or len(running) or self.retired):
                self.work.wait()
            if self.retired and not self.joining and not len(running):
                self.thread = None
                return False
            job = self.joining.popleft() if self.joining and len(running) < self.settings.texts else None
        metrics.waiting.labels(self.name).set(len(self.joining))
        for key, (other, state) in list(jobs.items()):
            if other.left:
                running.leave(state)
                del jobs[key]
        try:
            if job is not None and not job.left:
                state = running.join(job.prompt, job.sampling, told=job.fresh.append, number=job.number)
                jobs[id(state)] = (job, state)
            elif len(running):
                running.step()
        except InputError as error:  # the prompt's, for a step raises none
            assert job is not None
            _put(job, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told, and the batch begins anew
            for other, _ in [*jobs.values(), *([(job, None)] if job is not None else [])]:
                _put(other, error)
            for _, state in jobs.values():
                running.leave(state)
            jobs.clear()
        for key, (other, state) in list(jobs.items()):
            self._tell(running, other, state)
            if not state.alive:
                del jobs[key]
        metrics.writing.labels(self.name).set(len(running))
        return True

    def _tell(self, running: Running, job: Job, state: Single) -> None:
        """Hand on what is new of a text."""
        whole = None if state.alive else running.text(state)
        text = "".join(job.held.add(job.stream.add(token)) for token in job.fresh)
        if whole is not None:  # what was held back, a stop's beginning or half a character, is now known not to go on
            text = whole.text[job.sent :]
        job.sent += len(text)
        tokens = [self._token(job, state, at) for at in range(job.told, job.told + len(job.fresh))]
        job.told += len(job.fresh)
        job.fresh.clear()
        if text or tokens:
            _put(job, Piece(text, tokens))
        if whole is not None:
            metrics.tokens.labels(self.name, "prompt").inc(whole.prompt_tokens)
            metrics.tokens.labels(self.name, "completion").inc(len(whole.tokens))
            _put(job, whole)

    def _token(self, job: Job, state: Single, at: int) -> Token:
        number = state.written[0][at]
        if not job.sampling.logprobs:
            return Token(number, 0.0, [])
        found = state.alternatives[0][at]
        best = sorted(found.items(), key=lambda pair: -pair[1])[: job.sampling.logprobs]
        return Token(number, found[number], best)


def _put(job: Job, piece: Piece | Text | BaseException) -> None:
    if not job.loop.is_closed():
        job.loop.call_soon_threadsafe(job.pieces.put_nowait, piece)
