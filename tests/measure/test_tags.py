"""Measures of tags: by hand on small rows, entities as seqeval 1.2.2 finds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netwright.evaluation.metrics import measure, score
from netwright.evaluation.metrics.tags import entities, marks_entities
from netwright.kinds.tags import listed

# what seqeval 1.2.2 gave: {"entities": [[tags, entities]], "scores": [[truth, answer, [f1, precision, recall]]]}
SEQEVAL = json.loads((Path(__file__).parent / "seqeval.json").read_text())


def measured(truth: list[list[Any]], answer: list[list[str]], **more: Any) -> dict[str, Any]:
    found = measure("tags", listed(truth), {"tags": listed(answer)}, **more)
    return {name: each["value"] for name, each in found.items()}


def test_words_and_rows_are_counted() -> None:
    found = measured([["N", "V"], ["N", "N", "O"], ["V"]], [["N", "V"], ["N", "V", "O"], ["N"]])
    assert found["accuracy"] == pytest.approx(4 / 6) and found["row_accuracy"] == pytest.approx(1 / 3)
    by_tag = [2 * 2 / (3 + 3), 2 * 1 / (2 + 2), 2 * 1 / (1 + 1)]  # N, V, O
    assert found["f1_macro"] == pytest.approx(np.mean(by_tag))
    assert "entity_f1" not in found, "these tags mark no entity"


def test_a_word_whose_tag_is_unknown_does_not_count() -> None:
    assert measured([["N", None], ["V"]], [["N", "N"], ["N"]])["accuracy"] == pytest.approx(1 / 2)
    assert measured([[None]], [["N"]])["accuracy"] is None


def test_a_row_of_weight_two_is_a_row_twice() -> None:
    truth, answer = [["B-A", "O"], ["O", "B-A"], ["B-A", "I-A"]], [["B-A", "O"], ["O", "O"], ["B-A", "O"]]
    weighed = measured(truth, answer, weight=np.array([1.0, 2.0, 0.0]))
    assert weighed == pytest.approx(measured([truth[0], truth[1], truth[1]], [answer[0], answer[1], answer[1]]))


@pytest.mark.parametrize("case", range(len(SEQEVAL["entities"])))
def test_entities_are_those_of_seqeval(case: int) -> None:
    tags, expected = SEQEVAL["entities"][case]
    assert entities(tags) == [tuple(one) for one in expected]


@pytest.mark.parametrize("case", range(len(SEQEVAL["scores"])))
def test_scores_of_entities_are_those_of_seqeval(case: int) -> None:
    truth, answer, expected = SEQEVAL["scores"][case]
    found = measured(truth, answer)
    names = ("entity_f1", "entity_precision", "entity_recall")
    assert [found[name] or 0.0 for name in names] == pytest.approx(expected)


def test_other_marks_and_tags_behind() -> None:
    assert entities(["PER-B", "PER-I", "O"]) == [("PER", 0, 1)]
    assert entities(["B-PER", "M-PER", "E-PER", "S-LOC"]) == [("PER", 0, 2), ("LOC", 3, 3)]
    assert marks_entities(["B", "I", "O"]) and not marks_entities(["O"]) and not marks_entities(["N", "B-A"])


def test_an_interval_holds_the_value_and_an_answer_of_other_words_is_a_bug() -> None:
    truth = listed([["N", "V"]] * 30)
    found = measure("tags", truth, {"tags": listed([["N", "V"]] * 20 + [["N", "N"]] * 10)})["accuracy"]
    assert found["low"] < found["value"] < found["high"] and found["value"] == pytest.approx(50 / 60)
    with pytest.raises(ValueError, match="other numbers of words"):
        score("tags", "accuracy", truth, {"tags": listed([["N"]] * 30)})
