"""Every activation equals its formula, forward and gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from netwright.nn.trunks.layers.net import ACTIVATIONS
from netwright.nn.trunks.layers.settings import Activation

from .agreement import agree, check

FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x)),
    "relu": lambda x: torch.where(x > 0, x, 0.0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "softmax": lambda x: torch.exp(x) / torch.exp(x).sum(-1, keepdim=True),
}


def test_each_activation_that_is_offered_is_tested() -> None:
    assert set(get_args(Activation)) == set(ACTIVATIONS) == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_equals_its_formula(name: str) -> None:
    agree(lambda x: ACTIVATIONS[name](x, -1), FORMULAS[name], 3 * torch.randn(4, 6, dtype=torch.float64))


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_is_a_layer_and_what_follows_one(name: str) -> None:
    check({"activation": name}, "vector", lambda x, _: FORMULAS[name](x))
    check(
        {"dense": {"units": 3, "activation": name}},
        "vector",
        lambda x, own: FORMULAS[name](x @ own.inner.weight.T + own.inner.bias),
    )


def test_a_softmax_runs_over_an_images_channels() -> None:
    check({"activation": "softmax"}, "grid", lambda x, _: torch.softmax(x, 1))
