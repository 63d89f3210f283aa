"""The running mean of the weights, which is judged and kept in their place: it wavers less than they do.

Polyak & Juditsky 1992 (doi 10.1137/0330046); with the decay of a running mean as in Tarvainen & Valpola 2017
(arXiv 1703.01780): m ← d m + (1 - d) w after each step, d the smaller of the setting and (1 + t) / (10 + t) after t steps, so
that the first weights are soon forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Average:
    """The mean of what moves: `state` gives the weights, changed in place by training. Without a decay it does nothing."""

    def __init__(self, decay: float) -> None:
        self.decay, self.steps, self.mean = decay, 0, dict[str, Tensor]()

    def add(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Take in the weights after so many steps more."""
        if not self.decay:
            return
        for name, value in state.items():
            if name not in self.mean or not value.is_floating_point():
                self.mean[name] = value.detach().clone()
        share = 1.0
        for _ in range(steps):  # a call of several steps shows their last weights alone
            self.steps += 1
            share *= min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in state.items():
            if value.is_floating_point():
                self.mean[name].lerp_(value.detach(), 1 - share)

    @contextmanager
    def instead(self, state: Mapping[str, Tensor]) -> Iterator[None]:
        """Within the block the weights are their mean."""
        if not self.mean:
            yield
            return
        held = {name: value.detach().clone() for name, value in state.items()}
        try:
            self._put(state, self.mean)
            yield
        finally:
            self._put(state, held)

    @staticmethod
    def _put(state: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                state[name].copy_(value)
