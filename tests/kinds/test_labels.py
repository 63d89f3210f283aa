"""Labels: several values a row, written as lists or as one text."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.events import Event
from netwright.kinds.infer import infer

from .fitting import encode, fit


@pytest.mark.parametrize("values", [
    ["a|b", "b", "", None, "c | a"], ["a;b", "b", "", None, "c;a"], [["a", "b"], ["b"], [], None, ["c", "a"]],
])  # fmt: skip
def test_labels_as_texts_and_as_lists(values: list[Any]) -> None:
    kind = fit("labels", values, "target")
    arrays = encode(kind, values)
    assert kind.values == ("a", "b", "c")
    assert arrays["hot"].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1]]  # type: ignore[union-attr]
    assert kind.absent(arrays).tolist() == [False, False, False, True, False], "no label is an answer; no value is none"


@pytest.mark.parametrize("mark", ["|", "; ", "、", "，", "；", ",", ", "])
def test_the_mark_between_labels_is_found(mark: str) -> None:
    rows = [mark.join(name for place, name in enumerate("体财科") if k >> place & 1) for k in range(1, 8)] * 6
    found = infer(pl.Series("x", rows), {}, "target")
    assert found.kind == "labels" and repr(mark.strip()) in found.reason
    assert fit("labels", rows).values == ("体", "科", "财")


@pytest.mark.parametrize(
    "rows", [["Rome, Italy", "Bonn, Germany", "Oslo, Norway"] * 9, ["1,5", "2,5", "0,5", "2,0"] * 9]
)
def test_a_comma_within_a_name_or_a_number_parts_no_labels(rows: list[str]) -> None:
    assert infer(pl.Series("x", rows), {}, "target").kind != "labels"


def test_a_separator_of_the_users_own_and_numbers_as_labels() -> None:
    assert fit("labels", ["a, b", "b,c"], separator=",").values == ("a", "b", "c")
    assert fit("labels", [[1, 2], [2, 10]]).values == ("1", "10", "2")
    assert fit("labels", [["a", "b"], ["b", "c"]]).separator == "|", "what lists are written with, whatever they hold"


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
