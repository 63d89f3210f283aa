"""Muon: for matrices the momentum's nearest orthogonal matrix is the step, for all else AdamW.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon): O = NewtonSchulz₅(g + μ v) of the momentum v ← μ v + (1 - μ) g,
w ← w (1 - η λ) - η 0.2 √max(rows, columns) O. The factor is Liu et al.'s (2025, arXiv 2502.16982, section 2.2): steps then
are as large as AdamW's, so that both share one learning rate and one decay. torch's own Muon works in bfloat16, which a
processor without such instructions does four times slower than float32: here the precision is the weight's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

NESTEROV, STEPS = 0.95, 5
LONG = 2  # times as many columns as rows, from which the steps are taken together: 0.15 to 0.9 of the time (measured)
A, B, C = 3.4445, -4.775, 2.0315  # of the quintic iteration, steep at 0 (Jordan et al. 2024)


class Muon(torch.optim.Optimizer):
    """`matrices` (rows, columns) by Muon, kernels (outputs, inputs, ...) as (outputs, all else); `rest` by AdamW."""

    def __init__(
        self, matrices: list[Tensor], rest: list[dict[str, Any]], *, lr: float, decay: float, betas: tuple[float, float], eps: float
    ) -> None:  # fmt: skip
        groups = [
            {"params": matrices, "weight_decay": decay, "muon": True},
            *({**group, "muon": False} for group in rest),
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; return the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            (self._orthogonal if group["muon"] else self._adamw)(weights, group)
        return loss

    def _orthogonal(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        rate = float(group["lr"])
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            momentum, gradient = state["momentum"], weight.grad
            assert gradient is not None
            momentum.lerp_(gradient, 1 - NESTEROV)
            update = orthogonal(gradient.lerp(momentum, NESTEROV).flatten(1))
            weight.mul_(1 - rate * group["weight_decay"])
            weight.add_(update.view(weight.shape), alpha=-rate * 0.2 * max(update.shape) ** 0.5)

    def _adamw(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
                state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        states = [self.state[weight] for weight in weights]
        beta1, beta2 = group["betas"]
        adamw(
            weights, [weight.grad for weight in weights if weight.grad is not None], [state["mean"] for state in states],
            [state["square"] for state in states], [], [state["step"] for state in states], fused=True, amsgrad=False,
            beta1=beta1, beta2=beta2, lr=float(group["lr"]), weight_decay=group["weight_decay"], eps=group["eps"], maximize=False,
        )  # fmt: skip


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U Vᵀ of U S Vᵀ: singular values between 0.7 and 1.2.

    >>> found = orthogonal(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    >>> bool((torch.linalg.svdvals(found) > 0.5).all()), bool((torch.linalg.svdvals(found) < 1.3).all())
    (True, True)
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix  # (R, C), R at most C
    x = x / x.norm().clamp(min=1e-7)
    if x.shape[1] < LONG * x.shape[0]:
        for _ in range(STEPS):
            gram = x @ x.T
            x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    else:  # each step is a polynomial of x xᵀ before it: their product (R, R) is taken first, so that C counts twice only
        gram, product = x @ x.T, None
        for step in range(STEPS):
            factor = torch.addmm(gram, gram, gram, beta=B, alpha=C)
            factor.diagonal().add_(A)
            product = factor if product is None else product @ factor
            gram = factor @ gram @ factor if step < STEPS - 1 else gram
        assert product is not None
        x = product @ x
    return x.T if tall else x
