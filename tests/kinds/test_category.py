"""Categories: values known from training, unseen and missing ones apart; a value is the same however it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.events import Event

from .fitting import encode, fit


def codes(kind: Any, values: Any) -> list[int]:
    return encode(kind, values)["codes"][:, 0].tolist()  # type: ignore[index]


def test_values_have_codes_by_falling_frequency_after_unseen_and_missing() -> None:
    kind = fit("category", ["b", "a", "a", "c", "c", "c"])
    assert kind.values == (("c", "a", "b"),) and kind.counts == ((3, 2, 1),)
    assert codes(kind, ["a", "b", "c", None, "", "new"]) == [3, 4, 2, 1, 1, 0]


def test_an_unseen_value_is_said_with_its_row(said: list[Event]) -> None:
    codes(fit("category", ["a", "b"]), ["a", "z", "y"])
    (event,) = [event for event in said if event.name == "category.unseen"]
    assert event.data["rows"] == ["rows:2", "rows:3"] and "'z'" in event.text


def test_rare_values_are_unknown_where_a_minimum_is_asked_for() -> None:
    assert fit("category", ["a"] * 5 + ["b"] * 2 + ["c"], minimum=2).values == (("a", "b"),)


@pytest.mark.parametrize("trained", [[1, 2, 2], [1.0, 2.0, 2.0], ["1", "2", "2"], [1.0, 2.0, None]])
@pytest.mark.parametrize("asked", [[1, 2], [1.0, 2.0], [" 1", "2 "], [1.0, 2.0, float("nan")]])
def test_1_and_1_0_and_a_text_1_are_one_value(trained: list[Any], asked: list[Any]) -> None:
    kind = fit("category", trained)
    assert [kind.values[0][code - 2] for code in codes(kind, asked)[:2]] == ["1", "2"]


def test_how_a_value_is_written_does_not_depend_on_what_stands_beside_it() -> None:
    kind = fit("category", [1.0, 2.5, 1.0, 1e20])
    assert codes(kind, [1.0, 2.5, 1e20]) == codes(kind, [1.0]) + codes(kind, [2.5]) + codes(kind, [1e20])
    assert 0 not in codes(kind, [1.0]) + codes(kind, [1])


@pytest.mark.parametrize(("values", "dtype"), [
    ([True, False, True], pl.Boolean), ([3, 1, 3], pl.Int64), ([0.5, 1.0, 0.5], pl.Float64), (["x", "y", "x"], pl.String),
])  # fmt: skip
def test_a_target_is_predicted_in_its_own_type(values: list[Any], dtype: pl.DataType) -> None:
    kind = fit("category", values, "target")
    probability = np.eye(2)[
        [
            kind.classes.index(str(v).lower() if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v))
            for v in values
        ]
    ]
    frame = kind.decode({"probability": probability})
    assert frame["x_predicted"].dtype == dtype and frame["x_predicted"].to_list() == values
    assert frame.columns[1:] == [f"p_{name}" for name in kind.classes]


def test_a_targets_classes_stand_in_natural_order() -> None:
    assert fit("category", [10, 9, 2, 2, 10], "target").classes == ("2", "9", "10")
    assert fit("category", ["b", "a", "b"], "target").classes == ("a", "b")
    assert fit("category", ["low", "high", "mid"], "target", order=("low", "mid", "high")).classes == (
        "low",
        "mid",
        "high",
    )


def test_a_target_that_is_missing_or_was_never_seen_is_absent() -> None:
    kind = fit("category", ["a", "b"], "target")
    assert kind.absent(encode(kind, ["a", None, "c", "b"])).tolist() == [False, True, True, False]


def test_probabilities_carry_the_targets_name_where_there_are_several() -> None:
    frame = fit("category", ["a", "b"], "target").decode({"probability": np.array([[0.2, 0.8]])}, prefix="x_")
    assert frame.columns == ["x_predicted", "p_x_a", "p_x_b"] and frame["x_predicted"][0] == "b"


def test_columns_of_one_block_keep_their_own_values() -> None:
    kind = fit("category", {"a": ["x", "x", "y"], "b": [1, 2, 2]})
    assert encode(kind, {"a": ["y", None], "b": [2, 3]})["codes"].tolist() == [[3, 2], [1, 0]]  # type: ignore[union-attr]
