"""Targets about the words of a text: tags and spans come out of one pass through a graph as the run gives them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import netwright as nw
from netwright.events import listening
from netwright.export.onnx.run import Model as Folder
from netwright.export.proven import export

WORDS = ["the", "a", "cat", "dog", "runs", "sleeps", "red", "blue", "in", "on", "Ann", "Bob", "🙂", "naïve", "北京"]


def asked(path: Path) -> Path:
    """Questions whose answer is a word of the text, every seventh without one; each word's tag; one text is too long."""
    draw, rows = random.Random(1), []
    for k in range(80):
        words = [draw.choice(WORDS) for _ in range(40 if k == 7 else draw.randint(6, 14))]
        at = draw.randrange(len(words))
        answer = {"text": words[at], "start": len(" ".join([*words[:at], ""]))}
        tags = ["NAME" if word in ("Ann", "Bob") else "O" for word in words]
        rows.append({
            "context": " ".join(words), "question": f"where is {words[at]}", "tags": tags,
            "answer": None if k % 7 == 1 else answer,
        })  # fmt: skip
    pl.DataFrame(rows).write_ndjson(path)
    return path


def test_tags_and_spans(tmp_path: Path) -> None:
    path = asked(tmp_path / "asked.jsonl")
    about: dict[str, Any] = {
        "tags": {"kind": "tags", "about": "context"},
        "answer": {"kind": "span", "about": "context"},
    }
    settings = {"training": {"epochs": 2, "batch_size": 16}, "columns": {**about, "context": {"kind": "text", "length": 100}, "question": {"kind": "text", "length": 100}}}  # fmt: skip
    small = {"family": "transformer", "width": 16, "depth": 1, "heads": 2}
    ours = nw.train(path, target="tags,answer", model=small, output=tmp_path / "run", settings=settings)
    said: list = []
    with listening(said):
        found = export(tmp_path / "run", to="onnx", output=tmp_path / "out", data=path)
    assert found["wrong"] == [] and found["rows"] in (79, 80) and found["largest"] < 1e-4
    assert found["targets"]["tags"]["scores"].keys() >= {"accuracy"} and found["targets"]["answer"]["scores"]
    folder, rows = (
        Folder(tmp_path / "out", threads=1),
        pl.read_ndjson(path).filter(pl.col("context").str.len_chars() < 90),
    )
    wanted, answers = ours.predict(rows), folder(rows.to_dicts())
    assert [row["answer_predicted"] for row in answers] == wanted["answer_predicted"].to_list()
    starts = [row["answer_start"] if row["answer_start"] >= 0 else None for row in answers]
    assert starts == wanted["answer_start"].to_list()
    assert [row["tags_predicted"] for row in answers] == wanted["tags_predicted"].to_list()
    assert answers[0]["tags_probability"] == pytest.approx(wanted["tags_probability"][0].to_list(), abs=1e-4)
    odd = folder([{"context": "", "question": None}, {"context": ["Ann", "", "🙂"], "question": "who"}])
    assert [len(row["tags_predicted"]) for row in odd] == [0, 3]
    with pytest.raises(
        ValueError, match=r"row 2, column 'context': its \d+ tokens do not fit: the graph reads 100 at once"
    ):
        folder([{"context": "Ann", "question": "who"}, {"context": "the " * 120, "question": "who"}])
