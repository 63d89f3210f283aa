"""Weights start with the variance of their papers, orthogonal where asked for, and the same for the same seed."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from netwright.nn.shapes import Shape
from netwright.nn.trunks.layers.net import Net, initialise
from netwright.nn.trunks.layers.settings import Activation, Initial, Settings

OUT, IN = 300, 200


def start(how: Any, *shape: int) -> Tensor:
    weight = torch.empty(shape)
    initialise(weight, how)
    return weight


def net(*layers: Any) -> Net:
    return Net(Settings.model_validate({"layers": layers}), [Shape("vector", IN)], OUT)


def test_each_initialisation_that_is_offered_is_tested() -> None:
    assert get_args(Initial) == ("glorot", "he", "orthogonal", "zeros")


def test_glorot_is_uniform_with_variance_2_over_fan_in_plus_fan_out() -> None:
    weight = start("glorot", OUT, IN)
    bound = math.sqrt(6 / (IN + OUT))
    assert float(weight.abs().max()) <= bound and float(weight.abs().max()) > 0.99 * bound
    assert float(weight.var()) == pytest.approx(2 / (IN + OUT), rel=0.02)


def test_he_is_normal_with_variance_2_over_fan_in() -> None:
    weight = start("he", OUT, IN)
    assert float(weight.var()) == pytest.approx(2 / IN, rel=0.02)
    assert float((weight.abs() > 2 * math.sqrt(2 / IN)).float().mean()) == pytest.approx(0.0455, abs=0.005)


def test_a_filters_fan_in_is_its_area_times_its_channels() -> None:
    assert float(start("he", 64, 32, 3, 3).var()) == pytest.approx(2 / (32 * 9), rel=0.03)
    assert float(start("glorot", 64, 32, 3, 3).var()) == pytest.approx(2 / (32 * 9 + 64 * 9), rel=0.03)


@pytest.mark.parametrize("shape", [(OUT, IN), (IN, OUT)])
def test_orthogonal_is(shape: tuple[int, int]) -> None:
    weight = start("orthogonal", *shape)
    gram = weight.T @ weight if shape[0] > shape[1] else weight @ weight.T
    torch.testing.assert_close(gram, torch.eye(min(shape)), atol=1e-4, rtol=0)


def test_zeros_are() -> None:
    assert not start("zeros", OUT, IN).any()


@pytest.mark.parametrize("activation", get_args(Activation))
def test_he_stands_before_relu_like_activations_and_glorot_elsewhere(activation: str) -> None:
    own = net({"dense": {"units": OUT, "activation": activation}}, {"dense": OUT}).layers[0].inner
    variance = 2 / IN if activation in ("relu", "leaky_relu", "gelu", "silu") else 2 / (IN + OUT)
    assert float(own.weight.detach().var()) == pytest.approx(variance, rel=0.03) and not own.bias.any()


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_recurrent_layers_gates_start_orthogonal_and_an_lstm_remembers(name: str) -> None:
    settings = Settings.model_validate({"layers": [{name: 6}, {"dense": OUT}]})
    way = Net(settings, [Shape("sequence", 5)], OUT).layers[0].cells.ways[0]
    for gate in way.weight_hh_l0.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    for gate in way.weight_ih_l0.split(6):
        assert float(gate.detach().abs().max()) <= math.sqrt(
            6 / 11
        )  # Glorot's bound for one gate, not for all four at once
    forget = torch.zeros(len(way.bias_ih_l0))
    if name == "lstm":
        forget[6:12] = 1.0
    assert torch.equal(way.bias_ih_l0, forget) and not way.bias_hh_l0.any()


def test_the_same_seed_starts_the_same_weights_and_another_seed_others() -> None:
    nets = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        nets.append(net({"dense": {"units": 8, "activation": "relu"}}, {"dense": OUT}).state_dict())
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])
    assert not torch.equal(nets[0]["layers.0.inner.weight"], nets[2]["layers.0.inner.weight"])
