"""The command line and its Python twin: every verb, every form of data and of output, every way to divide rows."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
import yaml
from PIL import Image

import netwright as nw
from netwright.cli.main import VERBS, main
from netwright.runtime import console

MLP = ("--model", "mlp", "--model.width", "8", "--model.members", "2", "--training.epochs", "2")
SETTINGS: dict[str, Any] = {"training": {"epochs": 2}, "plan": {"threads": 1}}
SMALL = {"family": "mlp", "width": 8, "members": 2}
ROWS = 40


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Run a command that must work, on one thread; return what it wrote to standard output and standard error."""

    def run(*args: object) -> tuple[str, str]:
        capsys.readouterr()
        code = main([*map(str, args), *(("--plan.threads", "1") if args[0] == "train" else ())])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out, err

    return run


def frame(rows: int = ROWS) -> pl.DataFrame:
    """Inputs of three kinds (age, city, joined) and a target of each kind (y, price, tags); a weight and ways to divide."""
    numbers = [(k * 7) % 41 for k in range(rows)]
    return pl.DataFrame(
        {
            "age": [number + 20.5 for number in numbers],
            "city": [("Rome", "Bonn", "Oslo")[number % 3] for number in numbers],
            "joined": [f"2024-{1 + number % 12:02}-{1 + number % 28:02}" for number in numbers],
            "y": ["yes" if number > 20 else "no" for number in numbers],
            "price": [number * 1.5 + 3 for number in numbers],
            "tags": ["red|blue" if number % 3 else "green" for number in numbers],
            "w": [1 + number % 4 for number in numbers],
            "part": [("train", "Train", "val", "test")[k % 4] for k in range(rows)],
            "person": [k // 5 for k in range(rows)],
        }
    )


APART = ("--leave_out", "price,tags,w,part,person")


@pytest.fixture
def data() -> str:
    frame().write_csv("people.csv")
    return "people.csv"


@pytest.fixture
def run(cli: Callable[..., tuple[str, str]], data: str) -> str:
    cli("train", data, "--target", "y", *MLP, *APART, "--output", "run")
    return "run"


def metrics(folder: str) -> dict[str, Any]:
    return json.loads(Path(folder, "metrics.json").read_text())


def answers(folder: str) -> pl.DataFrame:
    return pl.read_csv(Path(folder, "predictions.csv"))


# --- help and imports -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "never"),
    [
        (["-c", "import netwright"], "click pydantic yaml rich polars numpy scipy torch sklearn PIL tokenizers"),
        (["-m", "netwright", "--help"], "pydantic yaml rich polars numpy scipy torch sklearn PIL tokenizers"),
        (["-m", "netwright", "train", "--help"], "rich polars numpy scipy torch sklearn PIL tokenizers"),
        (
            ["-m", "netwright", "predict", "--help"],
            "pydantic yaml rich polars numpy scipy torch sklearn PIL tokenizers",
        ),
    ],
    ids=["import", "--help", "train --help", "predict --help"],
)
def test_help_is_instant_because_nothing_heavy_is_imported(command: list[str], never: str) -> None:
    found = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert "netwright" in imported
    assert not imported & set(never.split())


def test_every_verb_has_help(cli):
    out, _ = cli("--help")
    assert all(f"  {verb} " in out for verb in VERBS)
    for verb, text in VERBS.items():
        assert text in " ".join(cli(verb, "--help")[0].split())


def test_help_is_not_torn_apart(capsys):
    assert main(["train", "--help"]) == 0
    lines = capsys.readouterr().out.partition("Options:")[0].splitlines()
    assert not [line for line in lines if "  " in line.strip()]


def test_scores_of_any_size_are_short():
    assert [console._number(value) for value in (0.5, 1234.567, 1e33)] == ["0.5000", "1,234.57", "1e+33"]


def test_help_of_train_shows_units_choices_and_the_users_own_columns(capsys):
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--training.optimizer gradient_descent|sgd|momentum|nesterov|rmsprop|adam|adamw|muon|lbfgs" in out
    assert "--columns.NAME.SETTING VALUE" in out and "--heads.TARGET.SETTING VALUE" in out
    assert "[mlp, recurrent, transformer]" in out and "maximum number of epochs" in out


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert nw.__version__ in capsys.readouterr().out


# --- every verb -------------------------------------------------------------------------------------------------------


def test_train_says_what_it_chose_and_saves_a_run(cli, data):
    out, err = cli("train", data, "--target", "y", *MLP, *APART)
    assert out == "", "results go to standard output, all else to standard error"
    assert "people.csv: 40 rows, 9 columns" in err
    assert "city: category, because its 40 values repeat: 3 are distinct" in err
    assert "saved in runs/people" in err
    cli("train", data, "--target", "y", *MLP, *APART)
    assert Path("runs/people-2/model.safetensors").exists(), "a second run has a folder of its own"


def test_evaluate_as_a_table_and_as_json(cli, run, data):
    table, _ = cli("evaluate", run, data)
    assert table.split()[:2] == ["metric", "network"] and "accuracy" in table
    result = json.loads(cli("evaluate", run, data, "--json")[0])
    assert result["rows"] == ROWS and 0 <= result["metrics"]["accuracy"]["value"] <= 1
    assert nw.evaluate(run, data) == result


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_to_a_file(cli, run, data, ending):
    out, err = cli("predict", run, data, "--output", f"made/p.{ending}")
    assert out == "" and f"40 predictions in made/p.{ending}" in err
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending]
    found = read(f"made/p.{ending}")
    assert found.columns == ["id", "y", "y_predicted", "p_no", "p_yes"]
    assert found["id"].to_list() == [f"people.csv:{line}" for line in range(2, ROWS + 2)]
    assert found["p_no"].to_list() == pytest.approx((1 - found["p_yes"]).to_list())


def test_predict_to_standard_output_is_csv(cli, run, data):
    out, _ = cli("predict", run, data)
    assert len(out.splitlines()) == ROWS + 1 and out.startswith("id,y,y_predicted,p_no,p_yes\npeople.csv:2,")
    assert nw.predict(run, data) == out


def test_show_for_people_and_for_programs(cli, run):
    out, _ = cli("show", run)
    assert out.startswith("run: done, made by netwright") and "on test rows:" in out
    shown = json.loads(cli("show", run, "--json")[0])
    assert set(shown) == {"folder", "about", "kinds", "plan", "metrics", "events"}


def test_recipe_and_training_from_it_give_the_same_run(cli, data):
    arguments = (data, "--target", "y", *MLP, *APART, "--training.seed", "3")
    out, err = cli("recipe", *arguments, "--plan.threads", "1")
    assert out == "" and "wrote recipe.yaml; netwright train --recipe recipe.yaml runs it" in err
    cli("train", *arguments, "--output", "a")
    cli("train", "--recipe", "recipe.yaml", "--output", "b")
    cli("train", "--recipe", "a/recipe.yaml", "--output", "c")
    recipes = [yaml.safe_load(Path(name, "recipe.yaml").read_text()) for name in "abc"]
    assert recipes[0] == recipes[1] == recipes[2], "all but the reasons beside what was chosen"
    for name in ("model.safetensors", "predictions.csv", "kinds.json"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes() == Path("c", name).read_bytes(), name


def test_flags_take_precedence_over_a_recipe(cli, data):
    Path("r.yaml").write_text(f"data: {data}\ntarget: y\nleave_out: [price, tags, w, part, person]\nmodel: linear\n")
    cli("train", "--recipe", "r.yaml", *MLP, "--output", "run")
    assert "family: mlp" in Path("run/recipe.yaml").read_text()


def test_resume_of_a_finished_run_says_that_nothing_is_left(cli, run, capsys):
    assert main(["train", "--resume", run]) == 0
    assert "run is complete: nothing is left to train" in capsys.readouterr().err


def test_going_on_from_ones_own_run(cli, run, data):
    cli(
        "train",
        data,
        "--target",
        "y",
        "--model",
        run,
        "--training.epochs",
        "1",
        "--model.dropout",
        "0",
        "--output",
        "on",
    )
    recipe = Path("on/recipe.yaml").read_text()
    assert "  start: run\n" in recipe and "  dropout: 0.0\n" in recipe and "  width: 8\n" in recipe
    assert Path("on/kinds.json").read_bytes() == Path("run/kinds.json").read_bytes(), "its kinds are taken over"


def test_cache_shown_and_cleared(cli, tmp_path):
    assert cli("cache", "show")[0] == f"{tmp_path}/cache: 0 blocks, 0 MB of at most 10 GB\n"
    assert cli("cache", "clear")[0].startswith("deleted ")


def test_demo(cli):
    out, err = cli("demo", "--output", "demo")
    assert "569 rows, 31 columns" in err
    assert "on rows it never saw" in out and "in truth malignant" in out
    assert metrics("demo")["test"]["accuracy"]["value"] > 0.85


# --- forms of data ----------------------------------------------------------------------------------------------------


FORMS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda table: table,
    "pandas": lambda table: pd.DataFrame(table.to_dict(as_series=False)),
    "rows": lambda table: table.to_dicts(),
    "columns": lambda table: table.to_dict(as_series=False),
    "arrow": lambda table: table.to_arrow(),
}


def test_every_form_of_data_in_memory_gives_the_same_run():
    table = frame().select("age", "city", "y")
    found = [
        nw.train(form(table), target="y", model=SMALL, settings=SETTINGS, output=name) for name, form in FORMS.items()
    ]
    first = found[0].predict(table)
    assert all(model.predict(table).equals(first) for model in found[1:])


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet", "arrow", "csv.gz"])
def test_every_form_of_file(ending):
    table = frame().select("age", "city", "y")
    path = Path(f"a.{ending}")
    if ending in ("csv", "tsv"):
        table.write_csv(path, separator="\t" if ending == "tsv" else ",")
    elif ending == "csv.gz":
        path.write_bytes(gzip.compress(table.write_csv().encode()))
    elif ending == "jsonl":
        table.write_ndjson(path)
    elif ending == "json":
        table.write_json(path)
    else:
        table.write_parquet(path) if ending == "parquet" else table.write_ipc(path)
    model = nw.train(path, target="y", model=SMALL, settings=SETTINGS, output="run")
    assert model.predict(path)["y_predicted"].is_in(["yes", "no"]).all()


def test_arrays():
    X = np.random.default_rng(0).normal(size=(ROWS, 3))
    model = nw.train((X, (X[:, 0] > 0).astype(int)), target="y", model=SMALL, settings=SETTINGS)
    found = model.predict(X[:2])
    assert found.columns == ["id", "y_predicted", "p_0", "p_1"] and found["id"].to_list() == ["rows:1", "rows:2"]
    assert found["y_predicted"].dtype == pl.Int64, "in the target's own type"


CONVNET = ("--model", "convnet", "--model.width", "8", "--model.stages", "1", "--training.epochs", "1")


def test_a_folder_of_images(cli):
    random = np.random.default_rng(0)
    for number, name in enumerate(("cats", "dogs")):
        for part, count in (("train", 8), ("test", 4)):
            Path("photos", part, name).mkdir(parents=True)
            for k in range(count):
                pixels = (random.random((8, 8, 3)) * 100 + 100 * number).astype(np.uint8)
                Image.fromarray(pixels).save(Path("photos", part, name, f"{k}.png"))
    _, err = cli("train", "photos", "--target", "label", *CONVNET, "--output", "run")
    assert "14 training rows, 2 validation, 8 test, as photos says" in err
    assert answers("run")["id"][0] == "test/cats/0.png"
    assert len(cli("predict", "run", "photos/test")[0].splitlines()) == 9


def test_idx_files(cli):
    random = np.random.default_rng(0)
    Path("mnist").mkdir()
    for part, count in (("train", 24), ("t10k", 6)):
        pixels = random.integers(0, 255, (count, 8, 8), dtype=np.uint8).tobytes()
        images = struct.pack(">I3I", 0x803, count, 8, 8) + pixels
        labels = struct.pack(">2I", 0x801, count) + bytes(k % 3 for k in range(count))
        Path(f"mnist/{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        Path(f"mnist/{part}-labels-idx1-ubyte").write_bytes(labels)
    _, err = cli("train", "mnist", "--target", "label", *CONVNET, "--output", "run")
    assert "6 test, as mnist says" in err
    assert answers("run").columns == ["id", "label", "label_predicted", "p_0", "p_1", "p_2"]


def test_text_through_every_family_that_reads_it(cli):
    rows = [f"{'good fine' if k % 2 else 'bad poor'} film number {k},{k % 2}" for k in range(30)]
    Path("t.csv").write_text("\n".join(["review,stars", *rows]))
    small = ("--columns.review.vocabulary", "64", "--training.epochs", "1")
    for family in ("linear", "mlp"):
        cli("train", "t.csv", "--target", "stars", "--model", family, *small)
    cli(
        "train",
        "t.csv",
        "--target",
        "stars",
        "--model",
        "transformer",
        "--model.width",
        "8",
        "--model.heads",
        "2",
        *small,
    )
    stack = "[{embedding: {units: 4, vocabulary: 64}}, {lstm: 4}, {dense: {units: 1, activation: sigmoid}}]"
    head = ("--heads.stars.loss", "binary_cross_entropy")
    cli(
        "train",
        "t.csv",
        "--target",
        "stars",
        "--model",
        "layers",
        "--model.layers",
        stack,
        *head,
        "--training.epochs",
        "1",
    )


class Own(torch.nn.Module):
    """A user's own network: three numbers in, two logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_a_module_of_ones_own():
    X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    rows = (X, (X[:, 0] > 0).astype(int))
    model = nw.train(rows, target="y", model=Own(), settings=SETTINGS, output="run")
    assert nw.load("run", module=Own()).predict(X).equals(model.predict(X))
    with pytest.raises(nw.InputError) as caught:
        nw.load("run")
    assert str(caught.value) == (
        "model: its network is Own, which is your own code. Fix: give it again: "
        "netwright.load(run, module=your_module)."
    )


# --- targets, weights, divisions --------------------------------------------------------------------------------------


def test_several_targets_of_unlike_kinds(cli, data):
    cli("train", data, "--target", "y,price,tags", *MLP, "--leave_out", "w,part,person", "--output", "run")
    assert list(metrics("run")["test"]) == ["y", "price", "tags"]
    assert answers("run").columns == [
        *("id", "y", "y_predicted", "p_y_no", "p_y_yes", "price", "price_predicted"),
        *("tags", "tags_predicted", "p_tags_blue", "p_tags_green", "p_tags_red"),
    ]


def test_a_targets_share_decides_how_much_its_loss_counts(cli, data):
    common = ("train", data, "--target", "y,price", *MLP, "--leave_out", "w,part,person,tags")
    cli(*common, "--output", "both")
    cli(*common, "--heads.price.share", "0", "--output", "y_alone")
    assert metrics("y_alone")["history"][0]["loss"] < metrics("both")["history"][0]["loss"]


def test_weights_of_rows_and_of_classes(cli, data):
    common = ("train", data, "--target", "y", "--model", "linear", "--training.epochs", "2")
    cli(*common, *APART, "--output", "plain")
    cli(*common, "--leave_out", "price,tags,part,person", "--weight", "w", "--output", "weighted")
    cli(*common, *APART, "--heads.y.class_weights", "balanced", "--output", "balanced")
    found = [Path(name, "model.safetensors").read_bytes() for name in ("plain", "weighted", "balanced")]
    assert len(set(found)) == 3
    assert "w" not in json.loads(Path("weighted/kinds.json").read_text())["inputs"]["number"]["columns"]


def test_divided_by_a_column(cli, data):
    keep = ("--leave_out", "price,tags,w,person")
    _, err = cli("train", data, "--target", "y", *MLP, *keep, "--split.column", "part", "--output", "run")
    assert "20 training rows, 10 validation, 10 test, as column part says" in err
    table = frame()
    tested = [f"people.csv:{k + 2}" for k in range(ROWS) if table["part"][k] == "test"]
    assert answers("run")["id"].to_list() == tested


def test_divided_by_group(cli, data):
    keep = ("--leave_out", "price,tags,w,part")
    _, err = cli("train", data, "--target", "y", *MLP, *keep, "--split.group", "person", "--output", "run")
    assert "no value of person is in two parts" in err
    lines = [int(row.rpartition(":")[2]) for row in answers("run")["id"]]
    assert len({(line - 2) // 5 for line in lines}) == len(lines) / 5, "whole persons only"


def test_divided_by_time(cli, data):
    _, err = cli("train", data, "--target", "y", *MLP, *APART, "--split.time", "joined", "--output", "run")
    assert "the last 8 by joined test" in err
    moments = dict(zip((f"people.csv:{k + 2}" for k in range(ROWS)), frame()["joined"], strict=True))
    tested = answers("run")["id"].to_list()
    assert min(moments[row] for row in tested) >= max(moments[row] for row in moments if row not in tested)


def test_divided_into_folds(cli, data):
    _, err = cli("train", data, "--target", "y", *MLP, *APART, "--split.folds", "3", "--output", "run")
    assert "fold 3 of 3" in err
    assert answers("run").height == ROWS, "every row is answered once, by a network that never saw it"
    assert metrics("run")["folds"] == 3


def test_files_of_validation_and_test_rows(cli, data):
    frame(13).write_csv("v.csv")
    frame(11).write_csv("t.csv")
    files = ("--split.validation_data", "v.csv", "--split.test_data", "t.csv")
    _, err = cli("train", data, "--target", "y", *MLP, *APART, *files, "--output", "run")
    assert "40 training rows, 13 validation, 11 test" in err
    assert answers("run")["id"].to_list() == [f"t.csv:{line}" for line in range(2, 13)]


def test_no_rows_to_measure_on(cli, data):
    _, err = cli(
        "train", data, "--target", "y", *MLP, *APART, "--split.test", "0", "--split.validation", "0", "--output", "run"
    )
    assert "no test or validation rows: the network's quality is unknown" in err
    assert metrics("run")["test"] == {} == metrics("run")["validation"]
    cli("show", "run")
