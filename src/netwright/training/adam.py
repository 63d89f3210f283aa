"""AdamW in one pass over memory: the gradients are clipped on the way, and of large tables of vectors only rows that ever had
a gradient are read. The state is torch's own, so that checkpoints are alike. V rows of a table, D width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netwright.runtime.kernels.optimizer import Rule, adam, adam_rows
from netwright.training.tables import Tables

MANY = 1_000_000  # weights from which passes over memory are what a step's end costs


class AdamW(torch.optim.AdamW):
    """torch's AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), given the large tables whose rows are apart.

    Instead of clipping gradients before a step, `clip` is called, and the step multiplies them as it reads them.
    """

    def __init__(self, groups: Any, tables: Tables, **given: Any) -> None:
        super().__init__(groups, **given)
        self.tables, self.factor = tables, 1.0
        self.moves: dict[Tensor, Tensor] = {}  # (V,) rows of a table that ever had a gradient

    def clip(self, weights: Sequence[Tensor], most: float) -> None:
        """Let the next step see gradients whose norm, all together, is at most `most`."""
        total = float(nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None]))
        self.factor = min(1.0, most / (total + 1e-6)) if total == total else float("nan")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the weights; return what the closure does, which computes the gradients."""
        self.factor = 1.0
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            taken = [weight for weight in group["params"] if self._read(weight)[1].grad is not None]
            for weight in taken:
                if not self.state[weight]:
                    means = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                    self.state[weight] = {"step": torch.tensor(0.0), **means}
            steps = [self.state[weight]["step"] for weight in taken]
            rules: dict[float, Rule] = {}
            for weight, step in zip(taken, steps, strict=True):
                if (count := float(step.add_(1))) not in rules:
                    rules[count] = self._rule(group, count)
                self._change(weight, rules[count])
        return loss

    def _read(self, weight: Tensor) -> tuple[Tensor | None, Tensor]:
        """Of a table the rows that were read and what holds their gradient; of other weights none, and themselves."""
        return self.tables.read.get(weight, (None, weight))

    def _rule(self, group: dict[str, Any], count: float) -> Rule:
        rate, (beta1, beta2) = float(group["lr"]), group["betas"]
        return Rule(
            self.factor, 1 - rate * group["weight_decay"], rate / (1 - beta1**count), 1 - beta1, beta2, 1 - beta2,
            (1 - beta2**count) ** -0.5, group["eps"],
        )  # fmt: skip

    def _change(self, weight: Tensor, rule: Rule) -> None:
        state, (rows, read) = self.state[weight], self._read(weight)
        assert read.grad is not None
        if rows is None:
            self.moves.pop(weight, None)
            adam(weight, read.grad, state["exp_avg"], state["exp_avg_sq"], rule)
            return
        if weight not in self.moves:
            self.moves[weight] = (state["exp_avg_sq"] != 0).any(1) | (state["exp_avg"] != 0).any(1)
        adam_rows(weight, rows, read.grad, state["exp_avg"], state["exp_avg_sq"], self.moves[weight], rule)
