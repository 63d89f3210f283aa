"""Optimizers by name: each is torch's own.

- gradient_descent, sgd: w ← w − η g (all rows a step, or a batch)
- momentum (Polyak 1964): v ← μ v + g, w ← w − η v; nesterov (1983): w ← w − η (g + μ v)
- rmsprop (Tieleman & Hinton 2012): v ← β₂ v + (1 − β₂) g², w ← w − η g / (√v + ε)
- adam (Kingma & Ba 2015): m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ),
  w ← w − η m̂ / (√v̂ + ε); adamw (Loshchilov & Hutter 2019): the same, and w ← w − η λ w
- muon (Jordan et al. 2024): orthogonal steps for the trunk's matrices and kernels, AdamW for all else; see `muon.py`
- lbfgs (Liu & Nocedal 1989) with a strong Wolfe line search, on all rows
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from netwright.recipe import Training
from netwright.training.adam import MANY, AdamW
from netwright.training.muon import Muon
from netwright.training.tables import Tables

LBFGS_ITERATIONS, LBFGS_HISTORY = 10, 10  # a step: 10 iterations, then the score is looked at; history as SciPy's


def make(network: nn.Module, settings: Training, tables: Tables | None = None) -> torch.optim.Optimizer:
    """Return the optimizer of a network's weights; decoupled decay falls on matrices only, not on biases and scales.

    `tables`: the large tables of steps that are taken one by one on a processor, whose end is then in C where it pays.
    """
    s = settings
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = s.learning_rate or 1e-3, s.weight_decay or 0.0
    if s.optimizer == "lbfgs":
        return torch.optim.LBFGS(
            weights, lr=rate, max_iter=LBFGS_ITERATIONS, history_size=LBFGS_HISTORY, line_search_fn="strong_wolfe",
            tolerance_grad=1e-7, tolerance_change=1e-10,
        )  # fmt: skip
    groups = _groups(network, weights, decay)
    betas = (0.9 if s.beta1 is None else s.beta1, 0.999 if s.beta2 is None else s.beta2)
    epsilon = 1e-8 if s.epsilon is None else s.epsilon
    if s.optimizer in ("adam", "adamw"):
        # AdamW with a decay of 0 is Adam; fused: one call for all weights
        if tables is not None and sum(weight.numel() for weight in weights) >= MANY:
            return AdamW(groups, tables, lr=rate, betas=betas, eps=epsilon)
        return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=epsilon, fused=_fusable(weights))
    if s.optimizer == "muon":
        trunk = {id(weight) for name, weight in network.named_parameters() if name.startswith("trunk.")}
        matrices = [weight for weight in weights if _is_matrix(weight) and id(weight) in trunk]
        own = {id(weight) for weight in matrices}
        rest = [{**group, "params": [w for w in group["params"] if id(w) not in own]} for group in groups]
        return Muon(list(matrices), rest, lr=rate, decay=decay, betas=betas, eps=epsilon)
    if s.optimizer == "rmsprop":
        alpha = 0.99 if s.beta2 is None else s.beta2
        return torch.optim.RMSprop(groups, lr=rate, alpha=alpha, eps=epsilon, momentum=s.momentum or 0.0, foreach=True)
    momentum = (0.9 if s.momentum is None else s.momentum) if s.optimizer in ("momentum", "nesterov") else 0.0
    return torch.optim.SGD(
        groups, lr=rate, momentum=momentum, nesterov=s.optimizer == "nesterov", fused=_fusable(weights)
    )


def _groups(network: nn.Module, weights: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Weights that decay and learn alike, a group each; `times`: what the learning rate is multiplied by."""
    named: dict[str, float] = getattr(network, "rates", {})
    times = {id(weight): named.get(name, 1.0) for name, weight in network.named_parameters()} if named else {}
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for weight in weights:  # without decay one group is one call
        found.setdefault((decay if weight.ndim >= 2 else 0.0, times.get(id(weight), 1.0)), []).append(weight)
    return [{"params": own, "weight_decay": fall, "times": by} for (fall, by), own in found.items()]


def _is_matrix(weight: nn.Parameter) -> bool:
    """Whether Muon's steps are for a weight: a matrix, or a kernel of a convolution that mixes inputs."""
    return weight.ndim == 2 or (weight.ndim in (4, 5) and weight.shape[1] > 1)


def reads_a_tensor(optimizer: torch.optim.Optimizer) -> bool:
    """Say whether the optimizer reads its learning rate from a tensor at each step: the fused ones do."""
    return bool(optimizer.defaults.get("fused"))


def _fusable(weights: list[nn.Parameter]) -> bool:
    return all(weight.device.type in ("cpu", "cuda", "mps") and weight.is_floating_point() for weight in weights)


def penalty(weights: Iterable[nn.Parameter], l1: float, l2: float) -> torch.Tensor | None:
    """λ₁ Σ|w| + λ₂/2 Σw² over matrices (biases and scales are free), or None where both are 0."""
    matrices = [weight for weight in weights if weight.ndim >= 2 and weight.requires_grad]
    if not matrices or not (l1 or l2):
        return None
    total = torch.zeros((), device=matrices[0].device, dtype=matrices[0].dtype)
    for weight in matrices:
        if l1:
            total = total + l1 * weight.abs().sum()
        if l2:
            total = total + l2 / 2 * weight.square().sum()
    return total
