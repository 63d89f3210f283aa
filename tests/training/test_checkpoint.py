"""A checkpoint gives back what was put in, bit for bit; it holds no pickle; a damaged one is told."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from netwright.errors import InputError
from netwright.recipe import Training
from netwright.training import checkpoint, optimizers
from netwright.training.interrupt import Stop


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    shared = torch.randn(4)
    tree = {
        "tensors": {"a": shared, "b": shared[1:], "bool": torch.tensor([True]), "bytes": torch.arange(5, dtype=torch.uint8)},
        "by_number": {0: {"step": torch.tensor(3.0)}, 7: None}, "list": [1, 2.5, "x", None, True, [torch.ones(2), (1, 2)]],
        "odd": [math.inf, -math.inf, math.nan, 0.1 + 0.2, 2**62], "empty": {}, "turned": torch.arange(6).view(2, 3).T,
    }  # fmt: skip
    checkpoint.save(tmp_path / "deep" / "c.safetensors", tree)
    assert same(tree, checkpoint.load(tmp_path / "deep" / "c.safetensors"))


@pytest.mark.parametrize("name", ["sgd", "momentum", "rmsprop", "adam", "adamw", "lbfgs"])
def test_an_optimizers_state_survives(tmp_path: Path, name: str) -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = optimizers.make(network, Training(optimizer=name, learning_rate=0.01))  # type: ignore[arg-type]

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (network(torch.linspace(-1, 1, 20).view(5, 4)) - 1).square().mean()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)  # type: ignore[arg-type]
    checkpoint.save(tmp_path / "c", {"optimizer": optimizer.state_dict(), "network": network.state_dict()})
    optimizer.step(closure)  # type: ignore[arg-type]
    expected = {key: value.clone() for key, value in network.state_dict().items()}
    kept = checkpoint.load(tmp_path / "c")
    network.load_state_dict(kept["network"])
    optimizer = optimizers.make(network, Training(optimizer=name, learning_rate=0.01))  # type: ignore[arg-type]
    optimizer.load_state_dict(kept["optimizer"])
    optimizer.step(closure)  # type: ignore[arg-type]
    assert same(expected, dict(network.state_dict()))


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "flipped"])
def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"a": torch.ones(100)})
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-50], "empty": b"", "foreign": b"not a checkpoint", "flipped": b"\xff" * 8 + whole[8:]}[damage]
    )
    with pytest.raises(InputError, match=f"{path.name}: this checkpoint"):
        checkpoint.load(path)


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, {"a": torch.ones(3)})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        checkpoint.save(path, {"a": torch.zeros(3)})
    assert checkpoint.load(path)["a"].tolist() == [1, 1, 1] and os.listdir(tmp_path) == ["last.safetensors"]


def test_random_state_is_restored() -> None:
    state = checkpoint.random_state(torch.device("cpu"))
    first = torch.rand(5)
    checkpoint.restore_random(state, torch.device("cpu"))
    assert torch.equal(first, torch.rand(5))


def test_a_first_ctrl_c_is_noted_and_a_second_one_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with Stop() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            stop.leave_if_asked()
