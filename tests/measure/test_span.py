"""Measures of spans: SQuAD's rules, by hand; characters of Chinese."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netwright.evaluation.metrics import measure
from netwright.evaluation.metrics.span import agreement
from netwright.kinds.span import Right
from netwright.kinds.tags import listed

# (answer, right): exact match and F1 by the rules of SQuAD's evaluate-v2.0.py, worked out by hand
OFFICIAL = [
    ("the Eiffel Tower", "Eiffel Tower", 1.0, 1.0),
    ("Eiffel Tower!", "eiffel  tower", 1.0, 1.0),
    ("in Paris, France", "Paris", 0.0, 0.5),
    ("An apple a day", "apple day", 1.0, 1.0),
    ("New York City", "York", 0.0, 0.5),
    ("blue", "red", 0.0, 0.0),
    ("", "", 1.0, 1.0),
    ("", "red", 0.0, 0.0),
    ("the the", "a", 1.0, 1.0),
    ("one two two", "two two three", 0.0, 2 / 3),
    ("“red”", "red", 0.0, 0.0),  # only ASCII punctuation is left out
]


@pytest.mark.parametrize(("answer", "right", "exact", "f1"), OFFICIAL)
def test_agreement_is_squads(answer: str, right: str, exact: float, f1: float) -> None:
    assert agreement(answer, right) == pytest.approx((exact, f1))


def test_chinese_is_compared_by_characters() -> None:
    assert agreement("北京，", "北京") == (1.0, 1.0)
    assert agreement("在北京", "北京市") == pytest.approx((0.0, 2 * 2 / 6))
    assert agreement("1990年", "1990 年") == (1.0, 1.0)


def measured(rights: list[Right], ends: list[tuple[int, int]], **more: Any) -> dict[str, Any]:
    begin, end = np.array(ends).T
    return {k: v["value"] for k, v in measure("span", listed(rights), {"begin": begin, "end": end}, **more).items()}


def test_the_best_of_several_right_answers_counts_and_no_answer_is_the_empty_text() -> None:
    text = "Ann Smith lives in Rome"
    rights = [Right(text, ("Ann", "Ann Smith")), Right(text, ()), Right(text, ()), Right(text, ("Rome",))]
    found = measured(rights, [(0, 9), (-1, -1), (0, 3), (-1, -1)])
    assert found["exact_match"] == found["f1"] == pytest.approx(0.5)
    assert found["answered_f1"] == pytest.approx(0.5) and found["unanswerable"] == pytest.approx(0.5)


def test_where_all_rows_have_an_answer_nothing_is_said_of_those_without() -> None:
    found = measured([Right("a b", ("b",))], [(0, 3)])
    assert set(found) == {"f1", "exact_match"} and found["f1"] == 1.0, "an article does not count"


def test_an_answer_too_many_is_a_bug() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        measured([Right("a", ("a",))], [(0, 1), (0, 1)])
