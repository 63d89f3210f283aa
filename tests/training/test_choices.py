"""What is left open is chosen for the optimizer that was asked for; what contradicts it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from netwright.data.describe import facts_of
from netwright.errors import InputError
from netwright.nn.trunks.layers.settings import Settings as Layers
from netwright.nn.trunks.linear.settings import Settings as Linear
from netwright.nn.trunks.mlp.settings import Settings as Mlp
from netwright.recipe import Recipe, Training, validate
from netwright.training.defaults import training

FACTS = facts_of(500, ["number"] * 3, ["number"])


def chosen(family: Any, **given: Any) -> Training:
    return training(Recipe(training=Training(**given)), family, FACTS)[0]


def test_nothing_stays_open() -> None:
    for family in (Linear(), Mlp(), Layers()):
        settings = chosen(family)
        assert not [
            name
            for name in Training.model_fields
            if getattr(settings, name) is None and name not in ("metric", "minutes", "steps")
        ]


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "nesterov", "rmsprop", "sgd", "gradient_descent", "lbfgs"])
def test_a_familys_decay_is_adamws_alone(optimizer: str) -> None:
    assert chosen(Mlp()).weight_decay > 0 == chosen(Mlp(), optimizer=optimizer).weight_decay


@pytest.mark.parametrize("optimizer", ["lbfgs", "gradient_descent"])
def test_full_batch_optimizers_take_all_rows(optimizer: str) -> None:
    assert chosen(Mlp(), optimizer=optimizer).batch_size == "all"
    with pytest.raises(
        InputError, match=f"batch_size: {optimizer} takes all rows a step, and batch_size is 32. Allowed: all"
    ):
        chosen(Mlp(), optimizer=optimizer, batch_size=32)
    assert chosen(Linear(), optimizer="adam").batch_size != "all"


def test_lbfgs_measures_the_whole_gradient() -> None:
    assert chosen(Mlp()).gradient_clip == 1.0 and chosen(Mlp(), optimizer="lbfgs").gradient_clip == 0.0
    with pytest.raises(InputError, match=r"gradient_clip: lbfgs measures its steps on the whole gradient"):
        chosen(Mlp(), optimizer="lbfgs", gradient_clip=1.0)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "nesterov", "rmsprop", "lbfgs"])
def test_decoupled_decay_is_refused_where_an_optimizer_has_none(optimizer: str) -> None:
    with pytest.raises(InputError, match=f"weight_decay: {optimizer} has no decoupled decay. Fix: .* adamw"):
        chosen(Mlp(), optimizer=optimizer, weight_decay=0.1)


def test_what_is_chosen_stands_when_it_is_given_back() -> None:
    """A run's recipe holds every choice; resuming reads it back and must choose the same."""
    for family in (Linear(), Mlp(), Layers()):
        for optimizer in ("adam", "adamw", "rmsprop", "lbfgs"):
            settings = chosen(family, optimizer=optimizer)
            assert training(Recipe(training=settings), family, FACTS)[0] == settings


def test_more_rows_a_batch_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match=r"training\.batch_size: 501 is above the 500 training rows"):
        chosen(Mlp(), batch_size=501)


def test_a_batch_larger_than_a_fold_is_all_of_it() -> None:
    recipe = Recipe(training=Training(batch_size=501), split={"folds": 3})  # type: ignore[arg-type]
    assert training(recipe, Mlp(), FACTS)[0].batch_size == 500


STACK = [
    {"dense": {"units": 8, "activation": "relu"}},
    {"residual": ["layer_norm", {"dense": 8}]},
    {"dropout": 0.1},
    {"dense": 1},
]


def test_a_stack_of_layers_survives_a_recipe() -> None:
    family = Layers.model_validate({"layers": STACK})
    kept = family.model_dump(mode="json")
    assert Layers.model_validate(kept) == family
    assert kept["layers"][2] == {"dropout": {"share": 0.1}}
    assert kept["layers"][1]["residual"]["layers"][0] == {"layer_norm": {}}


@pytest.mark.parametrize(("layers", "message"), [
    (["dens"], "model.layers.1: there is no layer 'dens'. Fix: did you mean dense?"),
    ([{"dense": 3, "dropout": 0.1}], "model.layers.1: got 2 keys. Allowed: one name, as in - dense: 10."),
    ([{"flatten": 3}], "model.layers.1.flatten: got 3. Allowed: no settings."),
    ([{"dense": {"unit": 3}}], "model.layers.1.dense.unit: there is no such setting. Fix: did you mean units?"),
    ([{"dense": 1}, {"embedding": 3}], "model.layers: got [{'dense': 1}, {'embedding': 3}]. Allowed: embedding can only be the first layer"),
])  # fmt: skip
def test_a_wrong_layer_is_named_by_its_place(layers: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        validate(Layers, {"layers": layers}, where="model")
    assert message in str(caught.value)
