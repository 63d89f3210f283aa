"""A run folder: what is saved is what was trained, the same recipe gives the same bits, and nothing in it is a pickle."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import netwright as nw
from netwright.training import pipeline

from .cases import PAIRS, TARGETS, model, settings, table

LARGEST = dict(PAIRS)  # of each family the last, which has the most inputs
FAMILIES = pytest.mark.parametrize(("family", "inputs"), LARGEST.items(), ids=list(LARGEST))


def train(folder: Path, family: str, inputs: str, *, seed: int = 0, **plan: Any) -> nw.Model:
    given = settings(inputs, epochs=2, batch_size="all" if family == "linear" else 7, seed=seed)
    return nw.train(
        table(40),
        target=TARGETS,
        model=model(family, inputs),
        output=folder,
        settings={**given, "plan": {"threads": 1, **plan}},
    )


def own(family: str, inputs: str) -> nn.Module | None:
    given = model(family, inputs)
    return given if isinstance(given, nn.Module) else None


@FAMILIES
def test_what_is_loaded_predicts_the_same_bits_and_the_same_recipe_trains_the_same_bits(
    tmp_path: Path, family: str, inputs: str
) -> None:
    first, again, other = (
        train(tmp_path / name, family, inputs, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    rows = table(11)
    answers = first.predict(rows)
    assert answers.equals(nw.load(tmp_path / "a", module=own(family, inputs)).predict(rows))
    assert answers.equals(again.predict(rows)) and not answers.equals(other.predict(rows))
    bits = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert bits[0] == bits[1] != bits[2]
    assert (tmp_path / "a" / "recipe.yaml").read_text() == (tmp_path / "b" / "recipe.yaml").read_text()
    assert answers.equals(first.predict(rows.to_dicts())), "a frame and a list of its rows are the same data"


@pytest.mark.parametrize("family", ["linear", "mlp", "convnet", "transformer"])
def test_float64_is_loaded_as_it_was_trained(tmp_path: Path, family: str) -> None:
    trained = train(tmp_path / "run", family, "mixed", precision="float64")
    assert {weight.dtype for weight in trained.network.parameters()} == {torch.float64}
    rows = table(5)
    assert trained.predict(rows).equals(nw.load(tmp_path / "run").predict(rows))
    assert torch.get_default_dtype() == torch.float32


def test_rows_a_call_changes_nothing(tmp_path: Path) -> None:
    model = train(tmp_path / "run", "mlp", "mixed")
    whole = model.predict(table(11))
    model.plan = model.plan.model_copy(update={"rows_a_call": 3})
    few = model.predict(table(11))
    for name in whole.columns:
        if whole[name].dtype == pl.Float64:
            np.testing.assert_allclose(few[name].to_numpy(), whole[name].to_numpy(), atol=1e-5)
        else:
            assert few[name].equals(whole[name])


def holds_pickle(content: bytes) -> bool:
    """Whether bytes are a pickle, or an archive (at any depth) that holds one."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(holds_pickle(archive.read(name)) for name in archive.namelist())
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return any(holds_pickle(archive.extractfile(member).read()) for member in archive if member.isfile())  # type: ignore[union-attr]
    except tarfile.TarError:
        pass
    for start in (
        0,
        *(
            k
            for k in range(len(content))
            if content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95"), k)
        ),
    ):
        try:
            if sum(1 for _ in pickletools.genops(content[start:])) > 3:
                return True
        except (ValueError, UnicodeError, IndexError):
            continue
    return False


def test_the_search_finds_pickles(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(2)}, buffer)
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as archive:
        archive.writestr("inner.pt", buffer.getvalue())
    for content in (
        pickle.dumps([1, {"a": 2}]),
        pickle.dumps([1, 2], 0),
        b"header" + pickle.dumps({"a": [1]}),
        buffer.getvalue(),
        nested.getvalue(),
    ):
        assert holds_pickle(content)
    assert not holds_pickle(json.dumps({"a": [1, 2]}).encode())


@pytest.mark.parametrize("family", ["linear", "mlp", "layers"])
def test_no_file_of_a_run_holds_a_pickle(tmp_path: Path, family: str) -> None:
    train(tmp_path / "run", family, "table")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {"model.safetensors", "last.safetensors", "recipe.yaml", "kinds.json", "metrics.json"} <= {
        path.name for path in files
    }
    assert not [path.name for path in files if holds_pickle(path.read_bytes())]


def test_each_folds_network_starts_from_the_users_untrained_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would have seen the rows that it is measured on."""
    net, starts, whole = nn.Sequential(nn.Linear(1, 4), nn.Tanh()), [], pipeline.train
    before = {name: weight.clone() for name, weight in net.state_dict().items()}

    def recorded(work: Any, *, module: nn.Module, **rest: Any) -> Any:
        starts.append({name: weight.clone() for name, weight in module.state_dict().items()})
        return whole(work, module=module, **rest)

    monkeypatch.setattr(pipeline, "train", recorded)
    data = {"x": np.linspace(0, 1, 30), "y": np.linspace(1, 2, 30)}
    folded = {"split": {"folds": 2}, "training": {"epochs": 2}, "plan": {"threads": 1}}
    nw.train(data, target="y", model=net, output=tmp_path / "run", settings=folded)
    assert len(starts) == 3 and all(torch.equal(start[name], before[name]) for start in starts for name in before)


def test_folds_answer_each_row_by_a_network_that_never_saw_it(tmp_path: Path) -> None:
    """A module that learns by heart scores no better than chance on noise, in the target's own unit and list of classes."""
    random = np.random.default_rng(0)
    data = {"x": random.normal(size=60), "y": 1000 + random.normal(size=60), "c": [*"ab" * 29, "rare", "rare"]}
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64))
    folded = {"split": {"folds": 3}, "training": {"epochs": 5}, "plan": {"threads": 1}, "columns": {"c": "category"}}
    model = nw.train(data, target=["y", "c"], model=net, output=tmp_path / "run", settings=folded)
    found = pl.read_csv(tmp_path / "run" / "predictions.csv")
    assert found.height == 60 and found["id"].n_unique() == 60
    assert found["y_predicted"].is_between(995, 1005).all()
    assert {"p_c_a", "p_c_b", "p_c_rare"} <= set(found.columns)
    assert model.metrics["test"]["y"]["r2"]["value"] < 0.3


@pytest.mark.parametrize(("width", "ends", "message"), [
    (0, None, r"gives \(2,\) for 2 rows.*keep the row axis and a width, such as y\[:, None\]"),
    (3, True, r"gives an answer of shape \(\d+, 3\) for \d+ rows. Allowed: \(\d+, 1\)"),
])  # fmt: skip
def test_a_prediction_never_broadcasts_against_its_target(
    tmp_path: Path, width: int, ends: bool | None, message: str
) -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(1, max(width, 1))
            if ends is not None:
                self.ends_in_target = ends

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.map(x) if width else self.map(x)[:, 0]

    data = {"x": np.linspace(0, 1, 30), "y": np.linspace(1, 2, 30)}
    with pytest.raises(nw.InputError, match=message):
        nw.train(
            data,
            target="y",
            model=Wrong(),
            output=tmp_path / "run",
            settings={"plan": {"threads": 1}, "training": {"epochs": 1}},
        )


def test_a_module_that_loses_rows_is_told(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Linear(1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.map(x).mean(0, keepdim=True)

    with pytest.raises(nw.InputError, match=r"Mean gives \(1, 1\) for 2 rows"):
        nw.train(
            {"x": np.linspace(0, 1, 30), "y": np.linspace(1, 2, 30)}, target="y", model=Mean(), output=tmp_path / "run"
        )


def test_a_module_that_asks_for_inputs_that_cannot_be_joined_is_told_their_names(tmp_path: Path) -> None:
    class Everything(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs

    with pytest.raises(
        nw.InputError, match=r"'inputs' gets all inputs, which cannot be joined: number, .*def forward\(self, number, "
    ):
        nw.train(table(30), target="y", model=Everything(), output=tmp_path / "run", settings=settings("mixed"))
