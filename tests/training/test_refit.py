"""A network that learns from its validation rows too, once they have told for how long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import netwright as nw
from netwright.errors import Interrupted
from netwright.evaluation import evaluate
from netwright.events import Event, listening
from netwright.training import pipeline

from .small import trained, worked

TRAINING = {"epochs": 6, "patience": 2, "learning_rate": 0.02, "optimizer": "adam", "batch_size": 16}
MODEL = {"family": "mlp", "width": 8, "depth": 1, "members": 2, "dropout": 0.2}


def rows(n: int = 120) -> dict[str, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 2))
    return {"a": x[:, 0], "b": x[:, 1], "y": np.where(x[:, 0] + random.normal(size=n) > 0, "yes", "no")}


def settings(refit: bool) -> dict[str, Any]:
    return {"training": {**TRAINING, "refit": refit}, "plan": {"threads": 1}}


def test_the_second_training_is_an_ordinary_one_on_all_rows_for_the_best_number_of_epochs() -> None:
    work = worked(rows(), "y", MODEL, settings(True))
    said: list[Event] = []
    with listening(said):
        again = trained(work)
    best = int(said[-1].data["epochs"])
    assert [event.data["rows"] for event in said if event.name == "training.refit"] == [len(work.parts.validation)]
    assert 1 <= best <= TRAINING["epochs"]
    alone = worked(
        rows(), "y", MODEL, {**settings(False), "training": {**TRAINING, "epochs": best, "patience": 0, "refit": False}}
    )
    both = np.sort(np.concatenate([work.parts.train, work.parts.validation]))
    assert np.array_equal(work.learnt, both) and np.array_equal(alone.learnt, work.parts.train)
    parts = pipeline.Parts(both, both[:0], both[:0])
    other = trained(pipeline.replace(alone, fitted=work.fitted, inputs=work.inputs, targets=work.targets, parts=parts))
    for ours, theirs in zip(again.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_trust_and_validation_metrics_come_from_rows_that_were_not_learnt(tmp_path: Path) -> None:
    runs = {name: nw.train(rows(), target="y", model=MODEL, output=tmp_path / str(name), settings=settings(name)) for name in (True, False)}  # fmt: skip
    assert runs[True].metrics["validation"] == runs[False].metrics["validation"]
    assert runs[True].trust == runs[False].trust
    assert runs[True].metrics["test"] != runs[False].metrics["test"]


def test_baselines_learn_from_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    def compare(train: Any, validation: Any, test: Any, **_: Any) -> dict[str, Any]:
        seen.append((len(train), len(validation), len(test)))
        return {}

    monkeypatch.setattr(evaluate, "compare", compare)
    for refit in (False, True):
        nw.train(rows(), target="y", model=MODEL, output=tmp_path / str(refit), settings=settings(refit))
    (train, validation, test), *more = seen
    assert validation and more == [(train + validation, 0, test)]


def test_interrupted_while_it_learns_anew_and_resumed_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nw.train(rows(), target="y", model=MODEL, output=tmp_path / "whole", settings=settings(True))

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(pipeline, "_refitted", stopped)
        nw.train(rows(), target="y", model=MODEL, output=tmp_path / "cut", settings=settings(True))
    again = nw.train(rows(), resume=tmp_path / "cut")
    for ours, theirs in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "cut")]
    for part in ("validation", "test", "trust"):
        assert metrics[0][part] == metrics[1][part]


def test_few_rows_are_learnt_twice_by_default_and_many_once() -> None:
    assert worked(rows(60), "y", "mlp").recipe.training.refit is True
    assert worked(rows(4000), "y", "mlp").recipe.training.refit is False
