"""A kind, a head, a family and a metric of another package go every way that netwright's own go, with no file of it changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plugins import installed
from starlette.testclient import TestClient

import netwright as nw
from netwright.cli.main import main
from netwright.errors import InputError
from netwright.serve.app import built
from netwright.serve.settings import Settings
from netwright.training.loop import Loop

PROJECT = {
    "name": "places",
    "version": "1.0",
    "entry-points": {
        "netwright.kinds": {"place": "places.place"},
        "netwright.metrics": {"place": "places.distance"},
        "netwright.stems": {"place": "places.place_stem"},
        "netwright.heads": {"point": "places.point"},
        "netwright.trunks": {"echo": "places.echo"},
    },
}
ASKED = ("--target", "there", "--model", "echo", "--training.epochs", "25", "--training.learning_rate", "0.03", "--plan.threads", "1")  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with rows, where the stranger's package is installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    shutil.copytree(Path(__file__).parent / "strangers", tmp_path / "site")
    random = np.random.default_rng(0)
    here = random.normal(size=(240, 2))
    there = here @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 1
    rows = ["here,size,there", *(f"{a:.4f};{b:.4f},{k % 7},{c:.4f};{d:.4f}" for k, ((a, b), (c, d)) in enumerate(zip(here, there, strict=True)))]  # fmt: skip
    Path("rows.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with installed(tmp_path / "site", PROJECT, monkeypatch):
        yield tmp_path


def test_a_strangers_kind_head_family_and_metric_go_every_way(home: Path, capsys, monkeypatch) -> None:
    assert main(["train", "rows.csv", *ASKED, "--output", "run"]) == 0, capsys.readouterr().err
    said = capsys.readouterr().err
    assert "there: place, because its values are two numbers" in said and "there: distance " in said
    page = (home / "run" / "report.html").read_text(encoding="utf-8")
    assert "distance" in page and "there" in page, page[:300]

    run = nw.load("run")
    metrics = run.evaluate("rows.csv")["metrics"]["distance"]
    assert metrics["value"] < 0.2 and metrics["low"] <= metrics["value"] <= metrics["high"]
    assert main(["evaluate", "run", "rows.csv"]) == 0 and main(["show", "run"]) == 0 and main(["report", "run"]) == 0
    assert main(["predict", "run", "rows.csv", "--output", "out.csv"]) == 0
    assert "there_predicted" in (home / "out.csv").read_text(encoding="utf-8").splitlines()[0]

    client = TestClient(built(["run"], Settings()), base_url="http://127.0.0.1")
    with client:
        assert client.get("/model").json()["targets"] == [{"name": "there", "kind": "place"}]
        answer = client.post("/predict", json={"here": "1;2", "size": 3})
        assert answer.status_code == 200, answer.text
        x, y = map(float, answer.json()["predictions"][0]["there"]["predicted"].split(";"))
        assert abs(x + 1) < 0.6 and abs(y - 2) < 0.6
        schema = client.get("/openapi.json").json()["components"]["schemas"]["Row_run"]
        assert set(schema["properties"]) == {"here", "size"}

    with pytest.raises(InputError, match="generates no text"):
        run.generate("a")
    with pytest.raises(InputError, match="there is a place target, which one pass of a graph cannot give"):
        nw.export("run", to="onnx", output=home / "graph")


def test_a_strangers_training_goes_on_where_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = nw.train("rows.csv", target="there", model="echo", output="whole", settings=_settings())

    class Stopped(Exception):
        pass

    end = Loop._end_epoch

    def stopped(loop: Loop, *given: object) -> object:
        out = end(loop, *given)
        if loop.at.epoch == 4:
            raise Stopped
        return out

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Loop, "_end_epoch", stopped)
        nw.train("rows.csv", target="there", model="echo", output="cut", settings=_settings())
    again = nw.train(resume="cut")
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert bool((one == other).all())
    assert json.loads((home / "cut" / "metrics.json").read_text())["test"] == whole.metrics["test"]


def _settings() -> dict[str, object]:
    return {"training": {"epochs": 8, "checkpoint_every": 1e-9}, "plan": {"threads": 1}}
