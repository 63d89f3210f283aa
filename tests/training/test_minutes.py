"""Minutes become steps before the first one, and stay so many."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import netwright as nw
from netwright.events import listening

X = np.arange(400.0)
ROWS = {"x": X, "y": np.sin(X / 50)}
SETTINGS = {"columns": {"x": "number"}, "training": {"epochs": 5000, "patience": 0, "refit": False, "batch_size": 16}}


def test_minutes_end_a_training(tmp_path: Path) -> None:
    settings = {**SETTINGS, "training": {**SETTINGS["training"], "minutes": 0.005}}
    with listening(heard := []):
        model = nw.train(ROWS, target="y", output=tmp_path / "run", settings=settings)
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    said = next(event for event in heard if event.name == "training.minutes")
    assert 1 <= plan["steps"] == said.data["steps"] < said.data["of"]
    an_epoch = said.data["of"] / 5000
    assert len(model.metrics["history"]) == -(-plan["steps"] // an_epoch)
    assert "0.005 minutes" in plan["reasons"]["steps"]


def test_enough_minutes_change_nothing(tmp_path: Path) -> None:
    few = {**SETTINGS, "training": {**SETTINGS["training"], "epochs": 2}}
    more = {**few, "training": {**few["training"], "minutes": 60.0}}
    one, two = (nw.train(ROWS, target="y", output=tmp_path / str(at), settings=each) for at, each in enumerate((few, more)))  # fmt: skip
    assert one.predict(ROWS).equals(two.predict(ROWS))


def test_minutes_above_nothing(tmp_path: Path) -> None:
    with pytest.raises(nw.InputError, match="training.minutes"):
        nw.train(ROWS, target="y", output=tmp_path / "run", settings={"training": {"minutes": 0}})
