"""What holds for targets about the words of a text (tags, spans), in each family that answers them, with long texts too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import netwright as nw
from netwright import registry
from netwright.cli.main import main
from netwright.errors import InputError, Interrupted
from netwright.inference.model import Answers, answers
from netwright.runtime.arrays import take
from netwright.runtime.plan import Plan
from netwright.training.loop import Loop
from netwright.training.pipeline import start_network

from ..training.small import worked
from .test_networks import at_random
from .test_resume import stop_after

FAMILIES = ("recurrent", "transformer")
TARGETS = ("tags", "answer", "both")
EVERY = pytest.mark.parametrize(("family", "target"), [(f, t) for f in FAMILIES for t in TARGETS])
NAMES = {"tags": ["tags"], "answer": ["answer"], "both": ["tags", "answer", "topic"]}
SPOKEN = "the cat sat on a mat and 北京 dogs ran 😀 far away from Zu\u0308rich"
WORDS = SPOKEN.split()


def table(rows: int = 24) -> pl.DataFrame:
    """Words with tags; a question whose answer is the word behind the one that it names; some texts longer than a window."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 9, rows)
    lengths[::6] = 50
    words = [random.choice(WORDS, length).tolist() for length in lengths]
    words[1] = []
    places = [int(random.integers(0, max(len(row) - 1, 1))) for row in words]
    texts = [" ".join(row) for row in words]
    starts = [len(" ".join(row[: place + 1])) + 1 for row, place in zip(words, places, strict=True)]
    spans = [
        {"text": row[place + 1], "start": start} if len(row) > 1 and k % 7 else None
        for k, (row, place, start) in enumerate(zip(words, places, starts, strict=True))
    ]
    return pl.DataFrame({
        "question": [row[place] if row else "?" for row, place in zip(words, places, strict=True)], "words": texts,
        "tags": [[("N", "V", "O")[len(word) % 3] for word in row] for row in words], "answer": spans,
        "topic": ["x" if k % 2 else "y" for k in range(rows)],
    })  # fmt: skip


def case(family: str, target: str, rows: int = 24, **training: Any) -> Any:
    tiny = registry.find("trunks", family, "settings").Settings.tiny().model_dump(mode="json", exclude_none=True)
    columns = {"words": {"vocabulary": 300}, "question": {"kind": "text", "vocabulary": 300}, "tags": {"about": "words"}, "answer": {"about": "words"}}  # fmt: skip
    inputs = ["words"] if target == "tags" else ["question", "words"]
    names = {*inputs, *NAMES[target]}
    settings = {
        "inputs": inputs, "training": training, "split": {"validation": 0, "test": 0},
        "columns": {name: given for name, given in columns.items() if name in names},
    }  # fmt: skip
    return worked(table(rows), NAMES[target], tiny, settings)


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return one == other
    return bool(np.allclose(one, other, atol=1e-5, rtol=1e-5))


@EVERY
def test_a_batch_gives_what_its_rows_give_one_at_a_time(family: str, target: str) -> None:
    """Long texts in windows, an empty one and short ones in one batch."""
    work = case(family, target)
    network = at_random(start_network(work, Plan(), None)[0])

    def of(chosen: np.ndarray) -> Answers:
        return answers(network, {key: take(arrays, chosen) for key, arrays in work.inputs.items()}, len(chosen), Plan())

    together = of(np.arange(12))
    for row in range(12):
        for key, found in of(np.array([row])).items():
            for name, array in found.items():
                assert alike(array[0], together[key][name][row]), f"row {row}: {key} {name}"


@EVERY
def test_each_parameter_gets_a_finite_gradient(family: str, target: str) -> None:
    network, data = start_network(work := case(family, target, gradient_clip=0.0), Plan(), None)
    loop = Loop(network, data, None, work.recipe.training, Plan(), kept=None)
    loop.take.gradient(loop.take.batches(next(loop.calls())))
    lost = [name for name, w in network.named_parameters() if w.grad is None or not w.grad.isfinite().all()]
    assert not lost


@EVERY
def test_eight_rows_are_learnt_by_heart(family: str, target: str) -> None:
    work = case(family, target, 8, optimizer="adam", batch_size=8, learning_rate=0.01, l2=0.0, schedule="constant")
    network, data = start_network(work, Plan(), None)
    loop = Loop(network, data, None, work.recipe.training.model_copy(update={"epochs": 300}), Plan(), kept=None)
    for epoch in range(300):
        loop.at.epoch, loop.at.step, loop.at.loss_sum = epoch, 0, 0.0
        loop.step(next(loop.calls()))
        if loop.at.loss_sum < 0.02:
            break
    found = answers(network, work.inputs, 8, Plan())
    for key, kind in work.fitted.targets.items():
        if kind.columns[0] == "tags":
            assert found[key]["tags"].tolist() == kind.truth(work.targets[key]).tolist()
        if kind.columns[0] == "answer":
            ends = np.stack([found[key]["begin"], found[key]["end"]], 1)
            assert ends.tolist() == work.targets[key]["ends"].tolist()


@pytest.mark.parametrize("reads", ["first", "mean"])
def test_a_step_of_small_batches_is_one_of_a_large_batch(reads: str) -> None:
    """A row of many words weighs more than one of few: the loss divides once, by all words."""
    gradients = []
    for size, parts in ((24, 1), (6, 4)):
        work = case("recurrent", "tags", batch_size=size, accumulate=parts, gradient_clip=0.0, patience=0)
        work.recipe.heads["tags"]["reads"] = reads
        network, data = start_network(work, Plan(), None)
        loop = Loop(network, data, None, work.recipe.training, Plan(), kept=None)
        batches = loop.take.batches(next(loop.calls()))
        loop.take.gradient(batches, loop.take.weights(batches) if parts > 1 else None)
        gradients.append(torch.cat([w.grad.flatten() for w in network.parameters()]))  # type: ignore[union-attr]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("family", [name for name in registry.names("trunks") if name not in (*FAMILIES, "pretrained")])
def test_families_that_pool_refuse_and_name_one_that_does_not(family: str) -> None:
    given = {"layers": {"family": "layers", "layers": [{"dense": 3}]}, "module": torch.nn.Linear(1, 1)}
    with pytest.raises(InputError, match=r"it makes one answer of a whole row.*recurrent") as refused:
        nw.train(table(), target="tags", model=given.get(family, family), settings={"inputs": ["words"]})
    assert "recurrent, transformer" in str(refused.value)


SHORT = {"training": {"epochs": 2}, "plan": {"threads": 1}}


def train(folder: Path, family: str, target: str, **more: Any) -> nw.Model:
    tiny = registry.find("trunks", family, "settings").Settings.tiny().model_dump(mode="json", exclude_none=True)
    given = {"inputs": ["question", "words"], "columns": {"tags": {"about": "words"}, "question": "text"}, **SHORT}
    return nw.train(
        table(60), target=NAMES[target], model=more.pop("model", tiny), output=folder, settings={**given, **more}
    )


@EVERY
def test_what_is_loaded_predicts_the_same_and_the_same_recipe_trains_the_same_bits(
    tmp_path: Path, family: str, target: str
) -> None:
    if target == "tags":
        return
    first, again = (train(tmp_path / name, family, target, **({} if target == "both" else {"columns": {"question": "text"}})) for name in "ab")  # fmt: skip
    found = first.predict(table(11))
    assert found.equals(nw.load(tmp_path / "a").predict(table(11))) and found.equals(again.predict(table(11)))
    bits = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert bits[0] == bits[1]
    assert set(nw.load(tmp_path / "a").evaluate(table(11))) == {"metrics", "rows"}


def test_interrupted_and_resumed_is_never_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts in windows, dropout, several targets: bit for bit."""
    settings = {"model": {"family": "recurrent", "width": 8, "dropout": 0.3, "length": 8}, "training": {"epochs": 3, "batch_size": 9}}  # fmt: skip
    train(tmp_path / "whole", "recurrent", "both", **settings)
    with monkeypatch.context() as patch:
        stop_after(patch, 6)
        with pytest.raises(Interrupted):
            train(tmp_path / "parts", "recurrent", "both", **settings)
    nw.train(table(60), resume=tmp_path / "parts")
    for name in ("model.safetensors", "predictions.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_folds_answer_each_row_in_tags_of_their_own(tmp_path: Path) -> None:
    model = train(tmp_path / "run", "recurrent", "both", split={"folds": 3})
    kept = pl.read_csv(tmp_path / "run" / "predictions.csv")
    assert kept.height == 60 and kept["id"].n_unique() == 60
    assert [len(json.loads(tags)) for tags in kept["tags_predicted"]] == table(60)["tags"].list.len().to_list()
    assert model.metrics["test"]["tags"]["accuracy"]["value"] > 0


def test_a_rare_tag_that_only_the_test_rows_have_does_not_count(tmp_path: Path) -> None:
    frame = table(60)
    part = ["test" if k >= 50 else "validation" if k >= 40 else "train" for k in range(60)]
    odd = [["X"] * len(tags) if k == 55 else tags for k, tags in enumerate(frame["tags"].to_list())]
    frame = frame.with_columns(pl.Series("tags", odd), pl.Series("part", part))
    given = {"inputs": ["words"], "split": {"column": "part"}, **SHORT}
    model = nw.train(frame, target="tags", model="recurrent", output=tmp_path / "run", settings=given)
    assert "X" not in model.fitted.targets["target_1"].tags  # type: ignore[attr-defined]
    assert pl.read_csv(tmp_path / "run" / "predictions.csv").height == 9, "it has no word that counts"


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"words": row["words"].split(), "tags": row["tags"]} for row in table(60).to_dicts()]
    Path("news.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--training.epochs", "2", "--model.width", "16", "--output", "run"]
    assert main(["train", "news.jsonl", "--inputs", "words", "--target", "tags", *flags]) == 0
    said = capsys.readouterr().err
    assert "tags: tags, because each of its values has as many parts as words has words" in said
    assert "family: recurrent" in said and "tags: accuracy" in said
    Path("new.jsonl").write_text('{"words": ["the", "cat"]}\n{"words": []}\n{"words": null}\n')
    assert main(["predict", "run", "new.jsonl", "--output", "found.jsonl"]) == 0
    found = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
    assert [len(row["tags_predicted"]) for row in found] == [2, 0, 0] and len(found[0]["tags_probability"]) == 2
    assert main(["predict", "run", "new.jsonl"]) == 0 and main(["evaluate", "run", "news.jsonl"]) == 0
    assert main(["show", "run"]) == 0
