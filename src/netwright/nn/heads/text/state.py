"""Where the writing of some rows stands. B rows asked, b of them still being written, V tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from netwright.errors import InputError, Problem
from netwright.kinds.language import Language
from netwright.nn.heads.text.sampling import chosen, penalised
from netwright.nn.heads.text.settings import SamplingParams

Shown = tuple[Tensor, Tensor | None, Tensor | None]
Reason = Literal["", "end", "stop", "length", "context"]


@dataclass
class Asked:
    """Prompts as tokens, and the sampling parameters of their continuation. `told`: called with (row, token)."""

    prompts: list[list[int]]
    sampling: SamplingParams
    told: Callable[[int, int], None] | None = None
    numbers: list[int] = field(default_factory=list)  # the rows' numbers, by which what is drawn differs


def started(prompts: list[list[int]], device: torch.device) -> Shown:
    """Return prompts as tokens (B, T), positions and documents: unlike lengths begin with padding, so that all end alike."""
    longest = max(map(len, prompts))
    tokens = torch.tensor([[0] * (longest - len(row)) + row for row in prompts], device=device)
    lengths = torch.tensor([len(row) for row in prompts], device=device)
    if bool((lengths == longest).all()):
        return tokens, None, None
    place = torch.arange(longest, device=device) - (longest - lengths)[:, None]
    return tokens, place.clamp(min=0), torch.where(place >= 0, 0, -1)


def refuse_long(prompts: list[list[int]], kind: Language) -> None:
    """Raise `InputError` for prompts that leave no room in the context."""
    long = max(map(len, prompts))
    if long >= kind.length:
        fix = "shorten it, or train with a larger --columns.TARGET.length"
        raise InputError(Problem("prompt", f"has {long:,} tokens, and the context holds {kind.length:,}", fix=fix))


class Single:
    """One answer for each row, its tokens chosen one by one."""

    def __init__(self, asked: Asked, kind: Language, device: torch.device) -> None:
        refuse_long(asked.prompts, kind)
        self.asked, self.sampling, self.kind, self.device = asked, asked.sampling, kind, device
        B = len(asked.prompts)
        self.written: list[list[int]] = [[] for _ in range(B)]
        self.sums = [0.0] * B
        self.reasons: list[Reason] = [""] * B
        self.alternatives: list[list[dict[int, float]]] = [[] for _ in range(B)]
        self.alive = list(range(B))
        self.numbers = torch.tensor(asked.numbers or [0] * B)  # alike: a prompt's text does not depend on others
        self.kept: Tensor | None = None
        self.padded = False
        self.steps = 0
        self.banned = torch.tensor(kind.marks_apart_from_ends, dtype=torch.long, device=device)

    def shown(self) -> Shown | None:
        """The next tokens, their positions and documents; None when all rows are done."""
        if not self.alive:
            return None
        if self.steps == 0:
            first = started(self.asked.prompts, self.device)
            self.padded = first[2] is not None
            return first
        last = torch.tensor([[self.written[row][-1]] for row in self.alive], device=self.device)
        place = [[len(self.asked.prompts[row]) + len(self.written[row]) - 1] for row in self.alive]
        document = torch.zeros_like(last) if self.padded else None
        return last, torch.tensor(place, device=self.device), document

    def take(self, logits: Tensor) -> None:
        """Choose a token for each row still being written from its logits (b, V)."""
        told = [self.asked.prompts[row] + self.written[row] for row in self.alive] if self.sampling.repetition_penalty != 1 else []  # fmt: skip
        logits = penalised(logits, told, self.sampling.repetition_penalty)
        if len(self.banned):
            logits = logits.index_fill(1, self.banned, -torch.inf)
        drawn = chosen(self.sampling, logits, self.numbers[self.alive], self.steps)
        logs = logits.log_softmax(-1)
        sums = logs.gather(1, drawn[:, None])[:, 0].tolist()
        best = logs.topk(self.sampling.logprobs) if self.sampling.logprobs else None
        self.steps += 1
        still, places = [], []
        for place, (row, token) in enumerate(zip(self.alive, drawn.tolist(), strict=True)):
            self.sums[row] += sums[place]
            if best is not None:
                pairs = zip(best.indices[place].tolist(), best.values[place].tolist(), strict=True)
                self.alternatives[row].append({token: sums[place], **dict(pairs)})
            self.reasons[row] = self._reason(row, token)
            if self.reasons[row] != "end":
                self.written[row].append(token)
                if self.asked.told is not None:
                    self.asked.told(row, token)
                self.reasons[row] = self.reasons[row] or self._full(row)
            if not self.reasons[row]:
                still.append(row)
                places.append(place)
        self.kept = torch.tensor(places, device=self.device) if len(still) < len(self.alive) else None
        self.alive = still

    def _reason(self, row: int, token: int) -> Reason:
        return "end" if token in self.kind.ends else ""

    def _full(self, row: int) -> Reason:
        """Why a row is done with its last token, or nothing."""
        count = len(self.written[row])
        if self.sampling.stop:
            text = self.kind.reader.decode(self.written[row][-64:])
            if any(stop in text for stop in self.sampling.stop):
                return "stop"
        if count >= self.sampling.max_tokens:
            return "length"
        return "context" if len(self.asked.prompts[row]) + count >= self.kind.length else ""
