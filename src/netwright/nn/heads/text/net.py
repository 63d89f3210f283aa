"""Text out, token by token.

The loss of a row is the mean of -ln p(token | all before it) over its counted tokens, and its weight their number, so
that the loop's division gives the mean over all counted tokens of the step. In training a prompt's tokens may count by a
share: of few answered words much less is learnt than of all that stands before them (Shi et al. 2024, arXiv 2405.14394).
B rows, T tokens, D width, V tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.kinds.language import Language
from netwright.nn.batch import Batch, Block, Goal, Lists
from netwright.nn.heads.base import Head
from netwright.nn.heads.text.beam import Beams
from netwright.nn.heads.text.settings import SamplingParams, Settings
from netwright.nn.heads.text.state import Asked, Single
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.runtime.kernels.products import Linear, Table
from netwright.runtime.kernels.rows import cross_entropy

State = Single | Beams


def outputs(kind: Language, settings: Settings) -> int:
    """How many tokens there are to choose from."""
    return kind.width


class Net(Head):
    """The table of tokens, and the map from states to logits: the same table where `tied`.

    Where both are `given`, the trunk takes tokens and gives logits, and there is neither here.
    """

    place: Tensor  # empty: where tokens are to be

    def __init__(self, kind: Language, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.kind, self.settings = kind, settings
        self.table = self.readout = None
        self.register_buffer("place", torch.zeros(0), persistent=False)
        if settings.given:
            return
        self.table = Table(kind.width, coming.width)
        nn.init.normal_(self.table.weight, std=0.02)  # Radford et al. 2019
        self.readout = None if settings.tied else Linear(coming.width, kind.width, bias=False)

    def logits(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""
        if self.table is None:
            return states
        return self.table.answer(states) if self.readout is None else self.readout(states)

    def shown(self, tokens: Tensor, **where: Tensor | None) -> Signal:
        """(B, T) tokens as a stimulus; `where`: position and document."""
        values = tokens if self.table is None else self.table(tokens)
        return Signal(values, "sequence", position=where.get("position"), document=where.get("document"))

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal, Goal]:
        """Each token is shown, and the next one is the goal.

        Rows of unlike length end in padding, which nothing before it sees. Packed rows come with their documents.
        """
        ids, counted = target["ids"], target["counted"]
        if isinstance(ids, Lists) and isinstance(counted, Lists):
            (tokens, there), mask = ids.padded(), counted.padded()[0]
        else:
            tokens, mask, there = ids, counted, None
        assert isinstance(tokens, Tensor) and isinstance(mask, Tensor)
        document = target.get("document")
        assert document is None or isinstance(document, Tensor)
        mask = mask[:, 1:].to(torch.get_default_dtype())
        if there is not None and self.training and (share := self.settings.prompt_share):
            mask = torch.maximum(mask, share * there[:, 1:])
        stimulus = self.shown(tokens[:, :-1].long(), document=document)
        return stimulus, Goal({"tokens": tokens[:, 1:].long(), "counted": mask}, mask.sum(1))

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        tokens, counted = goal.values["tokens"], goal.values["counted"]
        assert isinstance(tokens, Tensor) and isinstance(counted, Tensor)
        smoothing = self.settings.label_smoothing if self.training else 0.0
        if self.kind.whole:  # prompts do not count: their logits are not worked out
            flat = counted.flatten().nonzero()[:, 0]
            logits = self.logits(signal.values.flatten(0, 1).index_select(0, flat))
            found = entropy(logits, tokens.flatten()[flat], smoothing)
            losses = torch.zeros_like(counted).flatten().index_put((flat,), found.to(counted.dtype)).view_as(counted)
        else:
            logits = self.logits(signal.values).flatten(0, 1)
            losses = entropy(logits, tokens.flatten(), smoothing).view_as(counted)
        return (losses * counted).sum(1) / counted.sum(1).clamp(min=1e-9)

    def begin(self, batch: Batch, given: Any = None) -> State:
        """`given`: an `Asked`, or a block of prompts; without it every row begins with nothing but the mark."""
        if isinstance(given, Asked):
            asked = given
        else:
            if given is None:
                prompts = [self.kind.opening] * len(batch)
            else:
                prompts = [part.tolist() for part in given["ids"].values.split(given["ids"].lengths.tolist())]
            s = self.settings
            most = s.max_tokens or self.kind.longest
            asked = Asked(prompts, SamplingParams(max_tokens=most, beams=s.beams, length_penalty=s.length_penalty))
        return (Beams if asked.sampling.beams > 1 else Single)(asked, self.kind, self.place.device)

    def next(self, state: State, signal: Signal | None) -> tuple[Signal | None, bool]:
        if signal is not None:
            state.take(self.logits(signal.values[:, -1]).float())
        shown = state.shown()
        if shown is None:
            return None, True
        tokens, position, document = shown
        return self.shown(tokens, position=position, document=document), False

    def kept(self, state: State) -> Tensor | None:
        return state.kept

    def finish(self, state: State, memory: Memory) -> dict[str, Any]:
        """{"ids": (B,) lists of the written tokens, "log_probability": (B,) their sum of ln p}."""
        ids = np.empty(len(state.written), object)
        ids[:] = state.written
        return {"ids": ids, "log_probability": np.array(state.sums, np.float64)}


def entropy(logits: Tensor, tokens: Tensor, smoothing: float) -> Tensor:
    """Logits (N, V) and tokens (N,) -> -ln p(token) (N,), of smoothed truth that of all tokens by their share."""
    if not smoothing:
        return cross_entropy(logits, tokens)
    return F.cross_entropy(logits, tokens, reduction="none", label_smoothing=smoothing)
