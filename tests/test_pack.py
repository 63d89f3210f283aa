"""A packed run: nothing of its rows, exact versions, a wheel that installs, a smoke test that fails when answers change."""

from __future__ import annotations

import json
import os
import pickletools
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import netwright as nw
from netwright.errors import InputError
from netwright.verbs.pack import pack


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    rows = [
        {"age": k % 60, "city": ("Rome", "Bonn")[k % 2], "day": f"2021-03-{1 + k % 28:02}", "y": k % 2}
        for k in range(80)
    ]
    nw.train(rows, target="y", model="linear", output=folder / "My Run", settings={"training": {"epochs": 1}})
    pack(folder / "My Run", output=folder / "packed")
    return folder


def test_what_is_in_it(home: Path) -> None:
    place = home / "packed"
    names = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    wheel = f"netwright-{version('netwright')}-py3-none-any.whl"
    assert names >= {"Dockerfile", "README.md", "requirements.txt", "smoke.py", "smoke.json", "ray_app.py", wheel}
    assert {name for name in names if name.startswith("model/")} >= {
        "model/model.safetensors",
        "model/kinds.json",
        "model/run.json",
    }
    for kept in ("rows.jsonl", "predictions.csv", "worst.json", "events.jsonl", "report.html", "profile.json"):
        assert f"model/{kept}" not in names, "rows, or what shows some, stay at home"
    docker = (place / "Dockerfile").read_text()
    assert "USER app" in docker and "HEALTHCHECK" in docker and '"serve", "my-run=model"' in docker and wheel in docker
    assert not re.search(r"\b(WHEEL|PYTHON|NAME|ANSWERS|COLUMNS)\b", docker + (place / "README.md").read_text())


def test_versions_are_exact_and_whole(home: Path) -> None:
    lines = (home / "packed" / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("--"))
    assert pins["numpy"] == version("numpy") and pins["torch"] == version("torch").partition("+")[0]
    assert (
        pins.keys() >= {"fastapi", "uvicorn", "starlette", "polars", "pydantic", "pydantic-core"}
        and "netwright" not in pins
    )
    assert not {"pytest", "ruff", "transformers"} & pins.keys(), (
        "what develops it, and what this run does not need, stays out"
    )


def test_the_wheel_is_whole_and_always_the_same(home: Path, tmp_path: Path) -> None:
    (found,) = (home / "packed").glob("*.whl")
    pack(home / "My Run", output=tmp_path / "again")
    assert (tmp_path / "again" / found.name).read_bytes() == found.read_bytes()
    with zipfile.ZipFile(found) as wheel:
        assert wheel.testzip() is None
        names = wheel.namelist()
        record = wheel.read(next(name for name in names if name.endswith("RECORD"))).decode().splitlines()
    assert (
        len(record) == len(names)
        and "netwright/cli/main.py" in names
        and "netwright/export/package/files/Dockerfile" in names
    )
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pt", ".pkl"))]


def test_the_smoke_test_passes_and_tells_other_answers(home: Path, tmp_path: Path) -> None:
    place = home / "packed"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, place / "smoke.py"], capture_output=True, text=True, timeout=60, env=environment
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "it answers as it did when it was packed, and it is served" in said.stdout
    kept = json.loads((place / "smoke.json").read_text())
    kept["answers"][1]["p_1"] += 0.2
    (tmp_path / "smoke.py").write_bytes((place / "smoke.py").read_bytes())
    (tmp_path / "smoke.json").write_text(json.dumps(kept))
    said = subprocess.run([sys.executable, tmp_path / "smoke.py", place / "model"], capture_output=True, text=True, timeout=60, env=environment)  # fmt: skip
    assert said.returncode == 1 and re.search(r"row 2: p_1 is 0\.\d+, and was", said.stdout)


def test_no_artefact_holds_a_pickle_nested_archives_included(home: Path) -> None:
    contents = {path.name: path.read_bytes() for path in (home / "packed").rglob("*") if path.is_file()}
    for path in (home / "packed").glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            contents |= {name: wheel.read(name) for name in wheel.namelist()}
    for name, content in contents.items():
        if content[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            with pytest.raises(ValueError):
                pickletools.dis(content, out=open(os.devnull, "w"))  # noqa: SIM115
            raise AssertionError(name)


def test_what_cannot_be_packed(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this folder exists"):
        pack(home / "My Run", output=home / "packed")
    with pytest.raises(InputError, match="there is no such folder"):
        pack(tmp_path / "nowhere")
    half = tmp_path / "half"
    half.mkdir()
    for name in ("run.json", "kinds.json", "recipe.yaml"):
        (half / name).write_bytes((home / "My Run" / name).read_bytes())
    with pytest.raises(InputError, match="this run is not complete"):
        pack(half, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
