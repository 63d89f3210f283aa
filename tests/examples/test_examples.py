"""The five programs of `examples/` do what they say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.datasets import load_digits

import netwright as nw
from netwright.evaluation import evaluate
from netwright.training import autotune

FOLDER = Path(__file__).parents[2] / "examples"
QUICK = {"plan": {"threads": 1}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The baselines are not fitted, and the plan is not measured for long."""
    monkeypatch.setattr(evaluate, "compare", lambda *_, **__: {})
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    torch.set_num_threads(1)


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_each_example_stands_in_the_table() -> None:
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in FOLDER.iterdir() if path.suffix in (".py", ".yaml")]
    assert len(files) == 5 and all(f"({name})" in table for name in files)


def test_1_one_neurons_gradients_and_weights_are_numpys() -> None:
    example = program("1_one_neuron")
    (weights, slopes), (expected, gradients) = example.with_netwright(*example.data()), example.by_hand(*example.data())
    assert weights.shape == (10, 3)
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(slopes, gradients, rtol=1e-5, atol=1e-7)
    assert (np.diff(np.linalg.norm(gradients, axis=1)) < 0).all()


def test_1_the_circulating_mistakes_give_other_weights() -> None:
    """Without 1/n the bias, and with the squared error's gradient every weight, would be found wrong by the test above."""
    example = program("1_one_neuron")
    x, y = example.data(101)  # of two classes that are not equally large, so that the bias moves at once
    p = np.full(101, 0.5)
    right = np.append(x.T @ (p - y) / 101, np.mean(p - y))
    squared = np.append(x.T @ (2 * p * (1 - p) * (p - y)) / 101, np.mean(2 * p * (1 - p) * (p - y)))
    assert abs(right[2] - np.sum(p - y)) > 0.1 and not np.allclose(right, squared, rtol=0.1)


def test_2_the_line_is_recovered_in_its_own_units(capsys: pytest.CaptureFixture[str]) -> None:
    example = program("2_line_through_noise")
    example.main()
    out = capsys.readouterr().out.splitlines()
    slope, intercept = (float(part) for part in out[0].split("   ")[0].removeprefix("y = ").split(" x + "))
    truth = np.polyfit(example.data()["x"], example.data()["y"], 1)
    assert (slope, intercept) == pytest.approx((3, 2), abs=0.4) and (slope, intercept) == pytest.approx(
        tuple(truth), abs=0.1
    )
    assert out[1].startswith("refused: model: Flat gives (2,) for 2 rows") and "keep the row axis and a width" in out[1]


def digits(rows: int) -> dict[str, Any]:
    """Real handwritten digits, 8×8, drawn three times as large in the middle of 28×28."""
    bunch = load_digits()
    pixels = np.kron(bunch.images[:rows], np.ones((3, 3))) * 255 / 16
    return {"image": np.pad(pixels, ((0, 0), (2, 2), (2, 2))).astype(np.uint8), "label": bunch.target[:rows]}


def test_3_the_convnet_has_its_93_322_weights_and_learns_digits(tmp_path: Path) -> None:
    model = nw.train(digits(900), recipe=FOLDER / "3_convnet.yaml", output=tmp_path / "run", settings=QUICK)
    sizes = [tuple(weight.shape) for name, weight in model.network.named_parameters() if name.endswith("weight")]
    assert sizes == [(32, 1, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (64, 576), (10, 64)]
    assert sum(weight.numel() for weight in model.network.parameters()) == 93_322
    training = model.recipe.training
    assert (training.optimizer, training.epochs, training.batch_size, len(model.metrics["history"])) == (
        "adam",
        5,
        32,
        5,
    )
    assert model.metrics["test"]["accuracy"]["value"] > 0.85
    assert (
        nw.load(tmp_path / "run").predict(digits(5))["label_predicted"].to_list() == load_digits().target[:5].tolist()
    )


GOOD, BAD = ["superb", "moving", "funny", "brilliant"], ["dull", "awful", "boring", "weak"]
SPOKEN = "the film was so and its actors were in all of it a story about two people"
PLAIN = SPOKEN.split()


def reviews(rows: int) -> pl.DataFrame:
    """Made reviews of 3 to 25 words with one word that tells."""
    random = np.random.default_rng(0)
    texts, sentiment = [], []
    for row in range(rows):
        words = list(random.choice(PLAIN, random.integers(2, 25)))
        words.insert(random.integers(0, len(words)), random.choice((BAD, GOOD)[row % 2]))
        texts.append(" ".join(words))
        sentiment.append(("negative", "positive")[row % 2])
    return pl.DataFrame({"review": texts, "sentiment": sentiment})


def test_4_the_lstm_learns_sentiment_and_reads_no_padding(tmp_path: Path) -> None:
    data = reviews(500)
    model = nw.train(data, recipe=FOLDER / "4_sentiment_lstm.yaml", output=tmp_path / "run", settings=QUICK)
    shapes = {name: tuple(weight.shape) for name, weight in model.network.named_parameters()}
    assert shapes["stems.text.table.weight"][1] == 128 and shapes["trunk.layers.0.cells.ways.0.weight_hh_l0"] == (
        512,
        128,
    )
    assert shapes["trunk.layers.1.inner.weight"] == (1, 128)
    assert (
        model.fitted.inputs["text"].model_dump()["tokens"] == "words"
        and model.recipe.columns["review"]["vocabulary"] == 10_000
    )
    assert len(model.metrics["history"]) == 10 and model.metrics["test"]["accuracy"]["value"] > 0.9
    rows = data.head(20).sort(pl.col("review").str.len_chars())
    together = model.predict(rows)["p_positive"].to_list()
    alone = [model.predict(rows[k : k + 1])["p_positive"][0] for k in range(len(rows))]
    assert together == pytest.approx(alone, abs=1e-5)


def test_5_regression_watches_the_mean_absolute_error(tmp_path: Path) -> None:
    example = program("5_regression")
    model = example.fit(tmp_path / "run")
    assert [tuple(weight.shape) for weight in model.network.parameters()] == [(10, 4), (10,), (1, 10), (1,)]
    watched = [entry["mae"] for entry in model.metrics["history"]]
    assert len(watched) == 10 and watched[-1] < 0.5 < 1.5 < watched[0]
    new = example.data(500, seed=2)
    mae = model.evaluate(new)["metrics"]["mae"]["value"]
    answers = model.predict({name: values for name, values in new.items() if name != "y"})["y_predicted"].to_numpy()
    assert mae == pytest.approx(np.abs(answers - new["y"]).mean()) and mae < 0.5
