"""Labels: several values a row, written as lists or as one text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netwright.events import Event

from .fitting import encode, fit


@pytest.mark.parametrize("values", [
    ["a|b", "b", "", None, "c | a"], ["a;b", "b", "", None, "c;a"], [["a", "b"], ["b"], [], None, ["c", "a"]],
])  # fmt: skip
def test_labels_as_texts_and_as_lists(values: list[Any]) -> None:
    kind = fit("labels", values)
    arrays = encode(kind, values)
    assert kind.values == ("a", "b", "c")
    assert arrays["hot"].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1]]  # type: ignore[union-attr]
    assert kind.absent(arrays).tolist() == [False, False, False, True, False], "no label is an answer; no value is none"


def test_a_separator_of_the_users_own_and_numbers_as_labels() -> None:
    assert fit("labels", ["a, b", "b,c"], separator=",").values == ("a", "b", "c")
    assert fit("labels", [[1, 2], [2, 10]]).values == ("1", "10", "2")


def test_an_unseen_label_is_left_out_and_said(said: list[Event]) -> None:
    kind = fit("labels", ["a|b", "b"])
    assert encode(kind, ["b|z", "a"])["hot"].tolist() == [[0, 1], [1, 0]]  # type: ignore[union-attr]
    (event,) = [event for event in said if event.name == "labels.unseen"]
    assert event.data["rows"] == ["rows:1"] and "'z'" in event.text


def test_a_rare_label_may_be_left_out() -> None:
    assert fit("labels", ["a|b", "a|b", "a|c"], minimum=2).values == ("a", "b")


def test_an_answer_is_the_labels_above_one_half() -> None:
    frame = fit("labels", ["a|b", "b|c"], "target").decode(
        {"probability": np.array([[0.9, 0.6, 0.1], [0.5, 0.2, 0.3]])}
    )
    assert frame["x_predicted"].to_list() == ["a|b", ""] and frame.columns == ["x_predicted", "p_a", "p_b", "p_c"]
