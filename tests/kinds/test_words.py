"""Tokens that know their words and characters: exact in any script."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.errors import InputError
from netwright.events import Event
from netwright.kinds.words import parted, whole
from netwright.runtime.arrays import Ragged

from .fitting import encode, fit

TEXTS: list[Any] = [
    "The cat  sat.", "我爱 北京天安门", "a😀b 👩‍👩‍👧 x", "cafe\u0301 e\u0301", "ﬁn ２５ №", "", None, " \t ",
    ["New York", "", "is", "\u200b", " big "], ["𠀀𠀁", "x"], [],
]  # fmt: skip


def placed(how: str, values: list[Any], **more: Any) -> list[dict[str, np.ndarray]]:
    strings = [value for value in values if not isinstance(value, list)]
    lists = [value for value in values if isinstance(value, list)]
    out = []
    for part in (strings, lists):
        if part:
            column = pl.Series("x", part, dtype=pl.String if part is strings else pl.List(pl.String))
            kind = fit("text", {"x": column}, **{"tokens": how, "vocabulary": 600, "windows": True, **more})
            arrays = encode(kind, {"x": column})
            rows = [{name: array.row(k) for name, array in arrays.items()} for k in range(len(part))]  # type: ignore[union-attr]
            out += [{**row, "value": value} for row, value in zip(rows, part, strict=True)]
    return out


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("how", ["bpe", "words", "characters"])
def test_tokens_cover_each_word_without_a_gap(how: str, lowercase: bool) -> None:
    for row in placed(how, TEXTS, lowercase=lowercase):
        text = parted(row["value"])
        assert np.array_equal(np.unique(row["word"]), np.arange(len(text.words))), "every word has a token"
        assert (np.diff(row["word"]) >= 0).all()
        for number, (word, begin) in enumerate(zip(text.words, text.begins, strict=True)):
            mine = row["word"] == number
            assert row["begin"][mine][0] == begin and row["end"][mine][-1] == begin + len(word)
            assert (row["begin"][mine][1:] <= row["end"][mine][:-1]).all(), "no character of a word is left out"
            assert text.text[begin : begin + len(word)] == word


def test_byte_pairs_keep_combining_marks_and_characters_beyond_the_first_plane() -> None:
    (row,) = placed("bpe", ["e\u0301😀x"], vocabulary=258)
    assert {*zip(row["begin"].tolist(), row["end"].tolist(), strict=True)} == {(0, 1), (1, 2), (2, 3), (3, 4)}


def test_a_list_is_its_words_joined_by_blanks() -> None:
    column = pl.Series("x", [["New York", "is"], None, []], dtype=pl.List(pl.String))
    assert whole(column) == ["New York is", "", ""]
    with pytest.raises(InputError, match="holds values of type Binary, which are no text"):
        whole(pl.Series("x", [b"a"]))


def test_long_texts_are_said_to_be_read_in_windows_and_are_not_cut(said: list[Event]) -> None:
    kind = fit("text", ["a b c d e f", "a"], tokens="words", windows=True, length=4)
    ids = encode(kind, ["a b c d e f", "a"])["ids"]
    assert isinstance(ids, Ragged) and ids.lengths.tolist() == [6, 1]
    (event,) = [event for event in said if event.name == "text.windows"]
    assert "read in windows of 4 tokens (rows:1)" in event.text and event.kind == "notice"


def test_lists_of_words_are_bags_and_tokens_too() -> None:
    listed, plain = [["a", "b"], ["b"]], ["a b", "b"]
    for how in ("ngrams", "words"):
        ours, theirs = encode(fit("text", listed, tokens=how), listed), encode(fit("text", plain, tokens=how), plain)
        assert ours["ids"].values.tolist() == theirs["ids"].values.tolist()  # type: ignore[union-attr]


def test_a_bag_has_no_places() -> None:
    with pytest.raises(InputError, match=r"columns\.x\.tokens: a bag of n-grams has no positions.*Allowed: bpe"):
        fit("text", ["a b"], tokens="ngrams", windows=True)
