"""Spans: pieces of a text; what forms they are written in, where they stand, what fits no text."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.errors import InputError
from netwright.events import Event
from netwright.kinds.infer import infer
from netwright.kinds.span import Target as SpanTarget

from .fitting import encode, fit

TEXT = "Ann 😀 lives in Zu\u0308rich, Ann says."
FORMS: list[tuple[Any, tuple[int, int]]] = [
    ({"text": "lives", "start": 6}, (6, 11)),
    ({"text": "lives", "answer_start": 6}, (6, 11)),
    ({"text": ["lives", "Ann"], "answer_start": [6, 0]}, (6, 11)),
    ([{"text": "lives", "start": 6}], (6, 11)),
    ({"text": "lives", "start": None}, (6, 11)),
    ("lives", (6, 11)),
    (" lives ", (6, 11)),
    ("Zu\u0308rich", (15, 22)),
    ({"text": "Ann", "start": 20}, (24, 27)),  # not where it is said to stand: the nearest place
]


@pytest.mark.parametrize(("value", "ends"), FORMS)
def test_the_forms_that_pieces_are_written_in(value: Any, ends: tuple[int, int]) -> None:
    frame = {"y": pl.Series([value]), "context": [TEXT]}
    kind = fit("span", frame, "target")
    arrays = encode(kind, frame)
    assert tuple(arrays["ends"][0]) == ends and kind.longest >= ends[1] - ends[0]  # type: ignore[index]
    (right,) = kind.truth(arrays)
    assert right.text == TEXT and right.answers[0] == TEXT[slice(*ends)]


def test_no_answer_is_a_value(said: list[Event]) -> None:
    frame = {"y": ["Ann", None, "", " "], "context": [TEXT] * 4}
    kind = fit("span", frame, "target")
    arrays = encode(kind, frame)
    assert kind.unanswerable == 3 and not kind.absent(arrays).any()
    assert arrays["ends"].tolist() == [[0, 3], [-1, -1], [-1, -1], [-1, -1]]  # type: ignore[union-attr]
    texts = {event.name: event.text for event in said}
    assert "3 rows are unanswerable" in texts["span.unanswerable"] and "more than once" in texts["span.ambiguous"]
    empty = fit(
        "span", {"y": [{"text": "Ann", "start": 0}, {"text": "", "start": -1}], "context": [TEXT] * 2}, "target"
    )
    assert empty.unanswerable == 1


def test_an_answer_that_does_not_stand_in_its_text_is_named() -> None:
    kind = fit("span", {"y": ["Ann"], "context": [TEXT]}, "target")
    with pytest.raises(InputError, match=r"rows:2: y: 'Bob' does not stand in context.*\n.*1 rows do not fit"):
        encode(kind, {"y": ["Ann", "Bob"], "context": [TEXT, TEXT]})
    with pytest.raises(InputError, match="does not stand in context"):
        encode(kind, {"y": ["Ann"], "context": pl.Series([None], dtype=pl.String)})


def test_no_answer_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no training row has an answer"):
        fit("span", {"y": pl.Series([None, None], dtype=pl.String), "context": [TEXT] * 2}, "target")


def test_how_a_span_is_recognised() -> None:
    contexts = pl.Series("context", [f"In the year {k} Ann met Bob {k} times in {place}" for k, place in enumerate(["Rome", "Bonn"] * 8)])  # fmt: skip
    pieces = pl.Series("y", [text[:13] for text in contexts])
    assert infer(pieces, {}, "target", beside={"context": contexts}).kind == "span"
    assert infer(pl.Series("y", ["Rome", "Bonn"] * 8), {}, "target", beside={"context": contexts}).kind == "category"
    assert infer(pl.Series("y", [{"text": "a", "start": 0}]), {}, "target").kind == "span"


def test_the_text_that_it_is_a_piece_of() -> None:
    texts = {"question": pl.Series(["who?", "where?"]), "context": pl.Series(["Ann is", "in Rome"])}
    assert SpanTarget.about_which(pl.Series(["Ann", "Rome"]), texts) == "context"
    assert SpanTarget.about_which(pl.Series(["Tom", None]), texts) is None


def test_an_answer_is_given_back_as_a_piece_of_its_row() -> None:
    kind = fit("span", {"y": ["Ann", None], "context": [TEXT] * 2}, "target")
    found = {"begin": np.array([15, -1]), "end": np.array([22, -1]), "probability": np.array([0.8, 0.6])}
    frame = kind.decode(kind.located(found, pl.DataFrame({"context": [TEXT] * 2})))
    assert frame.rows() == [("Zu\u0308rich", 15, 0.8), (None, None, 0.6)]
