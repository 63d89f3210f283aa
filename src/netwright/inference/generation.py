"""Writing on demand: what a run writes after a prompt, all at once or as it comes. B prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import torch

from netwright.data.readers import records
from netwright.data.schema import Fitted
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.kinds.language import written
from netwright.kinds.tokenizing import Writer
from netwright.nn import driver
from netwright.nn.batch import Batch, Rows, tensors
from netwright.nn.heads.text.settings import SamplingParams
from netwright.nn.heads.text.state import Asked, Single
from netwright.nn.network import Network
from netwright.nn.signal import Memory
from netwright.runtime.kernels import products


@dataclass(frozen=True)
class Text:
    """What was written: `reason` is end, stop, length (`max_tokens`) or context (it is full).

    `alternatives`: for each token the most probable ones with their ln p, the chosen one first.
    """

    text: str
    tokens: list[int]
    reason: str
    log_probability: float
    prompt_tokens: int
    alternatives: list[dict[str, float]] = field(default_factory=list)


class Generator:
    """Writes with a network's text target. `files`: whether a prompt's values may name files, as those of a request may not."""

    def __init__(self, network: Network, fitted: Fitted, device: str, *, files: bool = True) -> None:
        kind = written(fitted.targets.values())
        if kind is None:
            names = ", ".join(kind.columns[0] for kind in fitted.targets.values())
            raise InputError(
                Problem("RUN", f"predicts {names} and generates no text", fix="netwright predict answers rows")
            )
        self.key, self.kind = next(key for key, one in fitted.targets.items() if one is kind), kind
        self.network, self.fitted, self.device, self.files = network, fitted, device, files
        if device == "cpu":
            products.arrange(network)

    def texts(self, prompts: list[Any], sampling: SamplingParams) -> list[Text]:
        """Return what is written after each prompt: one prompt's text does not depend on the others."""
        batch, asked = self.asked(prompts, sampling)
        with torch.no_grad():
            memory = self.network.read(batch)
        state: Any = None
        for state in driver.steps(self.network, self.key, batch, memory, asked):  # noqa: B007
            pass
        return [self.text(state, row, asked) for row in range(len(prompts))]

    def stream(self, prompt: Any, sampling: SamplingParams) -> Iterator[str]:
        """Yield the text as it comes, whole characters only, and nothing of a stop text."""
        if sampling.beams > 1:
            raise InputError(Problem("beams", "are only known at the end", fix="beams 1 streams"))
        batch, asked = self.asked([prompt], sampling)
        fresh: list[int] = []
        asked.told = lambda row, token: fresh.append(token)
        with torch.no_grad():
            memory = self.network.read(batch)
        writer, held = Writer(self.kind.reader), Held(sampling.stop)
        for _ in driver.steps(self.network, self.key, batch, memory, asked):
            for token in fresh:
                if text := held.add(writer.add(token)):
                    yield text
            fresh.clear()
        if rest := held.rest():
            yield rest

    def asked(self, prompts: list[Any], sampling: SamplingParams) -> tuple[Batch, Asked]:
        """Return prompts as the network reads them. Raises `InputError` where one cannot be read."""
        if not prompts:
            raise InputError(Problem("prompt", "there is none", fix="give a text"))
        if any(map(records.broken, prompts)):
            say(
                "warning",
                "prompt.surrogates",
                "prompt: lone surrogates or invalid UTF-8 are read as U+FFFD",
            )
            prompts = [records.whole(prompt) for prompt in prompts]
        if self.kind.conversation:
            frame = pl.DataFrame({self.kind.columns[0]: pl.Series([_messages(prompt) for prompt in prompts])})
            return self._blank(len(prompts)), self._after(frame, sampling)
        if not self.fitted.columns:
            marks = list(self.kind.starts)
            ids = [
                marks + self.kind.reader.encode(_plain(p), add_special_tokens=False).ids or [self.kind.first]
                for p in prompts
            ]
            return self._blank(len(prompts)), Asked(ids, sampling)
        table = _table([self._row(prompt) for prompt in prompts])
        table = table if self.files else replace(table, folder=None)
        encoded = self.fitted.encode(table)
        if self.kind.prompt:
            return self._blank(len(prompts)), self._after(table.frame, sampling)
        blocks = {key: tensors(arrays, self.device) for key, arrays in encoded.items()}
        batch = Rows(blocks, {}, count=len(prompts)).take(torch.arange(len(prompts)))
        return batch, Asked([self.kind.opening] * len(prompts), sampling)

    def _blank(self, count: int) -> Batch:
        return Batch({}, rows=torch.arange(count))

    def _after(self, frame: pl.DataFrame, sampling: SamplingParams) -> Asked:
        names = [f"prompt {number}" for number in range(1, frame.height + 1)]
        documents, _ = self.kind.documents(frame, lambda rows: [names[row] for row in rows], answer=True)
        return Asked([row.tolist() for row in documents], sampling)

    def _row(self, prompt: Any) -> dict[str, Any]:
        """A prompt as a row of inputs: a text where there is one input column, else values by name."""
        if isinstance(prompt, Mapping):
            return dict(prompt)
        names = self.fitted.columns
        if len(names) > 1:
            what = f"this run reads {', '.join(names)}, and one text was given"
            raise InputError(Problem("prompt", what, fix='give values by name: {"' + names[0] + '": ...}'))
        return {names[0]: _plain(prompt)}

    def text(self, state: Any, row: int, asked: Asked) -> Text:
        """Return what was written after one of the prompts."""
        tokens, text = state.written[row], self.kind.reader.decode(state.written[row])
        cuts = [text.find(stop) for stop in asked.sampling.stop if stop in text]
        told = getattr(state, "alternatives", None)
        names = [
            {str(self.kind.reader.id_to_token(token)): value for token, value in one.items()} for one in (told[row] if told else [])
        ]  # fmt: skip
        reasons = getattr(state, "reasons", None)
        return Text(
            text[: min(cuts)] if cuts else text, tokens, reasons[row] if reasons else "end", state.sums[row],
            len(asked.prompts[row]), names,
        )  # fmt: skip


class Running:
    """A running batch: texts join and leave it between two steps, and each is what it would be alone.

    A prompt is read by itself, so that it needs no padding; its memory is then joined to that of the others. b texts.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator, self.network = generator, generator.network
        self.head: Any = generator.network.heads[generator.key]
        self.states: list[Single] = []
        self.memory: Memory | None = None

    def __len__(self) -> int:
        return len(self.states)

    @torch.no_grad()
    def join(
        self, prompt: Any, sampling: SamplingParams, *, told: Callable[[int], None] | None = None, number: int = 0
    ) -> Single:
        """Read a prompt, choose its first token, and let the text join where it goes on.

        `told` is called with each token; `number` tells texts of one seed apart. Raises `InputError` where the prompt
        cannot be read or has no room.
        """
        if sampling.beams > 1:
            raise InputError(Problem("beams", "cannot share a batch with other prompts", fix="beams 1 joins others"))
        batch, asked = self.generator.asked([prompt], sampling)
        asked.numbers = [number]
        if told is not None:
            asked.told = lambda row, token: told(token)
        state = self.head.begin(batch, asked)
        stimulus, _ = self.head.next(state, None)
        signal, memory = self.network.trunk.step(self.network.read(batch), stimulus)
        _, done = self.head.next(state, self.network.plugged(self.generator.key, signal))
        if not done:
            seen = self.network.trunk.seen
            self.memory = memory if self.memory is None else self.memory.join(memory, seen=seen)
            self.states.append(state)
        return state

    @torch.no_grad()
    def step(self) -> None:
        """Choose each text's next token; those that are done leave."""
        assert self.memory is not None
        shown = [state.shown() for state in self.states]
        tokens, places = (torch.cat([each[part] for each in shown]) for part in (0, 1))  # type: ignore[index, misc]
        document = None if self.memory.document is None else torch.zeros_like(tokens)
        stimulus = self.head.shown(tokens, position=places, document=document)
        signal, self.memory = self.network.trunk.step(self.memory, stimulus)
        logits = self.head.logits(self.network.plugged(self.generator.key, signal).values[:, -1]).float()  # (b, V)
        for row, state in enumerate(self.states):
            state.take(logits[row : row + 1])
        self._keep([row for row, state in enumerate(self.states) if state.alive])

    def leave(self, state: Single) -> None:
        """Let a text go that nobody waits for."""
        if state in self.states:
            self._keep([row for row, other in enumerate(self.states) if other is not state])

    def _keep(self, rows: list[int]) -> None:
        if len(rows) == len(self.states):
            return
        assert self.memory is not None
        self.states = [self.states[row] for row in rows]
        kept = torch.tensor(rows, dtype=torch.long, device=self.generator.device)
        self.memory = self.memory.select(kept).trimmed(seen=self.network.trunk.seen) if rows else None

    def text(self, state: Single) -> Text:
        """Return what was written of a text that joined."""
        return self.generator.text(state, 0, state.asked)


class Held:
    """Text on its way out, of which the beginning of a stop text is held back.

    >>> held = Held(("END",))
    >>> held.add("a E"), held.add("x"), held.add(" EN"), held.add("D b")
    ('a ', 'Ex', ' ', '')
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self.stops, self.text, self.done = stops, "", False

    def add(self, more: str) -> str:
        """Return what can be said now."""
        self.text += more
        if self.done:
            return ""
        cuts = [self.text.find(stop) for stop in self.stops if stop in self.text]
        if cuts:
            self.done, out = True, self.text[: min(cuts)]
            return out
        keep = max((self._begun(stop) for stop in self.stops), default=0)
        out, self.text = self.text[: len(self.text) - keep], self.text[len(self.text) - keep :]
        return out

    def _begun(self, stop: str) -> int:
        """How many of the last characters may be the beginning of a stop text."""
        return next((n for n in range(min(len(stop) - 1, len(self.text)), 0, -1) if self.text.endswith(stop[:n])), 0)

    def rest(self) -> str:
        """Return what was held back, now that no more comes."""
        return "" if self.done else self.text


def _plain(prompt: Any) -> str:
    if not isinstance(prompt, str):
        raise InputError(Problem("prompt", f"got {type(prompt).__name__}", allowed="a text"))
    return prompt


def _messages(prompt: Any) -> list[dict[str, str]]:
    """A prompt of a run that answers conversations: a text is what the user says."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _table(rows: list[dict[str, Any]]) -> Table:
    from netwright.data import readers

    return readers.read(rows)
