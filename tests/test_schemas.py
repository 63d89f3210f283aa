"""The public schema, frozen: a change here is a change for everyone who reads runs, writes recipes or calls the flags.

docs/reference/run-folder.md describes the same. What is added belongs into these lists; what is renamed or removed also raises
`netwright.runtime.run.VERSION`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml

import netwright as nw
from netwright import registry
from netwright.cli.main import VERBS, main
from netwright.cli.options import settings
from netwright.evaluation import evaluate
from netwright.recipe import Recipe
from netwright.runtime.run import VERSION
from netwright.training import autotune

FLAGS = """
adapt adapt.alpha adapt.bits adapt.decay adapt.maps adapt.rank adapt.remember columns.NAME.SETTING data heads.TARGET.SETTING inputs leave_out made model model.activation model.biased model.bins model.blocks
model.both_ways model.cell model.depth model.dropout model.embedding model.embedding_width model.epsilon model.filters
model.form model.head_size model.heads model.hidden model.inner_dropout model.key_heads model.layers model.length model.members model.normed model.patch model.pool model.pooling
model.rotary_base model.size model.skip model.stages model.text model.text_width model.vocabulary model.width model.window model.windows output plan.compile plan.device plan.precision plan.record plan.rows_a_call
plan.steps_a_call plan.threads read.bad_rows read.delimiter read.encoding read.header read.missing read.query
read.quotes read.rows read.sheet recipe resume split.column split.folds split.group split.seed split.test split.test_data
split.time split.validation split.validation_data target teacher training.accumulate training.augment training.average training.batch_size
training.beta1 training.beta2 training.checkpoint_every training.epochs training.epsilon training.gradient_clip
training.l1 training.l2 training.learning_rate training.metric training.minutes training.momentum training.optimizer training.pack training.patience training.refit
training.schedule training.seed training.step_every training.step_factor training.steps training.warmup training.weight_decay
trust.calibrate trust.coverage trust.threshold unlabelled weight
"""

SAMPLING = [
    "--beams", "--length-penalty", "--logprobs", "--max-tokens", "--min-p", "--repetition-penalty", "--seed", "--stop",
    "--temperature", "--top-k", "--top-p",
]  # fmt: skip

SERVING = [
    "--body", "--characters", "--gather", "--host", "--key-file", "--pixels", "--port", "--queue", "--rows", "--texts", "--threads",
    "--time-limit", "--waiting", "--watch", "--workers",
]  # fmt: skip

VERB_ARGUMENTS = {
    "demo": ["--output"],
    "evaluate": ["data", "run", "--json"],
    "predict": ["data", "run", "--output"],
    "embed": ["data", "run", "--inputs", "--output"],
    "quantize": ["run", "--data", "--output", "--to"],
    "distill": ["data", "run", "--into", "--made", "--output", "--unlabelled"],
    "generate": ["prompt", "run", *SAMPLING],
    "chat": ["run", "--system", *SAMPLING],
    "export": ["run", "--data", "--output", "--to", "--type"],
    "verify": ["folder", "run", "--data"],
    "pack": ["run", "--output"],
    "serve": ["runs", *SERVING],
    "key": ["file", "name"],
    "show": ["run", "--json"],
    "report": ["run", "--output"],
    "samples": ["action", "name", "--output"],
    "cache": ["action"],
}

FILES = """
checkpoints/last.safetensors cost.json events.jsonl kinds.json learnt.safetensors metrics.json model.safetensors plan.json predictions.csv
profile.json recipe.yaml report.html run.json trust.json worst.json
"""

ROOMS = {
    "kinds": "category date image labels match messages number span tags text",
    "trunks": "convnet layers linear mlp module pretrained recurrent transformer",
    "heads": "category labels match number span tags text",
    "sources": "arrow coco csv excel folder glue idx jsonl memory parquet sql squad tagged text",
    "baselines": "boosting constant lead lexicon linear nearest ngrams overlap pixels shared tfidf",
    "stems": "category date image labels number text",
    "report": "calibration caveats choices confusion cost curves data learning metrics residuals summary texts words worst",
}

RECIPE = {
    "data": None,
    "target": None,
    "inputs": None,
    "leave_out": None,
    "weight": None,
    "columns": None,
    "heads": None,
    "teacher": None,
    "unlabelled": None,
    "made": None,
    "model": None,
    "read": "delimiter encoding header quotes bad_rows missing query sheet rows",
    "split": "validation test column group time folds validation_data test_data seed",
    "training": "epochs steps minutes pack batch_size accumulate optimizer learning_rate momentum beta1 beta2 epsilon schedule warmup "
    "step_every step_factor l1 l2 weight_decay gradient_clip average patience refit metric augment seed checkpoint_every",
    "trust": "calibrate coverage threshold",
    "plan": "device threads precision record compile steps_a_call rows_a_call",
}

KIND_SETTINGS = {
    "category": "kind minimum order",
    "date": "kind layout",
    "image": "kind size channels mirror mean deviation",
    "labels": "kind separator minimum",
    "match": "kind about score",
    "number": "kind scale bins",
    "span": "kind about",
    "tags": "kind about",
    "text": "kind tokens tokenizer vocabulary length lowercase windows",
    "messages": "tokens vocabulary length tokenizer kind template bad_rows",
}

HEAD_SETTINGS = {
    "category": "share teacher_share head loss label_smoothing class_weights teacher_temperature",
    "labels": "share teacher_share head",
    "match": "share teacher_share head temperature",
    "number": "share teacher_share head loss delta",
    "span": "share teacher_share head longest",
    "tags": "share teacher_share head reads label_smoothing",
    "text": "share teacher_share head tied given label_smoothing prompt_share max_tokens beams length_penalty",
}

METRICS = {
    "category": "accuracy balanced_accuracy f1_macro log_loss brier ece roc_auc",
    "category of two classes": "accuracy balanced_accuracy f1_macro log_loss brier ece roc_auc precision recall f1 pr_auc",
    "number": "r2 mae rmse median_absolute_error",
    "labels": "f1_micro f1_macro accuracy hamming_loss log_loss roc_auc",
    "tags": "accuracy f1_macro row_accuracy entity_f1 entity_precision entity_recall",
    "match": "mrr found_1 found_10 spearman cosine",
    "span": "f1 exact_match answered_f1 unanswerable",
    "text": "bits_per_byte perplexity loss chrf bleu rouge_l rouge_1 rouge_2 exact_match",
}

MLP = ("--model", "mlp", "--model.width", "8", "--model.members", "2", "--training.epochs", "2", "--plan.threads", "1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: one target, several, and folds."""
    folder = tmp_path_factory.mktemp("runs")
    table = pl.DataFrame(
        {
            "x": [(k * 7) % 41 for k in range(40)],
            "city": [("Rome", "Bonn")[k % 2] for k in range(40)],
            "y": [("no", "yes")[k % 3 % 2] for k in range(40)],
            "price": [k * 1.5 for k in range(40)],
            "tags": ["red|blue" if k % 3 else "green" for k in range(40)],
        }
    )
    table.write_csv(folder / "a.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(autotune, "TRIAL", 0.0)
        torch.set_num_threads(1)
        one = ("train", "a.csv", "--target", "y", "--leave_out", "price,tags", *MLP)
        assert main([*one, "--output", "one"]) == 0
        patch.setattr(evaluate, "compare", lambda *_, **__: {})
        assert main([*one, "--split.folds", "3", "--output", "folds"]) == 0
        assert main(["train", "a.csv", "--target", "y,price,tags", *MLP, "--output", "several"]) == 0
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# --- what is public ---------------------------------------------------------------------------------------------------


def test_the_public_names():
    assert nw.__all__ == [
        "InputError",
        "SamplingParams",
        "Model",
        "Recipe",
        "__version__",
        "evaluate",
        "export",
        "load",
        "predict",
        "report",
        "samples",
        "sklearn",
        "train",
    ]
    public = [name for name in vars(nw.Model) if not name.startswith("_")]
    assert public == [
        "targets",
        "metrics",
        "answers",
        "trusted",
        "predict",
        "predictions",
        "parts",
        "generate",
        "stream",
        "embed",
        "nearest",
        "bare",
        "decode",
        "evaluate",
        "measured",
    ]


def test_the_verbs_and_their_arguments():
    assert list(VERBS) == [
        "demo",
        "train",
        "evaluate",
        "predict",
        "embed",
        "quantize",
        "distill",
        "generate",
        "export",
        "verify",
        "pack",
        "chat",
        "serve",
        "key",
        "show",
        "report",
        "recipe",
        "samples",
        "cache",
    ]
    for verb, wanted in VERB_ARGUMENTS.items():
        command = getattr(__import__("netwright.cli.main", fromlist=[verb]), f"_{verb}")()
        found = [option.opts[0] for option in command.params]
        assert sorted(found) == sorted(wanted), verb


def test_the_flags_of_train_and_recipe():
    found = {place for place, _, _ in settings()}
    own = {"data", "target", "model", "output", "recipe", "resume", "columns.NAME.SETTING", "heads.TARGET.SETTING"}
    assert sorted(found | own) == FLAGS.split()


def test_the_settings_of_a_recipe():
    schema = dict.fromkeys(Recipe.model_fields)
    for name, field in Recipe.model_fields.items():
        if RECIPE.get(name):
            schema[name] = " ".join(field.annotation.model_fields)  # type: ignore[assignment, union-attr]
    assert schema == RECIPE


@pytest.mark.parametrize(("room", "names"), ROOMS.items())
def test_what_stands_in_each_room(room, names):
    assert " ".join(registry.names(room)) == names


@pytest.mark.parametrize(("kind", "names"), KIND_SETTINGS.items())
def test_the_settings_of_a_column(kind, names):
    from netwright.kinds.infer import able, kind_class

    assert " ".join(kind_class(kind, "input" if kind in able("input") else "target").Options.model_fields) == names


@pytest.mark.parametrize(("head", "names"), HEAD_SETTINGS.items())
def test_the_settings_of_a_target(head, names):
    assert " ".join(registry.find("heads", head, "settings").Settings.model_fields) == names


@pytest.mark.parametrize(("target", "names"), METRICS.items())
def test_the_metrics(target, names):
    from netwright.evaluation.metrics import metrics_of

    assert " ".join(metrics_of(target.split()[0], 2 if "two" in target else 5)) == names


# --- the run folder ---------------------------------------------------------------------------------------------------


def test_the_files_of_a_run(runs):
    for name in ("one", "folds", "several"):
        found = sorted(path.relative_to(runs / name).as_posix() for path in (runs / name).rglob("*") if path.is_file())
        assert found == FILES.split(), name


def test_run_json(runs):
    about = read(runs / "one" / "run.json")
    assert list(about) == ["version", "netwright", "torch", "state", "source", "fingerprint", "rows"]
    assert about | {"fingerprint": ""} == {
        "version": VERSION,
        "netwright": nw.__version__,
        "torch": torch.__version__,
        "state": "done",
        "source": "a.csv",
        "fingerprint": "",
        "rows": 40,
    }
    assert VERSION == 1


def test_plan_json(runs):
    plan = read(runs / "one" / "plan.json")
    assert list(plan) == [
        "device",
        "threads",
        "precision",
        "record",
        "compile",
        "steps_a_call",
        "steps",
        "rows_a_call",
        "reasons",
    ]
    assert list(plan["reasons"]) == ["device", "precision", "threads", "record", "compile", "rows_a_call"]


def test_recipe_yaml(runs):
    recipe = yaml.safe_load((runs / "one" / "recipe.yaml").read_text())
    assert list(recipe) == list(RECIPE)
    assert list(recipe["columns"]["x"]) == KIND_SETTINGS["number"].split()
    assert list(recipe["heads"]["y"]) == HEAD_SETTINGS["category"].split()
    assert all(
        value is not None for name, value in recipe["training"].items() if name not in ("metric", "minutes", "steps")
    )


def test_kinds_json(runs):
    kinds = read(runs / "several" / "kinds.json")
    assert list(kinds) == ["inputs", "targets", "left_out"]
    assert list(kinds["inputs"]) == ["number", "category"]
    assert list(kinds["targets"]) == ["target_1", "target_2", "target_3"]
    shapes = {kind["kind"]: " ".join(kind) for kind in (*kinds["inputs"].values(), *kinds["targets"].values())}
    assert shapes == {
        "number": "columns kind scale center spread low high missing knots edges whole commas units",
        "category": "columns kind values stored counts",
        "labels": "columns kind values separator",
    }
    assert read(runs / "one" / "kinds.json")["left_out"] == {}


def interval(value: Any) -> bool:
    return list(value) == ["value", "low", "high"] and all(isinstance(part, float) for part in value.values())


def test_metrics_json_of_one_target(runs):
    metrics = read(runs / "one" / "metrics.json")
    assert list(metrics) == ["validation", "test", "baseline", "trust", "history"]
    for part in ("validation", "test"):
        assert list(metrics[part]) == METRICS["category of two classes"].split()
        assert all(interval(value) for value in metrics[part].values())
    assert list(metrics["baseline"]) == ["boosting", "constant", "linear"]
    for baseline in metrics["baseline"].values():
        assert list(baseline) == [*METRICS["category of two classes"].split(), "seconds"]
        assert isinstance(baseline.pop("seconds"), float)
        assert all(interval(value) for value in baseline.values())
    assert [list(epoch) for epoch in metrics["history"]] == [["epoch", "loss", "log_loss", "seconds"]] * 2


def test_metrics_json_of_several_targets(runs):
    metrics = read(runs / "several" / "metrics.json")
    assert list(metrics) == ["validation", "test", "baseline", "trust", "history"]
    for part in ("validation", "test"):
        assert {name: " ".join(found) for name, found in metrics[part].items()} == {
            "y": METRICS["category of two classes"],
            "price": METRICS["number"],
            "tags": METRICS["labels"],
        }
    assert list(metrics["baseline"]) == ["y", "price", "tags"]
    assert list(metrics["history"][0]) == ["epoch", "loss", "mean of log_loss, rmse", "seconds"]


def test_metrics_json_of_folds(runs):
    metrics = read(runs / "folds" / "metrics.json")
    assert list(metrics) == ["validation", "test", "baseline", "trust", "folds", "history"]
    assert (metrics["folds"], metrics["validation"]) == (3, {})
    assert list(metrics["test"]) == METRICS["category of two classes"].split()


def test_a_metric_without_a_value_says_why():
    from netwright.evaluation.metrics import measure

    truth, answer = torch.zeros(3, dtype=torch.long).numpy(), {"probability": torch.full((3, 2), 0.5).numpy()}
    assert measure("category", truth, answer)["roc_auc"] == {
        "value": None, "low": None, "high": None, "reason": "the rows are all of one class",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("one", "id y y_predicted p_no p_yes"),
        ("folds", "id y y_predicted p_no p_yes"),
        (
            "several",
            "id y y_predicted p_y_no p_y_yes price price_predicted tags tags_predicted p_tags_blue p_tags_green p_tags_red",
        ),
    ],
)
def test_predictions_csv(runs, name, columns):
    found = pl.read_csv(runs / name / "predictions.csv")
    assert " ".join(found.columns) == columns
    assert found["id"].str.contains(r"^a\.csv:\d+$").all()


def test_predictions_of_rows_without_the_target(runs):
    found = nw.load(runs / "one").predict([{"x": 1, "city": "Rome"}])
    assert found.columns == ["id", "y_predicted", "p_no", "p_yes"] and found["id"].to_list() == ["rows:1"]


def test_events_jsonl(runs):
    lines = (runs / "one" / "events.jsonl").read_text(encoding="utf-8").split("\n")
    events = [json.loads(line) for line in lines if line]
    assert all(list(event) == ["kind", "name", "text", "data", "time"] for event in events)
    assert {event["kind"] for event in events} <= {"step", "choice", "notice", "warning", "result"}
    assert [event["name"] for event in events] == [
        *(
            "data.read",
            "column.kind",
            "column.kind",
            "column.kind",
            "split",
            "plan",
            "network",
            "training.refit",
            "verdict",
            "run.saved",
        ),
    ]


def test_nothing_in_a_run_is_a_pickle(runs):
    for path in runs.rglob("*"):
        if path.is_file():
            head = path.read_bytes()[:2]
            assert head != b"PK" and head[:1] != b"\x80", path


# --- results ----------------------------------------------------------------------------------------------------------


def test_evaluate_json(runs, capsys):
    for name in ("one", "several"):
        assert main(["evaluate", str(runs / name), str(runs / "a.csv"), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert list(result) == ["metrics", "rows"] and result["rows"] == 40
        wanted = METRICS["category of two classes"].split() if name == "one" else ["y", "price", "tags"]
        assert list(result["metrics"]) == wanted


def test_show_json(runs, capsys):
    assert main(["show", str(runs / "one"), "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["folder", "about", "kinds", "plan", "metrics", "events"]


def test_exit_codes(runs, monkeypatch, capsys):
    from netwright.errors import Interrupted

    assert main(["show", str(runs / "one")]) == 0
    assert main(["show", str(runs / "none")]) == 2
    assert main(["shew"]) == 2

    def interrupted(*_: object) -> None:
        raise Interrupted("run", "netwright train --resume run")

    monkeypatch.setattr("netwright.verbs.show.show", interrupted)
    assert main(["show", str(runs / "one")]) == 130
    assert capsys.readouterr().err.endswith("stopped; go on with: netwright train --resume run\n")


def test_a_bug_of_ours_is_not_hidden(runs, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("netwright.verbs.show.show", broken)
    with pytest.raises(ZeroDivisionError):  # python then writes the traceback, and the exit code is 1
        main(["show", str(runs / "one")])
