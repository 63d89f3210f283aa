"""Predictions of many rows: part by part, in order, whatever stops the work; and places where nothing can be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import netwright as nw
from netwright.cli.main import main
from netwright.data import encode, readers
from netwright.errors import InputError
from netwright.events import listening
from netwright.inference import model, output
from netwright.inference.model import Model, load
from netwright.verbs import predict as verb

N, PART = 1000, 64


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and rows with dates as texts in one form that the first rows alone do not tell."""
    folder = tmp_path_factory.mktemp("predict")
    draw = np.random.default_rng(0)
    days = [f"{1 + k % 12:02}/{1 + (k % 27 if k > 200 else k % 11):02}/2021" for k in range(N)]
    rows = {"x": draw.normal(size=N), "city": draw.choice(["Rome", "Bonn"], N), "day": days}
    frame = pl.DataFrame(rows).with_columns(
        y=pl.col("x") * 2 + (pl.col("city") == "Rome"), spare=pl.lit("never looked at")
    )
    frame.write_parquet(folder / "rows.parquet", row_group_size=100)
    frame.write_csv(folder / "rows.csv")
    settings = {"leave_out": ["spare"], "training": {"epochs": 1}}
    nw.train(frame, target="y", model="linear", output=folder / "run", settings=settings)
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 64 rows."""
    for module in (model, verb, encode):
        monkeypatch.setattr(module, "SLICE", PART)


def read(path: Path) -> pl.DataFrame:
    return {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[path.suffix](path)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet"])
def test_parts_are_what_all_rows_at_once_are(home: Path, small: None, data: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    assert main(["predict", str(home / "run"), str(home / data), "--output", str(tmp_path / f"p.{ending}")]) == 0
    monkeypatch.setattr(model, "SLICE", 10 * N)
    whole = load(home / "run").predict(home / data)
    found = read(tmp_path / f"p.{ending}")
    assert found["id"].to_list() == whole["id"].to_list() and found.columns == whole.columns
    np.testing.assert_allclose(found["y_predicted"].to_numpy(), whole["y_predicted"].to_numpy(), rtol=1e-5, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [f"p.{ending}"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_work_that_stops_goes_on_where_it_was(home: Path, small: None, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    path, args = tmp_path / f"p.{ending}", (home / "run", home / "rows.parquet")
    verb.predict(*args, output=tmp_path / f"whole.{ending}")
    whole, calls = output.Parts.add, iter(range(100))

    def stop(parts: output.Parts, frame: pl.DataFrame) -> None:
        if next(calls) == 5:
            raise KeyboardInterrupt
        whole(parts, frame)

    monkeypatch.setattr(output.Parts, "add", stop)
    with pytest.raises(KeyboardInterrupt, match="netwright predict .* --output"):
        verb.predict(*args, output=path)
    assert not path.exists()
    part = tmp_path / f".p.{ending}.part"
    if ending != "parquet":  # half a part, written when the power went
        with (part / "rows").open("ab") as file:
            file.write(b"half a row")
    said: list = []
    with listening(said):
        verb.predict(*args, output=path)
    assert [event.text for event in said if event.name == "predict.resumed"] == [
        f"continuing after row {5 * PART} of {N:,}"
    ]
    assert path.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes() and not part.exists()


def test_another_run_or_other_rows_begin_anew(home: Path, small: None, tmp_path: Path) -> None:
    job = {"run": "another", "data": "x"}
    with output.opened(tmp_path / "p.csv", job) as parts:
        parts.add(pl.DataFrame({"id": ["of another job"]}))
    said: list = []
    with listening(said):
        verb.predict(home / "run", home / "rows.parquet", output=tmp_path / "p.csv")
    assert not [event for event in said if event.name == "predict.resumed"]
    assert pl.read_csv(tmp_path / "p.csv").height == N


def test_killed_again_and_again(home: Path, tmp_path: Path) -> None:
    """SIGKILL at chance moments: no row is lost or doubled, and their order stays."""
    program = (
        "import sys; from netwright.inference import model; from netwright.data import encode; from netwright.verbs import predict\n"
        f"for each in (model, predict, encode): each.SLICE = {PART}\n"
        "print('on', flush=True); predict.predict(*sys.argv[1:3], output=sys.argv[3])"
    )
    path = tmp_path / "p.csv"
    command = [sys.executable, "-c", program, str(home / "run"), str(home / "rows.parquet"), str(path)]
    for wait in (0.1, 60):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
            assert process.stdout is not None
            process.stdout.readline()
            end = time.monotonic() + wait
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        if path.exists():
            break
    assert pl.read_csv(path)["id"].to_list() == [f"rows.parquet:{row}" for row in range(1, N + 1)]


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    second = output.opened(tmp_path / "p.csv", {})
    with output.opened(tmp_path / "p.csv", {}), pytest.raises(InputError, match="another process is writing this file"):
        second.__enter__()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("p.xlsx", "ends in '.xlsx'. Allowed: .csv, .jsonl, .parquet"),
        ("there.csv", "this file exists. Fix: delete it, or name another --output"),
        ("folder.csv", "is a folder"),
        ("file/p.csv", "cannot be written: "),
    ],
)
def test_places_where_nothing_can_be_written(place: str, words: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("mine")
    Path("file").write_text("")
    Path("folder.csv").mkdir()
    with pytest.raises(InputError, match=words):
        verb.predict(home / "run", home / "rows.csv", output=place)
    assert Path("there.csv").read_text() == "mine"


def test_the_rows_themselves_are_not_written_over(home: Path) -> None:
    with pytest.raises(InputError, match="is the file being read"):
        verb.predict(home / "run", home / "rows.csv", output=home / "rows.csv")


def test_no_room_leaves_nothing(home: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    with pytest.raises(
        InputError, match=r"/p.parquet: cannot be written: No space left on device. Fix: free some space"
    ):
        verb.predict(home / "run", home / "rows.parquet", output=tmp_path / "p.parquet")
    assert not list(tmp_path.iterdir())


def test_a_stream_of_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="is not a complete Parquet file"):
        readers.streamed(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty"):
        readers.streamed(tmp_path / "a.parquet")


def test_a_stream_reads_only_the_columns_that_are_needed(home: Path) -> None:
    stream = readers.streamed(home / "rows.parquet")
    assert (
        stream.part(990, 64, ["x"]).frame.shape == (10, 1) and stream.part(990, 64, ["x"]).id(0) == "rows.parquet:991"
    )
    with pytest.raises(InputError, match="lacks the input columns 'city', 'day'"):
        list(load(home / "run").parts(readers.streamed({"x": [1.0]})))


def test_no_artefact_holds_a_pickle(home: Path, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.Parts, "close", lambda parts: None)
    assert isinstance(load(home / "run"), Model)
    verb.predict(home / "run", home / "rows.parquet", output=tmp_path / "p.parquet")
    held = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(held) > 10 and json.loads((tmp_path / ".p.parquet.part" / "job.json").read_text())["rows"] == N
    for path in held:
        assert not path.read_bytes()[:4].startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")), path
