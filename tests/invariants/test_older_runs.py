"""Runs that earlier versions made, kept in tests/fixtures/runs, go on as they were: by the public interface alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import netwright as nw

from ..fixtures.make_runs import CASES, RUNS, answered, loaded

INTERRUPTED = [name for name, case in CASES.items() if case.interrupted]
WHOLE = [name for name in CASES if name not in INTERRUPTED]
EXPORTS = [
    ("table-category", "onnx"), ("text-category-recurrent", "onnx"), ("image-category", "onnx"), ("tags", "onnx"),
    ("language", "transformers"), ("chat", "gguf"),
]  # fmt: skip


def opened(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Copy a fixture into the working folder, since its paths are relative; return what its run is to answer."""
    shutil.copytree(RUNS / name, folder / name)
    monkeypatch.chdir(folder / name)
    return json.loads(Path("expected.json").read_text(encoding="utf-8"))


def same(found: Any, wanted: Any, within: float, where: str = "") -> None:
    """Numbers that are near, and all else equal."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for key, value in wanted.items():
            same(found[key], value, within, f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for place, value in enumerate(wanted):
            same(found[place], value, within, f"{where}[{place}]")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=within, abs=within / 10), where
    else:
        assert found == wanted, where


def alike(model: nw.Model, expected: dict[str, Any]) -> None:
    found = answered(model, expected)
    for part, value in found.items():
        same(value, expected[part], expected["within"], part)


def command(*arguments: str) -> str:
    """What the command line prints."""
    done = subprocess.run(
        [sys.executable, "-m", "netwright", *arguments], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_kept_run_is_one_of_the_cases() -> None:
    assert sorted(CASES) == sorted(path.name for path in RUNS.iterdir())


@pytest.mark.parametrize("name", WHOLE)
def test_an_older_run_answers_as_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = opened(name, tmp_path, monkeypatch)
    alike(loaded(name, "run"), expected)


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_older_checkpoint_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of a table roughly: it was begun with dropout drawn in C, which is now drawn by torch."""
    expected = opened(name, tmp_path, monkeypatch)
    assert not Path("run/model.safetensors").exists()
    nw.train(resume="run")
    alike(loaded(name, "run"), expected)


@pytest.mark.parametrize(("name", "to"), EXPORTS)
def test_an_older_run_passes_the_parity_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, to: str
) -> None:
    opened(name, tmp_path, monkeypatch)
    found = nw.export("run", to=to, output="export")
    assert found["rows"] > 5 and not found["wrong"] and Path("export/parity.json").exists()


def test_a_new_run_begins_from_an_older_ones_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened("table-number", tmp_path, monkeypatch)
    settings = {"training": {"epochs": 1, "refit": False}, "plan": {"threads": 1}}
    model = nw.train("rows.csv", target="income", model="run", output="next", settings=settings)
    assert model.metrics["history"] and model.metrics["test"]["r2"]["value"] > 0.9


def test_the_command_line_takes_an_older_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = opened("table-category", tmp_path, monkeypatch)
    assert json.loads(command("show", "run", "--json"))["metrics"] == json.loads(Path("run/metrics.json").read_text())
    command("report", "run", "--output", "report.html")
    assert "rich" in Path("report.html").read_text(encoding="utf-8")
    command("predict", "run", "rows.csv", "--output", "out.jsonl")
    rows = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [row["rich_predicted"] for row in rows[: len(expected["rows"])]]
    assert found == [row["rich_predicted"] for row in expected["answers"]]
