"""Which kind a column is of, why, and what is left out."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.errors import InputError
from netwright.kinds.infer import infer

RANDOM = np.random.default_rng(0)
SPOKEN = "the film was long and dull but its end made up for all of it"
WORDS = SPOKEN.split()
SENTENCES = [" ".join(RANDOM.choice(WORDS, 9)) for _ in range(40)]
PNG = bytes.fromhex(  # one white pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63f80f0001010100b138f6140000000049454e44ae426082"
)

COLUMNS: list[tuple[str, Any, str | None, str]] = [
    ("size", RANDOM.normal(size=40), "number", "its values are numbers, 40 of them distinct"),
    ("count", RANDOM.integers(0, 30, 40), "number", "its values are numbers"),
    ("price", [f"${k}.50" for k in range(40)], "number", "100% of its values are numbers written as text"),
    ("面积", [f"{k}.5㎡" for k in range(40)], "number", "100% of its values are numbers with the unit '㎡'"),
    ("flag", [True, False] * 20, "category", "its values are true and false"),
    ("sex", [0, 1] * 20, "category", "it has 2 values, both whole numbers"),
    ("town", ["Rome", "Bern", "Oslo", "Wien"] * 10, "category", "its 40 values repeat: 4 are distinct"),
    ("enum", pl.Series(["a", "b"] * 20, dtype=pl.Enum(["a", "b"])), "category", "it is stored as a category"),
    ("review", SENTENCES, "text", "distinct and 9 words long on average"),
    ("评论", ["这部电影很长很无聊", "结局弥补了一切", "我非常喜欢这个演员", "故事太慢了不好看"] * 2 + ["不错的电影值得一看", "再也不想看第二遍了"], "text", "words long on average"),
    ("day", [f"2024-01-{k % 28 + 1:02d}" for k in range(40)], "date", "100% of its values are dates"),
    ("born", [date(2000, 1, k % 28 + 1) for k in range(40)], "date", "it is stored as a date"),
    ("tags", ["a|b", "b", "a|c", "c|b"] * 10, "labels", "75% of its values have several parts separated by '|', 3 distinct"),
    ("list", [["a"], ["b", "a"], [], ["b"]] * 10, "labels", "its values are lists"),
    ("photo", [f"p/{k}.JPG" for k in range(40)], "image", "100% of its values are names of image files"),
    ("pixels", np.zeros((40, 4, 5), np.uint8), "image", "its values are pixels, 4×5"),
    ("nested", [[[1, 2], [3, 4]]] * 40, "image", "its values are lists of rows of pixels"),
    ("bytes", [PNG, PNG + b"\0"] * 20, "image", "its values are image bytes"),
    ("id", list(range(100, 140)), None, "it looks like an identifier: all its values are distinct whole numbers"),
    ("row", list(range(40)), None, "it looks like an identifier: all its values are distinct whole numbers in a row"),
    ("code", [f"A{k:05d}" for k in range(40)], None, "it looks like an identifier: all its values are distinct codes"),
    ("constant", [7] * 40, None, "all its values are 7"),
    ("empty", pl.Series([None] * 40, dtype=pl.String), None, "it has no values"),
    ("huge", RANDOM.normal(size=40) * 1e300, "number", "its values are numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "kind", "reason"), COLUMNS, ids=[name for name, *_ in COLUMNS])
def test_an_input_column(name: str, values: Any, kind: str | None, reason: str) -> None:
    found = infer(pl.DataFrame({name: values})[name], {}, "input")
    assert found.kind == kind and reason in found.reason


@pytest.mark.parametrize(("values", "kind"), [
    (RANDOM.normal(size=40), "number"), ([1, 2, 3, 4] * 10, "category"), (list(range(40)), "number"), (["yes", "no"] * 20, "category"),
    ([True, False] * 20, "category"), (["a|b", "b", "a|c", "c|b"] * 10, "labels"), (["1.5", "2.5", "7"] * 10, "number"), ([0.0, 1.0] * 20, "category"),
])  # fmt: skip
def test_a_target_column(values: Any, kind: str) -> None:
    assert infer(pl.Series("y", values), {}, "target").kind == kind


def test_the_users_word_stands() -> None:
    found = infer(pl.Series("id", range(40)), {"kind": "number", "scale": "robust"}, "input")
    assert (found.kind, found.given, found.reason) == ("number", {"scale": "robust"}, "as the recipe says")


@pytest.mark.parametrize(("given", "message"), [
    ({"kind": "nmber"}, r"columns\.x\.kind: there is no kind 'nmber'"),
    ({"kind": "number", "scal": "none"}, r"columns\.x\.scal: there is no such setting. Fix: did you mean scale"),
    ({"kind": "number", "scale": "log"}, r"columns\.x\.scale: got 'log'"),
    ({"minimum": 3}, r"columns\.x\.minimum: there is no such setting"),  # of a column found to be a number
])  # fmt: skip
def test_wrong_settings_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        infer(pl.Series("x", RANDOM.normal(size=40)), given, "input")


def test_clauses_of_sentences_are_no_labels() -> None:
    clauses = ["味道很好", "服务不错", "等了很久", "下次还来", "价格太贵", "环境优美"]
    reviews = [
        "，".join(RANDOM.choice(clauses, 3, replace=False)) + RANDOM.choice(["。", "！", "", "😀"]) for _ in range(90)
    ]
    assert infer(pl.Series("评论", reviews), {}, "input").kind == "text"
    assert infer(pl.Series("标签", [review.rstrip("。！😀") for review in reviews]), {}, "input").kind == "labels"


def test_a_long_value_is_cut_in_a_message() -> None:
    assert infer(pl.Series("a", ["word " * 99] * 9), {}, "input").reason == f"all its values are '{'word ' * 12}...'"


@pytest.mark.parametrize(
    ("values", "called"),
    [
        (pl.Series("a", [[1.0, 2.0], [3.0, 4.0]]), "lists of numbers"),
        (pl.Series("a", [{"b": 1, "c": 2}]), "objects (with b, c)"),
        (pl.Series("a", [b"x", b"y"]), "bytes"),
    ],
)
def test_what_no_kind_reads_is_told_in_words(values, called):
    assert infer(values, {}, "input").reason == f"no kind reads {called}"
