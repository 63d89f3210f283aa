"""Targets about the words of a text: tags and spans come out of one pass through a graph as the run gives them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from exported_runs import trained

from netwright.events import listening
from netwright.export.onnx.run import Model as Folder
from netwright.export.proven import export

WORDS = ["the", "a", "cat", "dog", "runs", "sleeps", "red", "blue", "in", "on", "Ann", "Bob", "🙂", "naïve", "北京"]


def tagged(folder: Path) -> Path:
    """Lists of words whose names are to be found; one text is longer than a graph reads at once."""
    draw = random.Random(0)
    texts = [[draw.choice(WORDS) for _ in range(draw.randint(0 if k == 3 else 1, 12))] for k in range(80)]
    texts[7] = ["the"] * 40
    rows = [{"words": text, "tags": ["NAME" if word in ("Ann", "Bob") else "O" for word in text]} for text in texts]
    pl.DataFrame(rows).write_ndjson(folder / "tags.jsonl")
    return folder / "tags.jsonl"


def asked(folder: Path) -> Path:
    """Questions whose answer is a word of the text, every seventh without one."""
    draw, rows = random.Random(1), []
    for k in range(80):
        words = [draw.choice(WORDS) for _ in range(draw.randint(6, 14))]
        at = draw.randrange(len(words))
        answer = {"text": words[at], "start": len(" ".join([*words[:at], ""]))}
        rows.append(
            {"context": " ".join(words), "question": f"where is {words[at]}", "answer": None if k % 7 == 0 else answer}
        )
    pl.DataFrame(rows).write_ndjson(folder / "asked.jsonl")
    return folder / "asked.jsonl"


@pytest.mark.parametrize(("family", "reads"), [("transformer", "first")])
def test_tags(family: str, reads: str, tmp_path: Path) -> None:
    import netwright as nw

    small: dict[str, Any] = {"width": 8, "depth": 1, **({"heads": 2} if family == "transformer" else {})}
    settings = {
        "training": {"epochs": 2, "batch_size": 16},
        "columns": {"words": {"kind": "text", "length": 24}},
        "heads": {"tags": {"reads": reads}},
    }
    ours = nw.train(
        tagged(tmp_path), target="tags", model={"family": family, **small}, output=tmp_path / "run", settings=settings
    )
    said: list = []
    with listening(said):
        found = export(tmp_path / "run", to="onnx", output=tmp_path / "out", data=tmp_path / "tags.jsonl")
    assert found["wrong"] == [] and found["rows"] == 79 and "accuracy" in found["targets"]["tags"]["scores"]
    assert [event.text for event in said if event.name == "export.long"] == ["1 rows are too long for ONNX Runtime, and are not compared (tags.jsonl:8)"]  # fmt: skip
    folder, rows = (
        Folder(tmp_path / "out", threads=1),
        [{"words": ["Ann", "runs", "🙂", ""]}, {"words": []}, {"words": ["北京"]}],
    )
    wanted = ours.predict(pl.DataFrame(rows, schema={"words": pl.List(pl.String)}))
    answers = folder(rows)
    assert [row["tags_predicted"] for row in answers] == wanted["tags_predicted"].to_list()
    assert answers[0]["tags_probability"] == pytest.approx(wanted["tags_probability"][0].to_list(), abs=1e-4)
    with pytest.raises(ValueError, match="row 2, column 'words': its 30 tokens do not fit: the graph reads 24 at once"):
        folder([{"words": ["Ann"]}, {"words": ["the"] * 30}])


def test_spans(tmp_path: Path) -> None:
    path = asked(tmp_path)
    ours = trained(path, "answer", tmp_path / "run", "recurrent", {"answer": {"about": "context"}}, width=8, depth=1)
    found = export(tmp_path / "run", to="onnx", output=tmp_path / "out")
    assert found["wrong"] == [] and found["rows"] > 5 and found["largest"] < 1e-4
    rows = pl.read_ndjson(path).head(20)
    wanted = ours.predict(rows)
    answers = Folder(tmp_path / "out", threads=1)(rows.to_dicts())
    assert [row["answer_predicted"] for row in answers] == wanted["answer_predicted"].to_list()
    assert [row["answer_start"] if row["answer_start"] >= 0 else None for row in answers] == wanted[
        "answer_start"
    ].to_list()
