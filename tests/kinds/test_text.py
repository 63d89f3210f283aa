"""Texts: tokens of a vocabulary or a bag of n-grams; what is cut or unknown is said; an empty text is a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from netwright.events import Event
from netwright.kinds.text import UNKNOWN
from netwright.runtime.arrays import Ragged

from .fitting import encode, fit

TEXTS = ["The cat sat.", "the dog sat down", "A cat and a dog!"]


def tokens(kind: Any, values: list[str | None]) -> list[list[int]]:
    ids = encode(kind, values)["ids"]
    assert isinstance(ids, Ragged)
    return [ids.row(k).tolist() for k in range(len(ids))]


def test_words_are_numbered_by_frequency_after_padding_and_unknown() -> None:
    kind = fit("text", TEXTS, tokens="words", vocabulary=100)
    (the, cat, sat, stop), (the_too, *_), _ = tokens(kind, TEXTS)
    assert the == the_too and min(the, cat, sat, stop) > UNKNOWN
    assert kind.width == 2 + len({"the", "cat", "sat", ".", "dog", "down", "a", "and", "!"})


def test_capitals_may_be_kept() -> None:
    kind = fit("text", TEXTS, tokens="words", vocabulary=100, lowercase=False)
    (first, *_), (second, *_), _ = tokens(kind, TEXTS)
    assert first != second


def test_a_cut_text_and_an_unknown_word_are_said(said: list[Event]) -> None:
    kind = fit("text", TEXTS, tokens="words", vocabulary=100, length=3)
    short, long = tokens(kind, ["a unicorn sat", "the dog sat down here"])
    assert len(short) == len(long) == 3 and short[1] == UNKNOWN
    cut, unknown = (next(event for event in said if event.name == name) for name in ("text.cut", "text.unknown"))
    assert cut.data["rows"] == ["rows:2"] and cut.data["count"] == 1 and "3 tokens" in cut.text
    assert unknown.data["count"] == 2 and "25.0%" in unknown.text  # unicorn and here, of 8


@pytest.mark.parametrize("how", ["words", "characters", "bpe", "ngrams"])
def test_an_empty_and_a_missing_text_have_no_tokens(how: str) -> None:
    kind = fit("text", [*TEXTS, ""], tokens=how, vocabulary=600)
    assert tokens(kind, ["", None, "  "]) == [[], [], []] or how in ("characters", "bpe")
    assert tokens(kind, ["", None]) == [[], []]


@pytest.mark.parametrize("how", ["words", "characters", "bpe"])
def test_chinese_is_read_a_character_or_piece_at_a_time(how: str, said: list[Event]) -> None:
    kind = fit("text", ["我爱北京天安门", "北京很大", "我很好"], tokens=how, vocabulary=600)
    (row,) = tokens(kind, ["我爱天安门"])
    assert not [event for event in said if event.name == "text.unknown"]
    if how != "bpe":
        assert len(row) == 5 and len(set(row)) == 5


def test_byte_pairs_know_every_text_and_give_it_back(said: list[Event]) -> None:
    kind = fit("text", TEXTS * 5, tokens="bpe", vocabulary=300, lowercase=False)
    text = "Zürich 🙂 dogs"
    (row,) = tokens(kind, [text])
    assert UNKNOWN not in row and not [event for event in said if event.name == "text.unknown"]
    alphabet = {v: k for k, v in byte_alphabet().items()}
    pieces = "".join(kind._tokenizer.id_to_token(token) for token in row)
    assert bytes(alphabet[letter] for letter in pieces).decode() == text


def byte_alphabet() -> dict[int, str]:
    """GPT-2's letters for the 256 bytes (Radford et al. 2019)."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {byte: chr(256 + k) for k, byte in enumerate(others)}


@pytest.mark.parametrize("how", ["words", "characters", "bpe", "ngrams"])
def test_the_same_texts_give_the_same_vocabulary(how: str) -> None:
    many = [" ".join(f"w{(k * j) % 37}" for j in range(9)) for k in range(200)]
    assert fit("text", many, tokens=how, vocabulary=300) == fit("text", many, tokens=how, vocabulary=300)


def bag(kind: Any, values: list[str]) -> np.ndarray:
    arrays = encode(kind, values)
    ids, weights = arrays["ids"], arrays["weights"]
    assert isinstance(ids, Ragged) and isinstance(weights, Ragged)
    return csr_array((weights.values, ids.values, ids.offsets), shape=(len(values), kind.vocabulary)).toarray()


def test_a_bag_is_scikit_learns_tf_idf_of_hashed_n_grams() -> None:
    """(1 + ln count) (ln((1 + n) / (1 + rows with it)) + 1), words and letters each scaled to length 1."""
    kind = fit("text", TEXTS, tokens="ngrams", vocabulary=2048)
    ours = bag(kind, TEXTS)
    for part, half in zip(kind._counts(TEXTS), (slice(0, 1024), slice(1024, 2048)), strict=True):
        expected = TfidfTransformer(sublinear_tf=True).fit(part).transform(part).toarray()[:, half]
        np.testing.assert_allclose(ours[:, half], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(normalize(ours[:, half]), ours[:, half], rtol=1e-5)


def test_a_row_is_encoded_the_same_alone() -> None:
    for how in ("words", "characters", "bpe", "ngrams"):
        kind = fit("text", TEXTS, tokens=how, vocabulary=600)
        assert sum((tokens(kind, [text]) for text in TEXTS), []) == tokens(kind, TEXTS)
