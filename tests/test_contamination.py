"""Rows that a network learnt are known again when it is measured later, wherever they come from and however many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import netwright as nw
from netwright.data import leakage
from netwright.data.leakage import Learnt
from netwright.errors import InputError
from netwright.events import listening

N = 400


def rows(n: int = N, seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    words = draw.choice(["red", "green", None], n).tolist()
    return pl.DataFrame({"x": x, "count": draw.integers(0, 90, n), "colour": words, "y": np.where(x > 0, "up", "down")})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learnt")
    rows().write_csv(folder / "rows.csv")
    nw.train(
        folder / "rows.csv", target="y", model="linear", output=folder / "run", settings={"training": {"epochs": 1}}
    )
    return folder


def said(run: Path, data: Any) -> list[Any]:
    with listening(heard := []):
        nw.load(run / "run").evaluate(data)
    return [event for event in heard if event.name == "rows.repeated"]


def test_rows_that_were_learnt_are_said(run: Path) -> None:
    tested = pl.read_csv(run / "run" / "predictions.csv")["id"].to_list()
    (event,) = said(run, run / "rows.csv")
    assert event.kind == "warning"
    assert event.data["count"] == N - len(tested) and event.data["of"] == N
    assert not set(event.data["rows"]) & set(tested)


def test_other_rows_and_the_rows_that_tested_are_not(run: Path) -> None:
    assert said(run, rows(seed=1)) == []
    tested = pl.read_csv(run / "run" / "predictions.csv")["id"].to_list()
    places = [int(name.rpartition(":")[2]) - 2 for name in tested]
    assert said(run, rows()[places]) == []


@pytest.mark.parametrize("form", ["parquet", "jsonl", "memory", "whole numbers as decimals"])
def test_the_same_rows_from_elsewhere(run: Path, form: str, tmp_path: Path) -> None:
    frame: Any = rows()
    if form == "parquet":
        frame.write_parquet(tmp_path / "a.parquet")
    elif form == "jsonl":
        frame.write_ndjson(tmp_path / "a.jsonl")
    elif form == "memory":
        frame = frame.to_dicts()
    else:
        frame = frame.with_columns(pl.col("count").cast(pl.Float64))
    source = next(tmp_path.iterdir(), None) or frame
    (event,) = said(run, source)
    assert event.data["of"] == N and event.data["count"] > N / 2


def test_of_many_rows_a_sample_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(leakage, "KEPT", 500)
    Learnt.of(rows(5000)).write(tmp_path / "learnt.safetensors")
    known = Learnt.read(tmp_path / "learnt.safetensors")
    assert len(known.keys) == 500
    found, told = known.among(pl.concat([rows(1000, seed=2), rows(5000)[:1000]]))
    assert 120 < told.sum() < 280, "a tenth of the rows can be told"
    assert not found[:1000].any() and (found[1000:] == told[1000:]).all()


def test_rows_of_few_values_are_alike_by_chance(tmp_path: Path) -> None:
    few = [{"a": k % 3, "b": k % 2, "y": k % 2} for k in range(200)]
    model = nw.train(few, target="y", model="linear", output=tmp_path / "run", settings={"training": {"epochs": 1}})
    assert model.run is not None and not model.run.learnt.exists()


def test_a_damaged_file_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "learnt.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="this file is damaged.*or delete it"):
        Learnt.read(tmp_path / "learnt.safetensors")


def test_every_kind_of_cell_has_a_key() -> None:
    from datetime import date

    frame = pl.DataFrame({
        "list": [[1, 2], [], None], "bytes": [b"\xff", b"", None], "day": [date(2020, 1, 1), date(2020, 1, 2), None],
        "array": pl.Series([[1, 2], [3, 4], [5, 6]], dtype=pl.Array(pl.UInt8, 2)), "truth": [True, False, None],
        "number": [0.0, -0.0, None],
    })  # fmt: skip
    for name in frame.columns:
        keys = leakage.keys(frame.select(name))
        assert len(set(keys.tolist())) == (2 if name == "number" else 3), name


def drawn(folder: Path, names: list[str], seed: int) -> Path:
    """A table of pictures with these names, in a folder of its own."""
    from PIL import Image

    draw = np.random.default_rng(seed)
    folder.mkdir()
    for name in names:
        Image.fromarray(draw.integers(0, 255, (6, 6), dtype=np.uint8)).save(folder / name)
    sides = ["left", "right"] * (len(names) // 2)
    pl.DataFrame({"photo": names, "side": sides}).write_csv(folder / "rows.csv")
    return folder / "rows.csv"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learnt pictures, and its table."""
    folder = tmp_path_factory.mktemp("pictures")
    data = drawn(folder / "own", [f"{k}.png" for k in range(60)], 0)
    nw.train(data, target="side", model="linear", output=folder / "run", settings={"training": {"epochs": 1}})
    return folder


def test_copies_of_pictures_under_other_names_are_said(seen: Path, tmp_path: Path) -> None:
    copied = drawn(tmp_path / "copied", [f"copy {k}.png" for k in range(60)], 0)
    assert said(seen, seen / "own" / "rows.csv")[0].data["count"] == said(seen, copied)[0].data["count"] > 30
    bare = pl.DataFrame({"photo": [path.read_bytes() for path in sorted(copied.parent.glob("*.png"))], "side": "left"})
    assert said(seen, bare)[0].data["count"] > 10, "bytes are the same as files"


def test_other_pictures_under_the_same_names_are_not(seen: Path, tmp_path: Path) -> None:
    assert said(seen, drawn(tmp_path / "others", [f"{k}.png" for k in range(60)], 1)) == []


def test_copies_on_both_sides_of_the_split_are_said(tmp_path: Path) -> None:
    data = drawn(tmp_path / "own", [f"{k}.png" for k in range(60)], 0)
    for k in range(60):
        (data.parent / f"copy {k}.png").write_bytes((data.parent / f"{k}.png").read_bytes())
    frame = pl.read_csv(data)
    pl.concat([frame, frame.with_columns(photo=pl.lit("copy ") + pl.col("photo"))]).write_csv(data)
    with listening(heard := []):
        nw.train(data, target="side", model="linear", output=tmp_path / "run", settings={"training": {"epochs": 1}})
    (event,) = [event for event in heard if event.name == "rows.repeated"]
    assert event.data["count"] > 5


def test_runs_that_kept_the_names_of_files_say_nothing_wrong(seen: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    shutil.copytree(seen, tmp_path / "old")
    learnt = tmp_path / "old" / "run" / "learnt.safetensors"
    save_file(load_file(learnt), learnt)  # as earlier versions wrote it: without saying what the keys are made of
    (event,) = said(tmp_path / "old", seen / "own" / "rows.csv")
    assert event.kind == "notice" and "it is not told which rows are training rows" in event.text
