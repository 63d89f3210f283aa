"""Fewer bits, smaller networks, vectors: what they cost and that they stay what they were."""

from __future__ import annotations

import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import netwright as nw
from netwright.data import readers
from netwright.errors import InputError, Interrupted
from netwright.events import listening
from netwright.export.proven import export
from netwright.nn import quantization
from netwright.nn.batch import Batch, Lists
from netwright.runtime import cpu
from netwright.training import text_augmentation
from netwright.training.loop import Loop
from netwright.verbs.distill import distill
from netwright.verbs.embed import embed
from netwright.verbs.quantize import quantize

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny BERT on reviews in a file."""
    place = tmp_path_factory.mktemp("smaller")
    checkpoint = checkpoints.folder(place / "bert", "bert")
    pl.DataFrame(checkpoints.reviews(120)).write_csv(place / "rows.csv")
    settings = {"model": {"adapt": "full"}, "training": {"epochs": 4, "learning_rate": 0.003}}
    nw.train(place / "rows.csv", target="label", model=checkpoint, output=place / "run", settings=settings)
    return place / "run"


@pytest.mark.parametrize("form", quantization.FORMS)
def test_fewer_bits(form: str, run: Path, tmp_path: Path) -> None:
    found = quantize(run, to=form, output=tmp_path / form)
    assert found["bytes"]["after"] < 0.7 * found["bytes"]["before"]
    before, after = (found["score"][when]["log_loss"]["value"] for when in ("before", "after"))
    assert abs(before - after) < 0.02
    again = nw.load(tmp_path / form).evaluate(run.parent / "rows.csv")["metrics"]["accuracy"]["value"]
    assert again == nw.load(run).evaluate(run.parent / "rows.csv")["metrics"]["accuracy"]["value"]
    with pytest.raises(InputError, match="already"):
        quantize(tmp_path / form, to="int8", output=tmp_path / "twice")


def test_eight_bits_of_a_map() -> None:
    """An 8-bit map errs by at most half a step of each factor: about 1 % of the answer's deviation."""
    torch.manual_seed(0)
    plain = nn.Linear(64, 96)
    x = torch.randn(5, 7, 64)
    wanted = plain(x)
    for form in ("int8", "int8_weights"):
        found = quantization.Map.of(plain.weight, plain.bias, form)(x)
        assert (found - wanted).std() < 0.012 * wanted.std(), form


def test_whole_products_are_exact() -> None:
    random = torch.Generator().manual_seed(0)
    x, w = (torch.randint(-127, 128, size, generator=random, dtype=torch.int8) for size in ((3, 1536), (40, 1536)))
    assert torch.equal(quantization.whole_products(x, w).long(), x.long() @ w.long().T)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("inputs", [1, 5, 33, 40, 64, 576])
def test_few_rows_and_many_are_multiplied_alike(inputs: int, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation for few rows of 16 bits reads past the end of rows of some lengths: those never reach it."""
    monkeypatch.setattr(cpu, "fast", lambda: fast)
    torch.manual_seed(0)
    part = quantization.Map.of(torch.randn(7, inputs), torch.randn(7), "int8_weights")
    x = torch.randn(quantization.FEW + 1, inputs)
    one = torch.cat([part(row[None]) for row in x])
    torch.testing.assert_close(part(x), one, atol=0.02 * float(one.abs().max()), rtol=0.01)
    exact = F.linear(x, part.weight, part.bias)
    assert (one - exact).abs().max() < 0.01 * exact.abs().max()


def test_the_trial_of_half_floats_is_kept_and_a_killed_one_is_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a processor is fast at is measured once a machine; an illegal instruction ends the trial alone."""
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path))
    for trial, wanted in (("print(3.5)", True), ("print(1.1)", False), ("import os; os.abort()", False)):
        monkeypatch.setattr(cpu, "TRIAL", trial)
        cpu.fast.cache_clear()
        assert cpu.fast() is wanted
        monkeypatch.setattr(cpu, "TRIAL", "raise SystemExit('run again')")
        cpu.fast.cache_clear()
        assert cpu.fast() is wanted
        for kept in tmp_path.glob("halves-*.json"):
            kept.unlink()
    cpu.fast.cache_clear()


def test_four_bits_of_a_matrix() -> None:
    """4.5 bits a weight; a matrix whose groups have 16 values on a grid comes back as it was."""
    torch.manual_seed(0)
    weight = torch.randn(64, 100)
    kept = quantization.packed({"w": weight, "b": torch.zeros(64)})
    size = sum(value.numel() * value.element_size() for name, value in kept.items() if name.startswith("w"))
    assert size * 8 < 6.5 * weight.numel()
    table = quantization.packed({"heads.x.table.weight": weight})
    finer = quantization.unpacked(table)["heads.x.table.weight"] - weight
    error = quantization.unpacked(kept)["w"] - weight
    assert finer.std() < 0.55 * error.std(), "a table has twice the levels"
    assert error.std() < 0.09 and torch.equal(quantization.unpacked(kept)["b"], torch.zeros(64))


def test_nothing_large_enough_is_said(tmp_path: Path) -> None:
    nw.train(
        {"x": list(range(60)), "y": [3.0 * x for x in range(60)]},
        target="y",
        model="linear",
        output=tmp_path / "line",
        settings={"columns": {"x": "number"}},
    )
    with pytest.raises(InputError, match="no linear map"):
        quantize(tmp_path / "line", to="int8", data={"x": [1, 2, 3], "y": [3.0, 6.0, 9.0]})


@pytest.mark.parametrize("into", ["linear", "mlp", "transformer:tiny"])
def test_a_small_network_is_taught(into: str, run: Path, tmp_path: Path) -> None:
    student = distill(run, into=into, output=tmp_path / "student", settings={"training": {"epochs": 2}})
    assert student.run is not None
    found = student.run.read(student.run.folder / "distilled.json")
    assert found["rows"] == 24 and {"metrics", "weights", "rows_a_second"} == set(found["teacher"]) == set(
        found["student"]
    )
    assert student.recipe.teacher == str(run)


def test_an_unknown_student_is_refused_before_rows_are_made(run: Path, tmp_path: Path) -> None:
    with listening(heard := []), pytest.raises(InputError, match="there is no family 'frobnicate'"):
        distill(run, into="frobnicate", output=tmp_path / "student")
    assert not heard and not (tmp_path / "student").exists()


def test_what_is_said_of_a_row_is_said_once_however_often_it_is_timed(tmp_path: Path) -> None:
    rows = pl.DataFrame(checkpoints.reviews(120)).with_columns(pl.col("text") + " and so on" * 30)
    rows.write_csv(tmp_path / "rows.csv")
    settings = {"columns": {"text": {"kind": "text", "length": 8}}, "training": {"epochs": 1}}
    nw.train(tmp_path / "rows.csv", target="label", model="convnet", output=tmp_path / "teacher", settings=settings)
    with listening(heard := []):
        distill(tmp_path / "teacher", output=tmp_path / "student", made=0, settings={"training": {"epochs": 1}})
    cuts = [event for event in heard if "cut to 8 tokens" in event.text]
    assert 1 <= len(cuts) <= 4, "by the teacher and the student, of all rows and of those that measure"


def test_rows_without_truth_are_learnt_and_measure_nothing(tmp_path: Path) -> None:
    """The others are divided as they were for the teacher, whatever its seed; rows that it knows are left out, and said."""
    rows = pl.DataFrame(checkpoints.reviews(120))
    rows.write_csv(tmp_path / "rows.csv")
    pl.DataFrame({"text": [f"a plot that is {'good' if i % 2 else 'bad'} {i}" for i in range(90)] + rows["text"].to_list()[:3]}).write_csv(tmp_path / "more.csv")  # fmt: skip
    settings = {"training": {"epochs": 2, "seed": 5}}
    teacher = nw.train(tmp_path / "rows.csv", target="label", output=tmp_path / "teacher", settings=settings)
    with listening(heard := []):
        student = distill(
            tmp_path / "teacher", into="linear", output=tmp_path / "student", unlabelled=tmp_path / "more.csv"
        )
    said = {event.name: event for event in heard}
    assert said["unlabelled"].data["rows"] == 90
    assert "are also in rows.csv" in said["unlabelled.known"].text
    ids = [pl.read_csv(tmp_path / name / "predictions.csv")["id"].to_list() for name in ("teacher", "student")]
    assert ids[0] == ids[1]
    assert teacher.recipe.split.seed == student.recipe.split.seed == 5
    assert student.run is not None
    constant = [model.metrics["baseline"]["constant"]["log_loss"] for model in (teacher, student)]
    assert constant[0] == constant[1], "baselines learn from the truth alone"


def test_made_rows_are_of_the_training_rows_and_measure_nothing(run: Path, tmp_path: Path) -> None:
    """As many as are asked for, at most twenty of each row; the rows are divided as they are without them."""
    once = {"training": {"epochs": 1}, "plan": {"threads": 1}}  # of two trainings one must not take more threads
    with listening(heard := []):
        student = distill(run, into="linear", output=tmp_path / "student", settings=once)
    said = {event.name: event for event in heard}
    assert said["made"].data["value"] == student.recipe.made == 20 * 120
    teacher = nw.load(run)
    assert student.metrics["baseline"]["constant"] == teacher.metrics["baseline"]["constant"]
    ids = [pl.read_csv(place / "predictions.csv")["id"].to_list() for place in (run, tmp_path / "student")]
    assert ids[0] == ids[1]
    distill(run, into="linear", output=tmp_path / "again", settings=once)  # of answers that were kept
    bits = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("student", "again")]
    assert bits[0] == bits[1]


def test_texts_are_changed_and_other_columns_stay() -> None:
    frame = pl.DataFrame({"text": ["a good film", "the plot is dull", None, "fine"], "n": [1, 2, 3, 4]})
    alike = {"good": ["great"], "dull": ["flat"]}
    made = text_augmentation.rows(frame, ["text"], alike, count=8000, seed=1)
    assert made.equals(text_augmentation.rows(frame, ["text"], alike, count=8000, seed=1))
    of = {number: set(own["text"]) for (number,), own in made.group_by("n")}
    assert of[3] == {""} and of[4] == {"fine"}, "nothing of a text without words, or with one, is changed"
    assert {"good film", "a great film", "a plot is dull", "a film"} <= of[1]
    known = {"a", "good", "film", "the", "plot", "is", "dull", "fine", "great", "flat"}
    assert {word for text in made["text"] for word in text_augmentation.words(text)} <= known


def test_half_of_the_made_texts_go_on_as_another_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands side by side in a made text does so in one of the rows."""
    monkeypatch.setattr(text_augmentation, "WALKED", 1.0)
    texts = ["the plot is dull but fun", "", None, "a cast that is dull and poor", "The end is near"]
    made = text_augmentation.rows(pl.DataFrame({"text": texts}), ["text"], {}, count=2000, seed=1)["text"].to_list()
    assert "the plot is dull and poor" in made and "a cast that is dull but fun" in made
    pairs = {pair for text in texts if text for pair in pairwise(text.lower().split())}
    assert {pair for text in made for pair in pairwise(text.lower().split())} <= pairs


@pytest.mark.parametrize("into", ["mlp", "convnet"])
def test_a_student_begins_with_the_teachers_vectors(into: str, run: Path, tmp_path: Path) -> None:
    """Squared distances of two tokens are sums of those in the teacher's table and of what it makes of either alone."""
    settings = {"training": {"epochs": 1, "learning_rate": 1e-9}, "made": 10}
    student, teacher = distill(run, into=into, output=tmp_path / "student", settings=settings), nw.load(run)
    assert student.fitted.inputs["text"].shared == teacher.fitted.inputs["text"].shared
    place = np.unique(teacher.fitted.encode(readers.read(run.parent / "rows.csv"))["text"]["ids"].values)[:9]
    own = student.network.stems["text"].table.weight[place, :64]  # type: ignore[union-attr]
    theirs = teacher.network.trunk.inner.vectors()[place]  # type: ignore[union-attr]
    ids = Lists(torch.from_numpy(place.astype(np.int32)), torch.arange(len(place) + 1))
    alone = teacher.network.known(Batch({"text": {"ids": ids}}))
    wanted, *parts = (F.pdist(vectors.detach()).square().double() for vectors in (own, theirs, alone))
    shares = torch.linalg.lstsq(torch.stack(parts, 1), wanted[:, None]).solution
    assert (shares > 0).all()
    torch.testing.assert_close(torch.stack(parts, 1) @ shares, wanted[:, None], rtol=1e-3, atol=1e-6)


def test_an_interrupted_student_is_the_same(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"into": "mlp", "made": 100, "settings": {"training": {"epochs": 3}}}
    distill(run, output=tmp_path / "whole", **more)
    with monkeypatch.context() as patch:
        steps = iter(range(6))
        own = Loop.step

        def counted(self: Loop, batches: Any) -> None:
            if next(steps, None) is None:
                signal.raise_signal(signal.SIGINT)
            own(self, batches)

        patch.setattr(Loop, "step", counted)
        with pytest.raises(Interrupted):
            distill(run, output=tmp_path / "parts", **more)
    nw.train(resume=tmp_path / "parts")
    for name in ("model.safetensors", "predictions.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_cannot_be_made(tmp_path: Path) -> None:
    x = np.arange(100)
    pl.DataFrame({"x": x, "y": 3 * x}).write_csv(tmp_path / "rows.csv")
    nw.train(tmp_path / "rows.csv", target="y", model="linear", output=tmp_path / "teacher", settings={"columns": {"x": "number"}})  # fmt: skip
    with pytest.raises(InputError, match="augmentation changes texts, and .* reads none"):
        distill(tmp_path / "teacher", into="linear", output=tmp_path / "student", made=10)
    with pytest.raises(InputError, match="folds cannot be combined with augmented rows"):
        distill(tmp_path / "teacher", into="linear", output=tmp_path / "student", made=10, settings={"split": {"folds": 3}})  # fmt: skip


def test_rows_without_truth_need_a_teacher(tmp_path: Path) -> None:
    pl.DataFrame(checkpoints.reviews(40)).write_csv(tmp_path / "rows.csv")
    with pytest.raises(InputError, match="no teacher"):
        nw.train(tmp_path / "rows.csv", target="label", settings={"unlabelled": str(tmp_path / "rows.csv")})
    with pytest.raises(InputError, match="made: there is no teacher to label augmented rows"):
        nw.train(tmp_path / "rows.csv", target="label", settings={"made": 10})


def test_numbers_answered_by_a_teacher(tmp_path: Path) -> None:
    x = np.arange(200)
    pl.DataFrame({"x": x, "y": 3 * x}).write_csv(tmp_path / "rows.csv")
    pl.DataFrame({"x": x + 1000, "y": x}).write_csv(tmp_path / "more.csv")
    nw.train(tmp_path / "rows.csv", target="y", model="linear", output=tmp_path / "teacher", settings={"columns": {"x": "number"}})  # fmt: skip
    student = distill(
        tmp_path / "teacher", into="linear", output=tmp_path / "student", unlabelled=tmp_path / "more.csv"
    )
    assert student.predict([{"x": 1100}])["y_predicted"][0] == pytest.approx(3300, rel=0.02)
    with pytest.raises(InputError, match="folds cannot be combined with a teacher"):
        distill(tmp_path / "teacher", into="linear", output=tmp_path / "folds", unlabelled=tmp_path / "more.csv", settings={"split": {"folds": 3}})  # fmt: skip


def test_a_teacher_alone_teaches_its_own_answers(run: Path, tmp_path: Path) -> None:
    """With the whole loss following the teacher, labels that are all wrong change nothing."""
    rows = pl.read_csv(run.parent / "rows.csv")
    turned = rows.with_columns(label=pl.when(pl.col("label") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes")))
    settings = {
        "teacher": str(run),
        "heads": {"label": {"teacher_share": 1.0}},
        "trust": {"calibrate": False},
        "training": {"epochs": 20, "patience": 0},
    }
    model = nw.train(turned, target="label", model="linear", output=tmp_path / "run", settings=settings)
    said = model.predict(rows)["label_predicted"].to_list()
    teacher = nw.load(run).predict(rows)["label_predicted"].to_list()
    assert np.mean([one == two for one, two in zip(said, teacher, strict=True)]) > 0.9


def test_numbers_and_labels_are_taught(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    data = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": 3 * x[:, 0] - x[:, 1]}
    nw.train(data, target="y", model="linear", output=tmp_path / "teacher")
    student = nw.train({**data, "y": np.random.default_rng(1).normal(size=200)}, target="y", model="linear", output=tmp_path / "student",
        settings={"teacher": str(tmp_path / "teacher"), "heads": {"y": {"teacher_share": 1.0}}})  # fmt: skip
    found = student.predict(data)["y_predicted"].to_numpy()
    assert np.corrcoef(found, data["y"])[0, 1] > 0.99


def test_teachers_that_cannot_teach(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not answer stars"):
        nw.train(
            {"text": ["the film", "a plot"] * 20, "stars": ["a", "b"] * 20},
            target="stars",
            output=tmp_path / "x",
            settings={"teacher": str(run), "columns": {"text": "text"}},
        )


def test_vectors_of_a_run(run: Path, tmp_path: Path) -> None:
    rows = pl.read_csv(run.parent / "rows.csv")
    model = nw.load(run)
    found = model.embed(rows)
    assert found["vector"].dtype == pl.Array(pl.Float32, 32)
    assert np.allclose(np.linalg.norm(found["vector"].to_numpy(), axis=1), 1, atol=1e-5)
    alone = model.embed(rows[5:6])["vector"].to_numpy()
    assert np.allclose(alone, found["vector"].to_numpy()[5:6], atol=1e-5), (
        "a row's vector does not depend on the others"
    )
    near = model.nearest(rows[:3], rows, count=2)
    assert near.filter(pl.col("rank") == 1)["cosine"].min() > 0.999
    embed(run, run.parent / "rows.csv", output=tmp_path / "vectors.parquet")
    assert pl.read_parquet(tmp_path / "vectors.parquet").height == 120
    with pytest.raises(InputError, match="holds no lists"):
        embed(run, run.parent / "rows.csv", output=tmp_path / "vectors.csv")


def test_vectors_of_other_runs(tmp_path: Path) -> None:
    table = {"x": list(range(60)), "y": [3.0 * x for x in range(60)]}
    model = nw.train(
        table,
        target="y",
        model="mlp",
        output=tmp_path / "run",
        settings={"columns": {"x": "number"}, "training": {"epochs": 1}},
    )
    assert model.embed(table).height == 60


def test_a_student_of_tokens_is_exported(run: Path, tmp_path: Path) -> None:
    """Through ONNX Runtime it answers as the run does; a text without a token has an answer, and no row knows of another."""
    student = distill(run, into="mlp", output=tmp_path / "student", made=50, settings={"training": {"epochs": 1}})
    assert export(tmp_path / "student", to="onnx", output=tmp_path / "onnx")["wrong"] == []
    rows = {"text": ["a good film", "", "the plot is dull and the cast is poor"]}
    found = student.predict(rows)
    alone = pl.concat([student.predict({"text": [text]}) for text in rows["text"]])
    assert np.allclose(found["p_yes"], alone["p_yes"], atol=1e-5)
