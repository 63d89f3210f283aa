"""One side of a comparison: something that reads tokens and tells what comes next. T tokens, V in all."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from netwright.inference.model import Model, precisely
from netwright.kinds.language import Language
from netwright.nn.signal import Memory


class Side(Protocol):
    """An engine with a language model in it. `name` is for people."""

    name: str

    def encode(self, text: str) -> list[int]:
        """Return a plain text's tokens, without marks."""
        ...

    def logits(self, tokens: list[int]) -> np.ndarray:
        """(T, V) what comes after each token."""
        ...

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        """Return the `count` most probable next tokens, one after the other, up to an end."""
        ...


class Ours:
    """The run itself."""

    name = "netwright"

    def __init__(self, model: Model) -> None:
        self.model = model
        self.key, self.kind = written(model)

    def encode(self, text: str) -> list[int]:
        return self.kind.reader.encode(text, add_special_tokens=False).ids

    def logits(self, tokens: list[int]) -> np.ndarray:
        network = self.model.network
        head = network.heads[self.key]
        with precisely(self.model.plan), torch.no_grad():
            shown = head.shown(torch.tensor([tokens], device=self.model.plan.device))  # type: ignore[operator]
            signal, _ = network.trunk.step(Memory(), shown)
            return head.logits(signal.values)[0].float().cpu().numpy()  # type: ignore[operator]

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        out: list[int] = []
        for _ in range(count):  # by whole readings: what is compared must not depend on the cache
            best = int(self.logits(tokens + out)[-1].argmax())
            out.append(best)
            if best in self.kind.ends or len(tokens) + len(out) >= self.kind.length:
                break
        return out


def written(model: Model) -> tuple[str, Language]:
    """Return the key and kind of a model's only text target."""
    ((key, kind),) = model.fitted.targets.items()
    assert isinstance(kind, Language)
    return key, kind
