"""Killed at any moment and resumed is the same, bit for bit, as never killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import netwright as nw
from netwright.cli.main import main
from netwright.errors import Interrupted
from netwright.training.loop import Loop

from .cases import TARGETS, model, settings, table

ADAMW = {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.2}
DROPOUT = {"family": "mlp", "width": 16, "depth": 2, "members": 2, "dropout": 0.3, "embedding": "periodic"}
CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "adamw, dropout, cosine": (DROPOUT, "table", {"batch_size": 7, **ADAMW}),
    "lbfgs": (model("linear", "mixed"), "mixed", {"optimizer": "lbfgs", "batch_size": "all", "patience": 0}),
    "rmsprop, momentum": (DROPOUT, "table", {"batch_size": 7, "optimizer": "rmsprop", "momentum": 0.5}),
    "plateau, accumulated": (
        DROPOUT, "table", {"batch_size": 5, "accumulate": 2, "optimizer": "nesterov", "schedule": "plateau", "step_every": 1},
    ),
    "a mean of the weights": (DROPOUT, "table", {"batch_size": 7, "average": 0.9, **ADAMW}),
    "batch norm, augmented images": (model("an image normalised by its batch", "image"), "image", {"batch_size": 7, "augment": True}),
    "recurrent text": (model("words read by a convolution and an LSTM", "text"), "text", {"batch_size": 7, "patience": 2}),
}  # fmt: skip


def train(folder: Path, name: str, *, resume: bool = False) -> nw.Model:
    if resume:
        return nw.train(table(40), resume=folder)
    family, inputs, training = CASES[name]
    given = {**settings(inputs, epochs=4, **training), "plan": {"threads": 1}}
    return nw.train(table(40), target=TARGETS, model=family, output=folder, settings=given)


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Send Ctrl-C during the step of this number, counted from now."""
    done, step = 0, Loop.step

    def counted(self: Loop, batches: Any) -> float:
        nonlocal done
        done += 1
        if done == steps:
            signal.raise_signal(signal.SIGINT)
        return step(self, batches)

    monkeypatch.setattr(Loop, "step", counted)


def history(folder: Path) -> list[dict[str, float]]:
    metrics = json.loads((folder / "metrics.json").read_text())
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in metrics["history"]]


@pytest.mark.parametrize("name", CASES)
def test_interrupted_twice_and_resumed_is_never_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    train(tmp_path / "whole", name)
    for attempt, steps in enumerate((2, 2, 0)):
        with monkeypatch.context() as patch:
            stop_after(patch, steps)
            if steps:
                with pytest.raises(Interrupted, match=r"go on with: netwright train --resume .*parts"):
                    train(tmp_path / "parts", name, resume=attempt > 0)
                assert not (tmp_path / "parts" / "model.safetensors").exists()
            else:
                train(tmp_path / "parts", name, resume=True)
    assert (tmp_path / "parts" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    assert history(tmp_path / "parts") == history(tmp_path / "whole")
    assert (tmp_path / "parts" / "predictions.csv").read_text() == (tmp_path / "whole" / "predictions.csv").read_text()


def test_a_complete_run_has_nothing_left_to_train(tmp_path: Path) -> None:
    name = "lbfgs"
    first = train(tmp_path / "run", name)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert train(tmp_path / "run", name, resume=True).predict(table(5)).equals(first.predict(table(5)))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


def test_data_that_has_changed_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Interrupted):
            train(tmp_path / "run", "lbfgs")
    with pytest.raises(nw.InputError, match="has changed since .* was started"):
        nw.train(table(41), resume=tmp_path / "run")


def test_kill_9_and_resume_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process, killed without warning after its first checkpoint, resumed on the command line."""
    monkeypatch.chdir(tmp_path)
    table(60).drop("picture").write_csv("rows.csv")
    arguments = [
        "train", "rows.csv", "--target", "y", "--inputs", "a,b,few,words", "--columns.words.kind", "text", "--model", "transformer",
        "--model.width", "16", "--model.depth", "1", "--model.heads", "2", "--model.dropout", "0.1", "--training.epochs", "25",
        "--training.batch_size", "4", "--training.patience", "0", "--plan.threads", "1",
    ]  # fmt: skip
    killed = tmp_path / "killed"
    checkpoint = killed / "checkpoints" / "last.safetensors"
    process = subprocess.Popen(
        [sys.executable, "-m", "netwright", *arguments, "--training.checkpoint_every", "0.05", "--output", "killed"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        try:
            process.wait(0.005)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was killed on its way"
    assert checkpoint.exists() and not (killed / "model.safetensors").exists()
    assert main([*arguments, "--output", "whole"]) == 0
    assert main(["train", "--resume", "killed"]) == 0
    assert (killed / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert history(killed) == history(tmp_path / "whole")
