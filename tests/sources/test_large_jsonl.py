"""Large JSON lines, read part by part, are the same table as if they were read at once; what is said is the same too."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from netwright.data import readers
from netwright.data.readers import large_jsonl
from netwright.errors import InputError
from netwright.events import Event, listening
from netwright.recipe import Read


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_jsonl, "LARGE", 10)
    monkeypatch.setattr(large_jsonl, "PIECE", 300)


def lines(bad: bool = False) -> list[str]:
    draw, out = random.Random(0), []
    for number in range(200):
        row = {"a": number, "b": number / 2 if number % 5 else number, "t": "é" * draw.randrange(30), "n": None}
        row["mixed"] = number if number < 150 else "x"
        row["tags"] = [] if number < 40 else ["u", "v"][: draw.randrange(3)]
        row["m"] = [{"role": "user", "content": "hi"}] if number % 2 else [{"role": "user", "n": number}]
        if number == 190:
            row["late"] = 1.5
        out.append(json.dumps(row, ensure_ascii=False))
        if number in (60, 61):
            out.append(" ")
    if bad:
        out[80], out[81] = "{", "[1]"
    return out


def both(path: Path, **settings: str) -> tuple[pl.DataFrame, pl.DataFrame, list[str], list[str], list[str], list[str]]:
    heard: list[Event] = []
    with listening(heard):
        whole = readers.read(path, settings=Read(**settings))  # type: ignore[arg-type]
    said: list[Event] = []
    with listening(said):
        stream = readers.streamed(path, settings=Read(**settings))  # type: ignore[arg-type]
    assert "_Lines" in repr(stream.part)  # not a table that was read at once
    assert stream.schema == dict(whole.frame.schema) and len(stream) == len(whole)
    parts = [stream.part(at, 37, list(stream.schema)) for at in range(0, len(stream), 37)]
    frame = pl.concat(part.frame for part in parts)
    names = [name for part in parts for name in part.ids()]
    assert stream.whole(["t"]).equals(whole.frame.select("t"))
    return frame, whole.frame, names, list(whole.ids()), [e.text for e in said], [e.text for e in heard]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_parts_are_the_whole(tmp_path: Path, name: str, end: str) -> None:
    text = "\ufeff" + (end or "\n").join(lines()) + end * 3
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    parts, whole, ids, wanted, said, heard = both(tmp_path / name)
    assert parts.equals(whole) and ids == wanted and said == heard
    assert any("blank lines" in one for one in said) and any(
        "mixed holds int 150 times, str 50 times" in one for one in said
    )


def test_bad_rows_are_refused_or_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines(bad=True)))
    with pytest.raises(InputError) as wanted:
        readers.read(path)
    with pytest.raises(InputError) as found:
        readers.streamed(path)
    assert str(found.value) == str(wanted.value) and "a.jsonl:81" in str(found.value)
    parts, whole, ids, names, said, heard = both(path, bad_rows="leave_out")
    assert parts.equals(whole) and ids == names and said == heard


@pytest.mark.parametrize(
    "raw", [b'[{"a": 1}, {"a": 2}, {"a": 3}]', b'{"a": "\xff"}\n{"a": 2}\n', b'{"a": 1\n,"b": 2}\n', b"\n\n\n\n\n\n\n\n\n\n\n\n", b'{"a": 1}\n\x00\x00\x00\x00'],
    ids=["a list", "not UTF-8", "one object over lines", "empty", "null bytes"],
)  # fmt: skip
def test_what_is_no_lines_is_read_or_refused_as_a_whole(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(raw)
    found = []
    for read in (readers.read, readers.streamed):
        try:
            found.append(len(read(path)))
        except InputError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_a_prediction_of_many_lines_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import netwright as nw
    from netwright.inference import model as model_module
    from netwright.verbs import predict as verb

    monkeypatch.setattr(model_module, "SLICE", 16)
    monkeypatch.setattr(verb, "SLICE", 16)
    values = np.random.default_rng(0).normal(size=60)
    rows = [{"x": float(value), "y": "ab"[int(value > 0)]} for value in values]
    run = nw.train(rows, target="y", model="linear", output=tmp_path / "run", settings={"training": {"epochs": 1}})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    verb.predict(tmp_path / "run", path, output=tmp_path / "out.jsonl")
    written = pl.read_ndjson(tmp_path / "out.jsonl")
    assert written["id"].to_list() == [f"rows.jsonl:{line}" for line in range(1, 61)]
    assert written["y_predicted"].to_list() == run.predict(rows)["y_predicted"].to_list()
