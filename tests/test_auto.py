"""`--model auto` keeps a family that is good, says what it tried, and leaves an ordinary run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netwright as nw
from netwright.data.splits import Parts
from netwright.events import Event, listening
from netwright.training import autotune, pipeline, selection
from netwright.training.pipeline import Project


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    monkeypatch.setattr(selection, "LEAVE", 0.3)


def table(bent: bool, rows: int = 1500) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 3))
    y = np.sin(3 * x[:, 0]) * x[:, 1] if bent else x @ [1.0, -2.0, 0.5]
    return {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y + 0.05 * random.normal(size=rows)}


@pytest.mark.parametrize(("bent", "families"), [(False, ("linear", "mlp")), (True, ("mlp", "transformer"))])
def test_the_family_that_fits_is_kept(tmp_path: Path, bent: bool, families: tuple[str, ...]) -> None:
    settings = {"training": {"epochs": 60, "patience": 5}}
    said: list[Event] = []
    with listening(said):
        model = nw.train(table(bent), target="y", model="auto", output=tmp_path / "run", settings=settings)
    assert model.recipe.model["family"] in families
    tried = model.metrics["tried"]
    assert {one["family"] for one in tried} >= {"linear", "mlp", "transformer"}
    assert tried[0]["rows"] == 600 and {one["family"] for one in tried if one["rows"] == 600} >= {"linear", "mlp"}
    assert set(tried[0]) == {"family", "rows", "score", "seconds", "stopped"}
    assert sum(event.name == "auto.try" for event in said) == len(tried)
    assert [event.text for event in said if event.name == "auto"][0].startswith(
        f"auto: {model.recipe.model['family']}, the best of"
    )
    assert sum(event.name == "network" for event in said) == 1  # the tries themselves are quiet
    assert nw.load(tmp_path / "run").predict(table(bent, 5)).height == 5


def test_the_usual_family_begins_and_gives_the_others_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[str, float | None]] = []

    def tried(
        described: Project, parts: Parts, family: str, limit: float | None, world: Any
    ) -> tuple[selection.Try, str]:
        limits.append((family, limit))
        return selection.Try(family, len(parts.train), 0.5, 3.0, False), "lower"

    monkeypatch.setattr(selection, "_tried", tried)
    nw.train(table(False), target="y", model="auto", output=tmp_path / "run", settings={"training": {"epochs": 1}})
    (first, unlimited), *others = limits[: len({family for family, _ in limits})]
    assert first == "mlp" and unlimited is None
    assert all(limit == selection.LEAVE + 3.0 for _, limit in others)


def test_where_one_family_fits_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "OWN", (*selection.OWN, "linear", "transformer"))
    model = nw.train(
        table(False, 60), target="y", model="auto", output=tmp_path / "run", settings={"training": {"epochs": 2}}
    )
    assert model.recipe.model["family"] == "mlp" and "tried" not in model.metrics


def test_a_family_that_fails_has_no_score_and_is_not_kept(tmp_path: Path) -> None:
    settings = {
        "training": {"epochs": 4, "learning_rate": 1e30, "optimizer": "sgd", "batch_size": 32, "gradient_clip": 0}
    }
    one = selection.Try("mlp", 10, float("inf"), 1.0, True)
    assert one.to_json()["score"] is None
    with pytest.raises(nw.InputError, match="is not finite any more"):  # all of them diverge: the message is training's
        nw.train(table(False), target="y", model="auto", output=tmp_path / "run", settings=settings)


def test_a_try_on_a_slice_encodes_no_other_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = pipeline.prepare_rows

    def spied(described: Project, parts: Parts, **given: Any) -> Any:
        seen.append(len(described.table))
        return whole(described, parts, **given)

    monkeypatch.setattr(pipeline, "prepare_rows", spied)
    monkeypatch.setattr(selection, "OWN", (*selection.OWN, "transformer"))
    rows = table(False) | {"heavy": np.arange(1500) % 3 + 1}
    settings = {"training": {"epochs": 2}, "weight": "heavy"}
    nw.train(rows, target="y", model="auto", output=tmp_path / "run", settings=settings)
    *tries, kept = seen
    assert tries == [selection.LEAST + 225] * 2 and kept == 1500


def test_what_grows_with_time_is_followed(tmp_path: Path) -> None:
    """Rows divided by time: families are tried without being asked, and said; a named one is taken."""
    random, days = np.random.default_rng(0), np.arange(900)
    rows = {"day": days, "warm": random.normal(size=900), "sales": 20 + 0.3 * days + 3 * random.normal(size=900)}
    settings = {
        "split": {"time": "day"},
        "training": {"epochs": 40, "patience": 5},
        "columns": {"sales": "number", "day": "number"},
    }
    with listening(said := []):
        model = nw.train(rows, target="sales", output=tmp_path / "run", settings=settings)
    assert any(event.name == "model.family" and "split by time" in event.text for event in said)
    assert model.recipe.model["family"] == "linear" and model.metrics["test"]["r2"]["value"] > 0.8
    named = nw.train(rows, target="sales", model="mlp", output=tmp_path / "named", settings=settings)
    assert named.recipe.model["family"] == "mlp" and not named.metrics.get("tried")
