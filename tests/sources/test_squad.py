"""SQuAD's form: a row a question; what lacks something is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from netwright.data.readers import read
from netwright.errors import InputError
from netwright.recipe import Read


def written(
    folder: Path, *questions: dict[str, Any], context: Any = "Ann lives in Rome.", name: str = "a.json"
) -> Path:
    whole = {"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": context, "qas": list(questions)}]}]}
    path = folder / name
    content = json.dumps(whole, ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


ASKED = {"id": "q1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}], "is_impossible": False}
NOBODY = {"id": 2, "question": "Why?", "answers": [], "plausible_answers": [], "is_impossible": True}


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_questions_are_rows(tmp_path: Path, name: str) -> None:
    table = read(written(tmp_path, ASKED, NOBODY, name=name))
    assert table.columns == ["id", "question", "context", "answer", "title"]
    assert table.frame["answer"].to_list() == [[{"text": "Ann", "start": 0}], None]
    assert table.ids() == [f"{name}:1", f"{name}:2"] and table.frame["id"].to_list() == ["q1", "2"]


def test_several_answers_and_older_versions(tmp_path: Path) -> None:
    several = {"id": "q", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}, {"text": "Ann lives", "answer_start": 0}]}  # fmt: skip
    assert len(read(written(tmp_path, several)).frame["answer"][0]) == 2


def test_other_json_files_are_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('[{"data": 1, "paragraphs": 2}]')
    (tmp_path / "c.jsonl").write_text('{"data": [{"paragraphs": []}]}\n')
    assert read(tmp_path / "b.json").columns == ["data", "paragraphs"]
    assert read(tmp_path / "c.jsonl").columns == ["data"]


def test_a_question_that_lacks_something_is_named_or_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, ASKED, {"id": "q3", "question": "Where?"}, {"id": "q4", "answers": [{}]})
    with pytest.raises(
        InputError, match=r"a\.json:2: it lacks answers.*\na\.json:3: it lacks a question and an answer's text"
    ):
        read(path)
    assert len(read(path, settings=Read(bad_rows="leave_out"))) == 1


def test_what_is_broken_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, ASKED)
    path.write_text(path.read_text()[:-3])
    with pytest.raises(InputError, match="is not JSON"):
        read(path)
    with pytest.raises(InputError, match="holds no question"):
        read(written(tmp_path))
    (tmp_path / "d.json").write_text('{"data": [{"paragraphs": [3]}]}')
    with pytest.raises(InputError, match="is not in SQuAD's format after 0 questions"):
        read(tmp_path / "d.json")
