"""The driver: the one decoding loop. It reads the inputs once, then steps until each head is done. B rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from netwright.nn.batch import Batch
from netwright.nn.heads.base import Head
from netwright.nn.network import Network
from netwright.nn.signal import Memory


@torch.no_grad()
def answer(
    network: Network, batch: Batch, *, given: Mapping[str, Any] | None = None, only: Iterable[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Return, by target, the arrays of a batch's answers; `given` holds the start of an answer for a target (prompts).

    Without `given`, a prompt stands in the batch's inputs under its target's key. `only`: the targets to be answered. The
    network is to be in evaluation mode.
    """
    memory, answers = Memory(None) if network.paired else network.read(batch), {}
    for key in network.heads if only is None else only:
        head, state = network.heads[key], None
        assert isinstance(head, Head)
        begun = (given or {}).get(key, batch.inputs.get(key))
        if head.paired:
            begun = network.vector(batch), network.other(key, begun)
        for state in steps(network, key, batch, memory, begun):  # noqa: B007 - the last one is finished
            pass
        answers[key] = head.finish(state, memory)
    return answers


@torch.no_grad()
def steps(network: Network, key: str, batch: Batch, memory: Memory, given: Any) -> Iterator[Any]:
    """Yield the state of one target's answer before each step and when it is done. Leaving off cancels it."""
    head = network.heads[key]
    assert isinstance(head, Head)
    state, signal, here = head.begin(batch, given), None, memory
    while True:
        stimulus, done = head.next(state, signal)
        yield state
        if done:
            return
        kept = head.kept(state)
        if kept is not None:
            here = here.select(kept)
        signal, after = network.trunk.step(here, stimulus)
        signal, here = network.plugged(key, signal), after if head.remembers else memory
