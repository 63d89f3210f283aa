"""Conversations among which some are none: named one by one, or left out where that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import netwright as nw
from netwright.data import readers
from netwright.events import listening

SMALL: dict[str, Any] = {"model": {"family": "transformer", "width": 16, "depth": 1}, "training": {"epochs": 1}}


def talk(number: int) -> Any:
    return [{"role": "user", "content": f"hello {number}"}, {"role": "assistant", "content": f"hi {number}"}]


def file(folder: Path, *more: Any) -> Path:
    path = folder / "talks.jsonl"
    path.write_text("\n".join(json.dumps({"messages": value}) for value in [*map(talk, range(40)), *more]))
    return path


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ([{"role": "assistant", "content": "x"}], "an assistant message must follow"),
        ("hello", "is no JSON list of messages"),
        ([{"rol": "user", "text": "x"}], "message 1 has the role None"),
        ([{"role": "robot", "content": "x"}], "message 1 has the role 'robot'"),
        ([], "is no list of messages, or an empty one"),
        ([{"role": "user"}], "message 1 has no content"),
    ],
)
def test_a_row_that_is_no_conversation(spoilt: Any, why: str, tmp_path: Path) -> None:
    path = file(tmp_path, spoilt)
    with pytest.raises(nw.InputError, match=rf"messages: talks.jsonl:41 {why}.*--read.bad_rows leave_out"):
        nw.train(path, target="messages", output=tmp_path / "run", settings=SMALL)
    assert not (tmp_path / "run").exists()
    left = {**SMALL, "read": {"bad_rows": "leave_out"}}
    with listening(heard := []):
        nw.train(path, target="messages", output=tmp_path / "run", settings=left)
    said = next(event for event in heard if event.name == "messages.bad_rows")
    assert said.data["rows"] == ["talks.jsonl:41"]


def test_half_characters_in_json(tmp_path: Path) -> None:
    """A lone surrogate is replaced and said with its row; two halves of one character are that character."""
    lines = ['{"a": "x \\ud800", "b": ["\\udc00"]}', '{"a": "\\ud83d\\ude00", "b": []}', '{"a": "床", "b": []}']
    for name, content in (("a.jsonl", "\n".join(lines)), ("a.json", "[" + ",\n".join(lines) + "]")):
        (tmp_path / name).write_text(content)
        with listening(heard := []):
            table = readers.read(tmp_path / name)
        assert table.frame.rows() == [("x \ufffd", ["\ufffd"]), ("😀", []), ("床", [])]
        assert [event.data["rows"] for event in heard if event.name == "read.surrogates"] == [[f"{name}:1"]]
    with listening(heard := []):
        assert readers.read([{"a": "fine"}, {"a": "x\ud800"}]).frame["a"].to_list() == ["fine", "x\ufffd"]
    assert [event.data["rows"] for event in heard] == [["rows:2"]]
