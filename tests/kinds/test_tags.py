"""TagsTarget: one for each word of a text; how they are recognised, numbered, given back."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.errors import InputError
from netwright.events import Event
from netwright.kinds.infer import infer
from netwright.kinds.tags import Target as TagsTarget
from netwright.kinds.tags import listed
from netwright.runtime.arrays import Ragged

from .fitting import encode, fit

WORDS, TAGS = [["a", "cat", "sat"], ["cats", "sat"]], [["D", "N", "V"], ["N", "V"]]


def kind_of(column: pl.Series, **beside: pl.Series) -> str | None:
    return infer(column, {}, "target", beside=beside).kind


def test_as_many_parts_as_a_text_has_words() -> None:
    texts = pl.Series("words", ["a cat sat", "cats sat", "he sat down there"])
    assert kind_of(pl.Series("y", ["D N V", "N V", "P V A A"]), words=texts) == "tags"
    assert kind_of(pl.Series("y", [["D", "N", "V"], ["N", "V"], ["P", "V", "A", "A"]]), words=texts) == "tags"
    assert kind_of(pl.Series("y", ["good", "bad", "good"]), words=texts) == "category", "a word a row is a class"


def test_a_few_rows_that_do_not_fit_are_mistakes_and_no_other_kind() -> None:
    texts = pl.Series("words", [["a", "cat", str(k)] if k % 2 else ["he", str(k)] for k in range(40)])
    tags = [["D", "N", "M"] if k % 2 else ["P", "M"] for k in range(40)]
    found = infer(pl.Series("y", [*tags[:38], ["M"], ["M"]]), {}, "target", beside={"words": texts})
    assert found.kind == "tags" and found.reason == "95.0% of its values have as many parts as words has words"
    assert kind_of(pl.Series("y", [*tags[:30], *[["M"]] * 10]), words=texts) == "labels"


def test_lists_in_which_an_item_stands_twice() -> None:
    assert kind_of(pl.Series("y", [["O", "O", "N"], ["N", "O", "O"]] * 5)) == "tags"
    assert kind_of(pl.Series("y", [["red", "new"], ["new"]] * 5)) == "labels"
    assert infer(pl.Series("y", [["O", "O"], ["N", "O", "O"]] * 5), {}, "input").kind == "labels", "tags are never read"


def test_the_text_that_they_are_about() -> None:
    texts = {"title": pl.Series(["x", "y z"]), "words": pl.Series(["a cat sat", "cats sat"])}
    assert TagsTarget.about_which(pl.Series(TAGS), texts) == "words"
    assert TagsTarget.about_which(pl.Series([["D"], ["N"]]), texts) is None
    assert TagsTarget.about_which(pl.Series([["D"], ["N"]]), {"words": texts["words"]}) == "words"


@pytest.mark.parametrize("tags", [TAGS, ["D N V", " N  V "]])
@pytest.mark.parametrize("words", [WORDS, ["a cat sat", "cats sat"]])
def test_tags_as_lists_and_as_texts(words: Any, tags: Any) -> None:
    kind = fit("tags", {"y": tags, "words": words}, "target")
    assert kind.tags == ("D", "N", "V") and kind.counts == (1, 2, 2) and kind.about == "words"
    arrays = encode(kind, {"y": tags, "words": words})
    assert arrays["tags"].values.tolist() == [0, 1, 2, 1, 2]  # type: ignore[union-attr]
    assert kind.truth(arrays).tolist() == TAGS


def test_numbers_are_given_back_as_numbers() -> None:
    kind = fit("tags", {"y": [[10, 2], [2]], "words": ["a b", "c"]}, "target")
    assert kind.tags == ("2", "10")
    frame = kind.decode(
        {"tags": listed([["10", "2"], ["2"]]), "probability": listed([np.array([0.9, 0.51234]), np.ones(1)])}
    )
    assert frame.to_dicts()[0] == {"y_predicted": [10, 2], "y_probability": [0.9, 0.5123]}


def test_missing_empty_and_unseen_tags(said: list[Event]) -> None:
    kind = fit("tags", {"y": TAGS, "words": WORDS}, "target")
    values = {"y": [["D", "X"], None, [], ["X"]], "words": [["a", "b"], ["a"], [], ["c"]]}
    arrays = encode(kind, values)
    assert isinstance(arrays["tags"], Ragged) and arrays["tags"].values.tolist() == [0, -1, -1]
    assert kind.absent(arrays).tolist() == [False, True, True, True]
    assert kind.truth(arrays).tolist() == [["D", None], [], [], [None]]
    (event,) = [event for event in said if event.name == "tags.unseen"]
    assert "2 tags not seen in training, such as 'X'" in event.text and event.data["rows"] == ["rows:1", "rows:4"]


def test_rows_whose_tags_are_not_as_many_as_their_words_are_named() -> None:
    kind = fit("tags", {"y": TAGS, "words": WORDS}, "target")
    with pytest.raises(InputError, match=r"rows:2: y: it has 1 tag, and words has 2 words.*\n.*1 rows do not fit"):
        encode(kind, {"y": [["D"], ["N"]], "words": [["a"], ["a", "b"]]})


def test_one_tag_only_is_an_error() -> None:
    with pytest.raises(InputError, match="has a single tag: 'O'"):
        fit("tags", {"y": [["O", "O"], ["O"]], "words": ["a b", "c"]}, "target")
