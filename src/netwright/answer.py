"""The driver: the one place that answers. It reads once, then steps until each head is done. B rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from netwright.batch import Batch
from netwright.heads.base import Head
from netwright.network import Network


@torch.no_grad()
def answer(network: Network, batch: Batch, *, given: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """Return, by target, the arrays of a batch's answers; `given` holds the start of an answer for a target (prompts).

    The network is to be in evaluation mode.
    """
    memory, answers = network.read(batch), {}
    for key, head in network.heads.items():
        assert isinstance(head, Head)
        state, signal, here = head.begin(batch, (given or {}).get(key)), None, memory
        while True:
            stimulus, done = head.next(state, signal)
            if done:
                break
            signal, after = network.trunk.step(here, stimulus)
            signal, here = network.plugged(key, signal), after if head.remembers else memory
        answers[key] = head.finish(state, memory)
    return answers
