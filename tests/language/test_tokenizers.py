"""Tokenizers and templates: every text is read and written back exactly; only the assistant's words count."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from netwright.errors import InputError
from netwright.events import Event, listening
from netwright.kinds import tokenizing
from netwright.kinds.messages import Target as MessagesTarget
from netwright.kinds.prompting import CHAT, Unfit, conversation, turns
from netwright.kinds.written import Target as WrittenTarget

ODD = [
    "",
    " ",
    "床前明月光",
    "a\x00b",
    "🎉👩‍👩‍👧",
    "e\u0301té",
    "<|end|> is text",
    "\r\n\ttabs ",
    "مرحبا",
    "𠮷野家",
    "x" * 500,
]


@pytest.mark.parametrize("level", ["bpe", "words", "characters"])
def test_any_text_comes_back_exactly_and_no_token_is_unknown(level: str) -> None:
    tokenizer = tokenizing.read(tokenizing.train(["床前明月光 hello hello", "疑是地上霜"], level, 320))  # type: ignore[arg-type]
    assert sorted(tokenizer.get_vocab().values()) == list(range(tokenizer.get_vocab_size())), "no number is left out"
    for text, ids in zip(ODD, tokenizing.encode(tokenizer, ODD), strict=True):
        assert tokenizer.decode(ids.tolist()) == text
        assert not set(ids.tolist()) & set(range(len(tokenizing.SPECIAL))), "what people write is never a mark"


def test_a_word_of_the_list_is_one_token_and_others_are_their_bytes() -> None:
    tokenizer = tokenizing.read(tokenizing.train(["alpha beta alpha"], "words", 300))
    assert len(tokenizer.encode("alpha", add_special_tokens=False).ids) == 1
    assert len(tokenizer.encode("gamma", add_special_tokens=False).ids) == 5


def test_lone_surrogates_are_read_as_a_sign_and_said() -> None:
    frame = pl.DataFrame({"t": ["hello there friend"] * 4})
    kind = WrittenTarget.fit(frame, WrittenTarget.Options(vocabulary=300))
    spoilt = "a\ud800b"
    assert tokenizing.clean(spoilt) == "a\ufffdb"
    assert kind.reader.decode(tokenizing.encode(kind.reader, [tokenizing.clean(spoilt)])[0].tolist()) == "a\ufffdb"


def test_characters_come_whole_when_streamed() -> None:
    tokenizer = tokenizing.read(tokenizing.train(["x"], "bpe", 264))
    writer = tokenizing.Writer(tokenizer)
    said = [writer.add(token) for token in tokenizer.encode("a🎉床", add_special_tokens=False).ids]
    assert [part for part in said if part] == ["a", "🎉", "床"]


def test_only_the_assistants_words_and_their_end_count() -> None:
    said = [
        {"role": "system", "content": "be kind"}, {"role": "user", "content": "hi <|end|>"},
        {"role": "assistant", "content": "hello"}, {"role": "user", "content": "and"}, {"role": "assistant", "content": "bye"},
    ]  # fmt: skip
    pieces = conversation(said, CHAT)
    assert [piece.text for piece in pieces if piece.counted] == ["hello", "<|end|>", "bye", "<|end|>"]
    assert not next(piece for piece in pieces if piece.text == "hi <|end|>").special
    kind = MessagesTarget.fit(pl.DataFrame({"m": [said] * 3}), MessagesTarget.Options(vocabulary=300))
    arrays = kind.encode(pl.DataFrame({"m": [said]}), lambda rows: ["r"])
    assert kind.truth(arrays).tolist() == ["hellobye"]


def test_a_chatml_template_marks_the_answers_too() -> None:
    template = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    pieces = conversation([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], template)
    assert "".join(piece.text for piece in pieces if piece.counted) == "a<|im_end|>"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "empty"), ("[", "JSON"), ([{"role": "robot", "content": "x"}], "robot"), ([{"role": "user"}], "no content"),
        ([{"role": "assistant", "content": "x"}], "must follow"), (["x"], "no object"),
        ([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}], "must be the first"),
        ([{"role": "user", "content": [{"type": "image"}]}], "image"),
    ],
)  # fmt: skip
def test_conversations_that_no_template_takes_say_why(value: object, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        conversation(turns(value), CHAT)


def test_wrong_rows_are_named() -> None:
    good = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    kind = MessagesTarget.fit(pl.DataFrame({"m": [good] * 3}), MessagesTarget.Options(vocabulary=300))
    with pytest.raises(InputError, match=r"row 2 .*robot"):
        rows = pl.DataFrame({"m": [good, [{"role": "robot", "content": "x"}]]})
        kind.encode(rows, lambda numbers: [f"row {number + 1}" for number in numbers])


def test_what_is_beyond_the_context_is_cut_and_said_with_row_ids() -> None:
    frame = pl.DataFrame({"b": ["x y", "x y", "x y"], "a": ["short", "long " * 60, "mid"]})
    kind = WrittenTarget.fit(frame, WrittenTarget.Options(vocabulary=300, length=24))
    heard: list[Event] = []
    with listening(heard):
        arrays = kind.encode(frame, lambda rows: [f"row {row}" for row in rows])
    assert [event.name for event in heard] == ["text.cut"] and "row 1" in heard[0].text
    assert kind.truth(arrays).tolist() == ["x y"] * 3, "the answer keeps its room"
    assert arrays["ids"].lengths.max() <= 25  # type: ignore[union-attr]


def test_rows_without_a_word_to_be_learnt_are_absent() -> None:
    only = [{"role": "user", "content": "q"}]
    good = [*only, {"role": "assistant", "content": "a"}]
    kind = MessagesTarget.fit(pl.DataFrame({"m": [good] * 3}), MessagesTarget.Options(vocabulary=300))
    heard: list[Event] = []
    with listening(heard):
        arrays = kind.encode(pl.DataFrame({"m": [good, only, None]}), lambda rows: [f"row {row}" for row in rows])
    assert kind.absent(arrays).tolist() == [False, True, True]
    assert [event.name for event in heard] == ["text.nothing"]


def test_a_saved_kind_reads_alike() -> None:
    frame = pl.DataFrame({"t": ["床前明月光", "hello world"]})
    kind = WrittenTarget.fit(frame, WrittenTarget.Options())
    again = WrittenTarget.model_validate_json(kind.model_dump_json())
    for name, array in kind.encode(frame, lambda rows: []).items():
        other = again.encode(frame, lambda rows: [])[name]
        np.testing.assert_array_equal(getattr(array, "values", array), getattr(other, "values", other))
