"""A recorded step repeats the step bit for bit, and refuses what it cannot repeat."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from netwright.errors import InputError
from netwright.recipe import Execution
from netwright.runtime.plan import Plan
from netwright.training import autotune
from netwright.training.capture import Tape, Unrecordable, record
from netwright.training.loop import Loop
from netwright.training.pipeline import start_network
from netwright.training.processes import World
from netwright.training.step import Step

from .small import worked

ROWS = 120
RECORDED = Plan(record=True, steps_a_call=4)


def data(gaps: bool = False) -> dict[str, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3))
    x[::7, 1] = np.nan if gaps else 0.0
    return {
        "a": x[:, 0], "b": x[:, 1], "few": np.array(list("uvw"))[np.arange(ROWS) % 3], "y": x[:, 0] - x[:, 2],
        "c": np.array(list("pq"))[(x[:, 2] > 0).astype(int)],
    }  # fmt: skip


def work(model: dict[str, Any], target: list[str], **training: Any) -> Any:
    given = {"epochs": 2, "batch_size": 16, "optimizer": "adamw", "learning_rate": 0.01, **training}
    return worked(data(gaps=True), target, model, {"training": given, "split": {"validation": 0, "test": 0}})


MODELS = {
    "dense": {"family": "layers", "layers": [{"dense": {"units": 8, "activation": "relu"}}, {"dense": 1}]},
    "ensemble": {"family": "mlp", "width": 8, "depth": 2, "members": 3, "dropout": 0.3, "embedding": "piecewise", "bins": 8},
    "attention": {"family": "transformer", "width": 16, "depth": 1, "heads": 2, "dropout": 0.1},
    "linear": {"family": "linear"},
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "training",
    [{}, {"optimizer": "momentum"}, {"gradient_clip": 0.1, "l1": 0.01, "l2": 0.01, "weight_decay": 0.1}, {"schedule": "one_cycle"}],
    ids=["adamw", "momentum", "clipped", "one_cycle"],
)  # fmt: skip
def test_a_recorded_training_gives_the_same_bits(name: str, training: dict[str, Any]) -> None:
    own = work(MODELS[name], ["y"], **training)
    network, rows = start_network(own, Plan(), None)
    twin = copy.deepcopy(network)
    plain = Loop(network, rows, None, own.recipe.training, Plan(), kept=None).run()
    recorded = Loop(twin, rows, None, own.recipe.training, RECORDED, kept=None).run()
    assert [entry["loss"] for entry in plain] == [entry["loss"] for entry in recorded]
    for first, second in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(first, second)


def test_two_targets_with_unlike_shares_and_a_class_weight() -> None:
    own = worked(data(), ["y", "c"], MODELS["ensemble"], {
        "heads": {"c": {"share": 0.3, "class_weights": "balanced"}}, "split": {"validation": 0, "test": 0},
        "training": {"epochs": 2, "batch_size": 16, "optimizer": "adam"},
    })  # fmt: skip
    network, rows = start_network(own, Plan(), None)
    twin = copy.deepcopy(network)
    plain = Loop(network, rows, None, own.recipe.training, Plan(), kept=None).run()
    assert Loop(twin, rows, None, own.recipe.training, RECORDED, kept=None).run()[-1]["loss"] == plain[-1]["loss"]


def test_what_depends_on_values_is_refused() -> None:
    value = torch.arange(4.0)
    with pytest.raises(Unrecordable, match="depends on the rows' values"):
        record(lambda rows: value[value > rows.sum()].sum(), torch.arange(2), torch.ones(()))
    with pytest.raises(Unrecordable, match="depends on the rows' values"):
        record(lambda rows: value.sum() * float(rows.sum()), torch.arange(2), torch.ones(()))


def test_a_step_that_cannot_be_recorded_says_why() -> None:
    def why(**training: Any) -> str | None:
        own = work(MODELS["dense"], ["y"], **training)
        network, rows = start_network(own, Plan(), None)
        return Tape.why_not(Step(network, rows, own.recipe.training, Plan(), World()))

    assert why() is None
    assert why(accumulate=2) == "gradients are gathered over batches or processes"
    assert why(optimizer="rmsprop") == "rmsprop reads its learning rate as a plain number"


def test_the_plan_records_where_it_is_faster_and_obeys_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    own = work(MODELS["dense"], ["y"], epochs=40)

    def plan(**given: Any) -> Plan:
        return autotune.choose(
            Execution(**given), lambda trial: start_network(own, trial, None), own.recipe.training, World()
        )

    assert plan().record and "recorded" in plan().reasons["record"]
    assert not plan(record=False).record
    assert plan(record=True, steps_a_call=3).steps_a_call == 3
    own = work(MODELS["dense"], ["y"], epochs=40, optimizer="rmsprop")
    with pytest.raises(InputError, match="plan.record: this step cannot be recorded: rmsprop reads"):
        plan(record=True)


def test_a_trial_leaves_weights_alone_and_shares_those_that_stay() -> None:
    """A copy of a large checkpoint's fixed weights would only take memory."""
    own = work(MODELS["dense"], ["y"], epochs=40)
    network, rows = start_network(own, Plan(), None)
    fixed, *moving = network.parameters()
    fixed.requires_grad_(False)
    before = [weight.detach().clone() for weight in moving]
    trial = autotune.Trial(network, rows, own.recipe.training, Plan())
    trial.step(trial.part(0))
    copied = list(trial.step.network.parameters())
    assert copied[0] is fixed and all(a is not b for a, b in zip(copied[1:], moving, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(copied[1:], moving, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before, moving, strict=True))


def test_what_follows_from_detached_constants_is_worked_out_once() -> None:
    """The gradient of a mean begins with ones over the number of rows: the same in each step, and no line of it."""
    own = work(MODELS["dense"], ["y"], epochs=40)
    network, rows = start_network(own, Plan(record=True), None)
    trial = autotune.Trial(network, rows, own.recipe.training, Plan(record=True))
    trial.step(trial.part(0))
    recorded = record(trial.step, trial.part(1), trial.step.rate)[1]
    names = [str(func) for func, *_ in recorded.calls]
    assert "aten.expand.default" not in names and "aten.ones_like.default" not in names


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
def test_a_compiled_training_is_the_same_within_rounding_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    own = work(MODELS["dense"], ["y"], epochs=3, schedule="linear")
    compiled = Plan(record=True, compile=True, steps_a_call=2)
    networks, rows = {}, None
    for name in ("plain", "whole", "resumed"):
        networks[name], rows = start_network(own, Plan(), None)
    Loop(networks["plain"], rows, None, own.recipe.training, RECORDED, kept=None).run()
    Loop(networks["whole"], rows, None, own.recipe.training, compiled, kept=None).run()
    first = Loop(networks["resumed"], rows, None, own.recipe.training, compiled, kept=tmp_path / "kept")
    for rows_of_a_call in list(first.calls())[:2]:  # stopped in the middle of the first epoch
        first.step(rows_of_a_call)
    first._save(0.0)
    Loop(networks["resumed"], rows, None, own.recipe.training, compiled, kept=tmp_path / "kept").run()
    pairs = zip(*(network.parameters() for network in networks.values()), strict=True)
    for plain, whole, resumed in pairs:
        torch.testing.assert_close(plain, whole, atol=1e-4, rtol=1e-3)
        assert torch.equal(whole, resumed)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
def test_a_transformer_s_recorded_step_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    own = work(MODELS["attention"] | {"dropout": 0.0}, ["y"], epochs=2)
    network, rows = start_network(own, Plan(), None)
    trial = autotune.Trial(network, rows, own.recipe.training, Plan(record=True, compile=True))
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    seconds, why = autotune._seconds_compiled(trial, trial.step.plan)
    assert np.isfinite(seconds) and not why


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_compiler_cannot_follow_is_told_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import Unsupported

    class Lost(Unsupported):
        def __init__(self) -> None:
            RuntimeError.__init__(self, "it cannot be followed")

        def __str__(self) -> str:
            return "it cannot be followed"

    def refuse(*_: Any) -> Any:
        raise Lost

    own = work(MODELS["dense"], ["y"], epochs=2)
    network, rows = start_network(own, Plan(), None)
    trial = autotune.Trial(network, rows, own.recipe.training, Plan(record=True, compile=True))
    monkeypatch.setattr(Tape, "_program", refuse)
    seconds, why = autotune._seconds_compiled(trial, trial.step.plan)
    assert seconds == float("inf") and "it cannot be followed" in why
