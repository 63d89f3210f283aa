"""A recorded step in C does what torch does: each operation, whole trainings, and what is drawn."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.errors import InputError
from netwright.recipe import Execution
from netwright.runtime import kernels
from netwright.runtime.kernels import player, table
from netwright.runtime.plan import Plan
from netwright.training import autotune
from netwright.training.capture import Tape, record
from netwright.training.loop import Loop
from netwright.training.pipeline import start_network
from netwright.training.processes import World

from ..training.small import worked

pytestmark = pytest.mark.skipif(kernels.library() is None, reason="no C compiler with OpenMP here")
B = 6
RATE = 0.01
x, more = torch.linspace(-3, 3, 40 * 5).view(40, 5).contiguous(), torch.linspace(2, -1, 40 * 5).view(40, 5).contiguous()
classes, edges = torch.arange(40) % 5, torch.linspace(-2, 2, 9).repeat(5, 1).contiguous()
FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sums": lambda a, w: (a + 2 * w[0] - w[1] / 3 + (1 - w[2]) * a).sum(0).mean(),
    "quotients": lambda a, w: (a / (w[0] * w[0] + 1)).mean(),
    "dense": lambda a, w: F.linear(a, w[:3], w[4, :3]).square().mean(),
    "one output": lambda a, w: F.mse_loss(F.linear(a, w[:1], w[1, :1]).squeeze(1), a[:, 0], reduction="none").mean(),
    "relu": lambda a, w: F.relu(a @ w.t()).mean(),
    "sigmoid": lambda a, w: torch.sigmoid(a @ w).mean(),
    "tanh": lambda a, w: torch.tanh(a * w[0] * 0.1).sum() + torch.tanh(a @ w).mean(),
    "silu": lambda a, w: F.silu(a @ w).mean(),
    "gelu": lambda a, w: F.gelu(a @ w).mean(),
    "exponents": lambda a, w: (torch.exp(w[0] * 0.1) * torch.log(a.abs() + 1) * torch.sqrt(w.square() + 1)[0]).mean(),
    "roots": lambda a, w: (a * torch.rsqrt(w.square().sum(1) + 1)).mean() + torch.reciprocal(w[0].square() + 1).sum(),
    "powers": lambda a, w: ((a @ w) ** 3).mean() + (a - w[0]).abs().mean(),
    "clamped": lambda a, w: (a @ w).clamp(-1, 2).mean() + (a @ w).clamp(min=0.5).sum() * 0.1,
    "larger of two": lambda a, w: torch.maximum(a, w[0]).sum() + torch.minimum(a, w[1]).mean(),
    "gaps": lambda a, w: torch.where(a > 0, a * w[0], w[1]).mean() + a.masked_fill(a < -1, 0.5).mul(w[0]).sum(),
    "classes": lambda a, w: F.cross_entropy(a @ w, a[:, 0].long().clamp(0, 4), reduction="none").mean(),
    "classes of some": lambda a, w: (F.cross_entropy(a @ w, a[:, 0].long().clamp(0, 4), reduction="none") * a[:, 1]).sum(),
    "places": lambda a, w: F.embedding(torch.searchsorted(edges, a.t().contiguous(), right=True), torch.cat([w, w])).sum(),
    "picked": lambda a, w: (a.index_select(1, torch.tensor([4, 0])) * w[:2, 0]).sum() + (F.embedding(a[:, 0].long().clamp(0, 4), w) * a).mean(),
    "running sums": lambda a, w: (torch.cumsum(w, 0) * a[:5]).mean() + (w.flip(1) * a[1:]).sum(),
    "joined": lambda a, w: torch.cat([a @ w, a], 1).square().sum(1).mean() + torch.stack([w, w * 2]).sum(),
    "turned and cut": lambda a, w: (w.t()[1:4, ::2] * a.t()[1:4, :3]).sum() + a.view(3, 2, 5).permute(2, 0, 1).mul(w[0, :2]).mean(),
    "batches": lambda a, w: torch.bmm(a.view(2, 3, 5), w.expand(2, 5, 5)).square().mean(),
    "normed": lambda a, w: (a @ w / (a @ w).norm()).sum() + F.layer_norm(a @ w, [5]).square().mean(),
    "spread over axes": lambda a, w: (a[:, None, :] * w[None]).mean((0, 2)).square().sum(),
    "whole numbers": lambda a, w: (w[(a[:, 0] * 3).long().abs() % 5] * a).mean(),
    "torch alone": lambda a, w: torch.erf(torch.erfinv((a @ w).tanh() * 0.9)).sum() + torch.sin(w).mean(),
}  # fmt: skip
BY_TORCH = {  # what C does not know
    "clamped": ["aten.logical_and_.default"],
    "turned and cut": ["aten.slice_backward.default"], "normed": ["aten.native_layer_norm.default", "aten.native_layer_norm_backward.default"],
    "torch alone": ["aten.erf.default", "aten.erfinv.default", "aten.sin.default", "aten.cos.default"],
    "whole numbers": ["aten.remainder.Scalar", "aten.abs.default", "aten.new_zeros.default", "aten.index_put.default"],
}  # fmt: skip


class Small:
    """A weight that learns by plain steps of one form."""

    def __init__(self, form: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.form = form
        self.weight = torch.linspace(-1, 1, 25).view(5, 5).contiguous().requires_grad_()

    def __call__(self, rows: Tensor) -> Tensor:
        loss = self.form(x.index_select(0, rows), self.weight)
        loss.backward()
        with torch.no_grad():
            assert self.weight.grad is not None
            self.weight.sub_(self.weight.grad * RATE)
        self.weight.grad = None
        return loss


@pytest.mark.parametrize("name", FORMS)
def test_an_operation_and_its_gradient_are_torch_s(name: str) -> None:
    ours, theirs = Small(FORMS[name]), Small(FORMS[name])
    own, rate = torch.arange(B), torch.tensor(0.1, dtype=torch.float64)
    recorded = record(ours, own, rate)[1]
    theirs(own)
    play = player.Player(recorded.calls, recorded.rows, recorded.rate, recorded.loss)
    rows = torch.randperm(40)[: 3 * B]
    losses = play.steps(rows, [0.1] * 3)
    wanted = torch.stack([theirs(part).detach() for part in rows.split(B)])
    torch.testing.assert_close(losses, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)
    assert {str(do.args[0]) for do in play.parts if isinstance(do, functools.partial)} == set(BY_TORCH.get(name, ()))


def data() -> dict[str, Any]:
    random = np.random.default_rng(0)
    values = random.normal(size=(120, 3))
    values[::7, 1] = np.nan
    few = np.array(list("uvw"))[np.arange(120) % 3]
    return {"a": values[:, 0], "b": values[:, 1], "few": few, "y": values[:, 0] - values[:, 2], "c": few[::-1].copy()}


def work(model: dict[str, Any], target: str = "y", **training: Any) -> Any:
    given = {"epochs": 3, "batch_size": 16, "optimizer": "adamw", "learning_rate": 0.01, **training}
    return worked(data(), [target], model, {"training": given, "split": {"validation": 0, "test": 0}})


MODELS = {
    "dense": {"family": "layers", "layers": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": 1}]},
    "ensemble": {"family": "mlp", "width": 8, "depth": 2, "members": 3, "dropout": 0.0, "embedding": "piecewise", "bins": 8},
    "attention": {"family": "transformer", "width": 16, "depth": 1, "heads": 2, "dropout": 0.0},
    "linear": {"family": "linear"},
}  # fmt: skip
IN_C = Plan(record=True, native=True, steps_a_call=4)


@pytest.mark.parametrize("training", [{}, {"optimizer": "adam"}, {"optimizer": "nesterov"}, {"optimizer": "sgd", "gradient_clip": 0.1}, {"weight_decay": 0.1, "l2": 0.01}], ids=str)  # fmt: skip
@pytest.mark.parametrize("name", MODELS)
def test_a_training_in_c_is_torch_s_within_rounding(name: str, training: dict[str, Any]) -> None:
    own = work(MODELS[name], **training)
    networks = []
    for plan in (Plan(), IN_C):
        network, rows = start_network(own, Plan(), None)
        losses = [entry["loss"] for entry in Loop(network, rows, None, own.recipe.training, plan, kept=None).run()]
        networks.append((network, losses))
    (one, ours), (other, theirs) = networks
    assert ours == pytest.approx(theirs, rel=1e-4)
    for first, second in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_training_in_c_resumes_bit_for_bit(tmp_path: Path, stop: int) -> None:
    """With dropout, and stopped after a call of another number of steps than the one that follows."""
    own = work({**MODELS["ensemble"], "dropout": 0.3}, "c")
    networks = [start_network(own, Plan(), None) for _ in range(3)]
    settings = own.recipe.training
    whole = Loop(*networks[0], None, settings, IN_C, kept=None).run()
    again = Loop(*networks[1], None, settings, IN_C.model_copy(update={"steps_a_call": 1}), kept=None).run()
    first = Loop(*networks[2], None, settings, IN_C.model_copy(update={"steps_a_call": stop}), kept=tmp_path / "kept")
    first.step(next(iter(first.calls())))
    first._save(0.0)
    resumed = Loop(*networks[2], None, settings, IN_C, kept=tmp_path / "kept").run()
    assert (
        [entry["loss"] for entry in whole] == [entry["loss"] for entry in again] == [entry["loss"] for entry in resumed]
    )
    for one, two, three in zip(*(network.parameters() for network, _ in networks), strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_as_many_are_drawn_as_was_asked_and_no_two_steps_or_places_alike() -> None:
    seed, found = torch.zeros((), dtype=torch.int64), []
    for step in range(3):
        for number in (1, 2):
            seed.fill_(torch.randint(2**62, ()))
            y = torch.full((64 * 1024 + 5,), 7.0)
            op = table.draw(y, 0.3, seed, number)
            kernels.library().step_play(ctypes.byref(op), ctypes.c_int64(1), ctypes.c_int64(1 + step))  # type: ignore[union-attr]
            assert set(y.tolist()) == {0.0, 1.0}
            found.append(y)
    for number, y in enumerate(found):
        assert abs(float(y.mean()) - 0.3) < 0.006  # three standard errors
        for other in [*found[:number], y.roll(1), y.roll(16), y.roll(1024)]:
            assert abs(float((y * other).mean()) - 0.09) < 0.005


def test_memory_is_taken_over_by_later_results() -> None:
    """A step of many layers holds what it needs at once, not all that it ever made."""

    def deep(a: Tensor, w: Tensor) -> Tensor:
        for _ in range(50):
            a = torch.tanh(a.detach() @ w.detach())
        return (a * w[0]).mean()

    small = Small(deep)
    recorded = record(small, torch.arange(B), torch.tensor(0.1, dtype=torch.float64))[1]
    play = player.Player(recorded.calls, recorded.rows, recorded.rate, recorded.loss)
    block = next(held for held in play.held if held.dtype == torch.uint8)
    assert len(block) < 20 * 128


def test_the_plan_takes_c_where_it_is_faster_and_obeys_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    own = work(MODELS["dense"], epochs=40)

    def plan(own: Any = own, **given: Any) -> Plan:
        make = lambda trial: start_network(own, trial, None)  # noqa: E731
        return autotune.choose(Execution(**given), make, own.recipe.training, World())

    found = plan()
    assert found.native and found.record and "in C" in found.reasons["native"]
    assert not plan(native=False).native
    assert not plan(record=False).native
    with pytest.raises(InputError, match="plan.native: these steps cannot be replayed in C: steps are not recorded"):
        plan(record=False, native=True)
    monkeypatch.setattr(autotune, "_other_numbers", lambda *_: "it gave other numbers than torch")
    assert not plan().native and plan().reasons["native"] == "it gave other numbers than torch"
    monkeypatch.setattr(kernels, "library", lambda: None)
    assert plan().reasons["native"] == "there is no C compiler"


def test_numbers_that_are_not_torch_s_are_seen() -> None:
    own = work(MODELS["dense"], epochs=40)
    network, rows = start_network(own, Plan(), None)
    one, other = (
        autotune.Trial(network, rows, own.recipe.training, IN_C.model_copy(update={"native": c})) for c in (False, True)
    )
    assert autotune._other_numbers(network, one, other, 0.01) is None
    with torch.no_grad():
        next(other.step.network.parameters()).mul_(1.01)
    assert autotune._other_numbers(network, one, other, 0.01) == "it gave other numbers than torch"


def test_a_tape_in_c_leaves_weights_and_random_numbers_as_they_were_before_its_first_step() -> None:
    own = work({**MODELS["ensemble"], "dropout": 0.3})
    network, rows = start_network(own, Plan(), None)
    trial = autotune.Trial(network, rows, own.recipe.training, IN_C)
    tape, before = Tape(trial.step), [weight.detach().clone() for weight in trial.step.network.parameters()]
    state = torch.get_rng_state()
    tape._rehearsed(trial.part(0))
    assert all(torch.equal(a, b) for a, b in zip(before, trial.step.network.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())
