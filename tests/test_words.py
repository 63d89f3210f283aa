"""Targets about words, from the data to the answer: what is found, what is refused, what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import netwright as nw
from netwright.data import describe, linked
from netwright.errors import InputError
from netwright.events import Event, listening
from netwright.recipe import Recipe
from netwright.training.pipeline import read

TEXTS = ["Ann lives in Rome", "Bob sat", "a cat ran far away"] * 8
TAGS = [["N", "V", "P", "N"], ["N", "V"], ["D", "N", "V", "A", "A"]] * 8


def described(data: Any, **recipe: Any) -> describe.Described:
    asked = Recipe.model_validate(recipe)
    return describe.describe(read(asked, data), asked)


def frame(**more: Any) -> pl.DataFrame:
    return pl.DataFrame({"words": TEXTS, "tags": TAGS, **more})


def kinds(found: describe.Described) -> dict[str, str | None]:
    return {column.name: column.kind for column in (*found.inputs, *found.targets)}


def test_the_text_is_found_among_several() -> None:
    found = described(frame(title=["News of today", "The cat", "x y z a"] * 8), target="tags")
    assert kinds(found)["words"] == "text" and found.targets[0].given == {"about": "words"}
    assert found.asked == {"words": {"tokens": "bpe", "lowercase": False, "windows": True}}


def test_a_text_of_lists_and_one_that_never_changes_are_read_as_words() -> None:
    found = described(
        pl.DataFrame({"words": [["a", "cat"]] * 9, "tags": [["D", "N"]] * 9}), target="tags", inputs=["words"]
    )
    assert kinds(found) == {"words": "text", "tags": "tags"}


def test_all_texts_beside_a_span_are_read_in_the_same_tokens() -> None:
    data = frame(question=["who?", "what?", "which?"] * 8, answer=["Ann", "Bob", "cat"] * 8).drop("tags")
    found = described(data, target="answer", columns={"answer": "span"}, inputs=["question", "words"])
    assert set(found.asked) == {"question", "words"} and found.targets[0].given == {"about": "words"}


@pytest.mark.parametrize("target", [["tags", "answer"], ["answer", "tags"]])
def test_tags_and_a_span_of_one_text_agree_on_how_it_is_read(target: list[str]) -> None:
    data = frame(question=["who?", "what?", "which?"] * 8, answer=["Ann", "Bob", "cat"] * 8)
    columns = {"answer": {"kind": "span", "about": "words"}, "tags": {"about": "words"}}
    found = described(data, target=target, columns=columns, inputs=["question", "words"])
    assert found.asked["words"] == found.asked["question"] == {"tokens": "bpe", "lowercase": True, "windows": True}


ABOUT = "columns.tags.about"
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "about a column that is no input": (
        {"other": ["a b c d", "a b", "a b c d e"] * 8}, {"inputs": ["words"], "columns": {"tags": {"about": "other"}}},
        rf"{ABOUT}: 'other' is not a text among the inputs. Allowed: words",
    ),
    "about a column that is no text": (
        {"size": list(range(24))}, {"columns": {"tags": {"about": "size"}}},
        rf"{ABOUT}: 'size' is not a text among the inputs. Allowed: words",
    ),
    "about a text that is read as a category": (
        {}, {"columns": {"tags": {"kind": "tags"}, "words": {"kind": "category"}}},
        rf"{ABOUT}: it is not clear which text tags refers to. Allowed: there is no text among the inputs",
    ),
    "several texts that fit": (
        {"copy": TEXTS}, {"columns": {"tags": "tags"}}, rf"{ABOUT}: it is not clear which text tags refers to. Allowed: words, copy",
    ),
    "a text that is to be cut": (
        {}, {"columns": {"words": {"windows": False}}}, r"columns\.words\.windows: tags refers to its words.*Allowed: true",
    ),
    "a text to be written beside": (
        {"copy": [f"{text} {k}" for k, text in enumerate(TEXTS)]}, {"target": ["tags", "copy"], "columns": {"copy": "text"}},
        r"target: tags refers to words of an input, and copy is a text to generate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told(name: str) -> None:
    columns, recipe, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        described(frame(**columns), **{"target": ["tags"], **recipe})


def test_rows_that_do_not_fit_are_named_or_left_out() -> None:
    tags = [row[:-1] if k in (3, 7) else row for k, row in enumerate(TAGS)]
    data = frame().with_columns(pl.Series("tags", tags))
    message = r"rows:4: tags: it has 3 tags, and words has 4 words.*\nrows:8: tags: it has 1 tag, and words has 2 words.*\ntags: 2 rows do not fit"
    with pytest.raises(InputError, match=message):
        described(data, target="tags", columns={"tags": "tags"})
    with listening(heard := list[Event]()):
        found = described(data, target="tags", columns={"tags": "tags"}, read={"bad_rows": "leave_out"})
    assert len(found.table) == 22
    (event,) = [event for event in heard if event.name == "read.bad_rows"]
    assert "2 rows left out, because they do not match their text" in event.text and event.data["rows"] == [
        "rows:4",
        "rows:8",
    ]
    every = data.with_columns(pl.Series("tags", [["N"] * 9] * 24))
    with pytest.raises(InputError, match="no row matches, such as tags: it has 9 tags, and words has 4 words"):
        described(every, target="tags", columns={"tags": "tags"}, read={"bad_rows": "leave_out"})


def test_missing_tags_are_rows_without_a_target_and_a_missing_span_is_an_answer() -> None:
    gaps = [None if k % 6 == 0 else row for k, row in enumerate(TAGS)]
    assert len(described(frame().with_columns(pl.Series("tags", gaps)), target="tags").table) == 20
    answers = [None if k % 6 == 0 else text.split()[0] for k, text in enumerate(TEXTS)]
    data = pl.DataFrame({"context": [f"{text}. {k}" for k, text in enumerate(TEXTS)], "answer": answers})
    assert len(described(data, target="answer", columns={"answer": "span"}).table) == 24
    asked = Recipe.model_validate({"target": ["answer"], "columns": {"answer": "span"}})
    assert linked.without_missing(read(asked, data), asked, ["context"]) == {"answer"}


SQUAD = {"title": "T", "paragraphs": [
    {"context": f"Ann number {k} lives in {place}.", "qas": [
        {"id": f"{k}", "question": f"Where does number {k} live?", "answers": [{"text": place, "answer_start": 21 + len(str(k)) - 1}]},
        {"id": f"{k}x", "question": "Who is Bob?", "answers": [], "is_impossible": True},
    ]}
    for k, place in enumerate(["Rome", "Bonn", "Oslo"] * 8)
]}  # fmt: skip


@pytest.mark.parametrize("family", ["recurrent", "transformer"])
def test_squads_file_from_end_to_end(quick: None, family: str) -> None:
    Path("squad.json").write_text(json.dumps({"version": "v2.0", "data": [SQUAD]}))
    given = {"inputs": ["question", "context"], "training": {"epochs": 2}, "plan": {"threads": 1}}
    model = nw.train("squad.json", target="answer", model={"family": family, "width": 16}, output="run", settings=given)
    assert set(model.metrics["test"]) == {"f1", "exact_match", "answered_f1", "unanswerable"}
    found = model.predict("squad.json")
    assert found.columns == ["id", "answer", "answer_predicted", "answer_start", "answer_probability"]
    for context, piece, start in zip(
        [each["context"] for each in SQUAD["paragraphs"] for _ in range(2)],  # type: ignore[index]
        found["answer_predicted"], found["answer_start"], strict=True,
    ):  # fmt: skip
        assert (piece is None and start is None) or context[start : start + len(piece)] == piece
    assert nw.load("run").evaluate("squad.json")["rows"] == 48


def test_a_text_longer_than_any_window_is_answered_in_each_word(quick: None) -> None:
    model = nw.train(
        frame(), target="tags", model={"family": "recurrent", "width": 8, "length": 4}, output="run",
        settings={"training": {"epochs": 1}, "plan": {"threads": 1}},
    )  # fmt: skip
    long = [f"w{k}" for k in range(3000)]
    with listening(heard := list[Event]()):
        found = model.predict([{"words": long}, {"words": ["a"]}])
    assert found["tags_predicted"].list.len().to_list() == [3000, 1]
    assert any("read in windows of 4 tokens (rows:1)" in event.text for event in heard)
