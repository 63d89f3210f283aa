"""Rows encoded in slices, fitted on a sample, or mapped from files give what they give at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import netwright as nw
import netwright.inference.model
from netwright.data import describe, encode, schema, splits
from netwright.data.readers import large, mapped
from netwright.data.splits import divide
from netwright.data.table import Table
from netwright.events import Event, listening
from netwright.kinds import facts
from netwright.kinds.infer import check_options, infer, kind_class
from netwright.nn.batch import tensors
from netwright.recipe import Recipe, Split
from netwright.runtime import cache
from netwright.runtime.arrays import Gapped, Ragged, take
from netwright.training import pipeline
from netwright.training.defaults import family_settings

N = 300


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own."""
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table() -> Table:
    """Rows of each kind that is encoded by rows, with gaps and with cells that cannot be read."""
    draw = np.random.default_rng(0)
    holes = pl.Series(draw.random(N) < 0.1)
    frame = pl.DataFrame({
        "a": draw.normal(size=N), "b": draw.integers(0, 5, N),
        "words": draw.choice(["1", "2.5", "3,000", "much"], N), "city": draw.choice(["Rome", "Bonn", "Oslo"], N),
        "day": draw.choice(["01/02/2024", "31/12/2024", "never"], N, p=[0.6, 0.3, 0.1]), "whole": np.arange(N) * 1.0,
    })  # fmt: skip
    frame = frame.with_columns(pl.when(~holes).then(pl.col("a", "city")))
    return Table.of(frame, name="a.csv", fingerprint="x")


def fitted(table: Table, kind: str, columns: list[str], role: str = "input") -> tuple[object, pl.DataFrame]:
    frame = table.frame.select(columns)
    return kind_class(kind, role).fit(frame.head(200), check_options(kind, {}, "", role)), frame  # type: ignore[arg-type]


def heard_of(kind: object, frame: pl.DataFrame, table: Table) -> tuple[dict, list[tuple]]:
    """The encoded arrays, and what was said, in the order of its names and columns."""
    with listening(heard := list[Event]()):
        arrays = encode.encoded(kind, replace(table, frame=frame))  # type: ignore[arg-type]
    said = [(e.name, e.text, e.data) for e in heard if not e.name.startswith("cache.")]
    return arrays, sorted(said, key=lambda one: (one[0], one[1]))


@pytest.mark.parametrize(
    ("kind", "columns"),
    [("number", ["a", "b", "words"]), ("number", ["b"]), ("category", ["city", "words", "b"]), ("date", ["day"])],
)
@pytest.mark.parametrize("laid", [0, 10**9])
@pytest.mark.parametrize("known", [True, False])
def test_slices_give_what_all_rows_give(
    table: Table, monkeypatch: pytest.MonkeyPatch, kind: str, columns: list[str], laid: int, known: bool
) -> None:
    if not known:
        table = Table.of(table.frame, name="a.csv")
    each, frame = fitted(table, kind, columns)
    whole, said = heard_of(each, frame, table)
    monkeypatch.setattr(encode, "SLICE", 37)
    monkeypatch.setattr(encode, "LAID", laid)
    for _ in range(2):  # the second time from the cache
        parts, again = heard_of(each, frame, table)
        some = np.array([5, 299, 0, 150])
        for name, array in whole.items():
            assert (
                parts[name].dtype == array.dtype if isinstance(parts[name], np.ndarray) else array.dtype == np.float32
            )
            np.testing.assert_array_equal(take(parts, np.arange(N))[name], array)
            np.testing.assert_array_equal(take(parts, some)[name], array[some])
        for name, tensor in tensors(whole).items():
            assert torch.equal(tensors(parts)[name], tensor)
        if kind != "number":
            assert again == said
        else:  # a slice without a cell that cannot be read says that its texts were numbers
            assert [one for one in again if one[0] != "number.text"] == [one for one in said if one[0] != "number.text"]
    assert isinstance(next(iter(parts.values())), Gapped) == (laid == 0 and columns != ["b"] and kind != "category")


def test_what_is_laid_down_is_mapped_and_taken_by_torch_without_a_copy(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "SLICE", 37)
    monkeypatch.setattr(encode, "LAID", 0)
    each, frame = fitted(table, "number", ["b", "whole"])
    arrays = encode.encoded(each, replace(table, frame=frame))  # type: ignore[arg-type]
    assert isinstance(arrays["values"], np.memmap)
    assert tensors(arrays)["values"].data_ptr() == arrays["values"].ctypes.data  # type: ignore[union-attr]


def test_rows_of_unlike_length_are_laid_down_too() -> None:
    slices = [
        {"ids": Ragged.of([np.array([1, 2]), np.array([], int)])},
        {"ids": Ragged.of([np.array([3]), np.array([4, 5])])},
    ]
    found = cache.laid("key", lambda: iter(slices), 0)
    assert found is not None
    ragged = found["ids"]
    assert isinstance(ragged, Ragged)
    assert [ragged.row(row).tolist() for row in range(len(ragged))] == [[1, 2], [], [3], [4, 5]]


def test_a_date_is_read_alike_whatever_stands_beside_it(table: Table) -> None:
    """The layout of training holds: no slice and no row of its own makes another day of a date."""
    each, frame = fitted(table, "date", ["day"])
    whole = encode.encoded(each, replace(table, frame=frame))["values"]  # type: ignore[arg-type]
    for row in range(0, N, 97):
        one = encode.encoded(each, replace(table, frame=frame[row : row + 1]))["values"]  # type: ignore[arg-type]
        np.testing.assert_array_equal(one[0], whole[row])  # type: ignore[index]


@pytest.mark.parametrize("name", ["a", "b", "city", "whole", "words"])
def test_a_column_of_which_a_part_is_looked_at_is_of_the_same_kind(
    table: Table, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    column = table.frame[name]
    whole = infer(column, {}, "input").kind
    monkeypatch.setattr(facts, "LOOK", 60)
    assert infer(column, {}, "input").kind == whole


def test_a_column_that_is_constant_in_what_is_looked_at_alone_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "LOOK", 10)
    rare = pl.Series("rare", [0.0] * 99 + [1.0])
    assert infer(rare, {}, "input").kind == "category" and infer(rare * 0, {}, "input").kind is None
    assert infer(pl.Series("gone", [None] * 99 + [1.5]), {}, "input").kind == "number"


def test_kinds_are_fitted_on_a_sample_and_the_classes_on_all_rows(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = table.frame.with_columns(
        pl.when(pl.int_range(N) == 7).then(pl.lit("Rare")).otherwise(pl.col("city")).alias("city")
    )
    table = Table.of(rare, name="a.csv")
    monkeypatch.setattr(schema, "MOST", 20)
    described = describe.describe(table, Recipe(target=("city",), inputs=("a", "b")))
    from netwright.nn.trunks.linear.settings import Settings

    with listening(heard := list[Event]()):
        kinds, _ = schema.fit(described, Settings(), np.arange(described.table.frame.height))
    assert set(kinds.targets["target_1"].values[0]) == {"Rome", "Bonn", "Oslo", "Rare"}  # type: ignore[attr-defined]
    assert [event.name for event in heard] == ["kinds.sample"] and heard[0].data["rows"] == 20


def test_many_rows_that_are_picked_are_mapped(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).permutation(N)[:200]
    plain = table.take(rows)
    monkeypatch.setattr(mapped, "MANY", 0)
    monkeypatch.setattr(mapped, "_SLICE", 33)
    assert table.take(rows).frame.equals(plain.frame)
    assert not list(cache.folder().glob("*.part"))


@pytest.mark.parametrize("column", ["city", "b", "a", "words"])
def test_classes_are_numbered_in_their_order(table: Table, monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    values = table.frame[column]
    wanted = values.cast(pl.String).rank("dense").fill_null(0).to_numpy()
    np.testing.assert_array_equal(pipeline._numbered(values), wanted)
    monkeypatch.setattr(pipeline, "SLICE", 41)
    np.testing.assert_array_equal(pipeline._numbered(values), wanted)


def test_parts_do_not_depend_on_the_slices(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:

    whole = divide(table, Split(), pipeline._numbered(table.frame["city"]), seed=3)
    monkeypatch.setattr(splits, "_SLICE", 7)
    parts = divide(table, Split(), pipeline._numbered(table.frame["city"]), seed=3)
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(parts[name], whole[name])


def test_predictions_by_slices_are_those_of_all_rows(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = table.frame.with_columns(y=pl.col("whole") * 2.0)
    settings = {"training": {"epochs": 1}, "columns": {"words": "number", "day": "date"}}
    model = nw.train(frame, target="y", model="linear", output=tmp_path / "run", settings=settings)
    with listening(heard := list[Event]()):
        whole = model.predict(frame)
    monkeypatch.setattr(netwright.inference.model, "SLICE", 41)
    monkeypatch.setattr(encode, "SLICE", 41)
    monkeypatch.setattr("netwright.verbs.predict.SLICE", 41)
    with listening(again := list[Event]()):
        parts = list(model.predictions(frame))
    assert [len(part) for part in parts[:2]] == [41, 41]
    number = pl.selectors.float()
    together = pl.concat(parts)
    assert together.drop(number).equals(whole.drop(number))
    np.testing.assert_allclose(
        together.select(number).to_numpy(), whole.select(number).to_numpy(), rtol=1e-5, atol=1e-5
    )
    names = {"date.unreadable", "category.unseen", "number.unreadable"}
    assert {(e.text, e.data["count"]) for e in again if e.name in names} == {
        (e.text, e.data["count"]) for e in heard if e.name in names
    }
    assert {event.name for event in heard} & names
    frame.write_parquet(tmp_path / "a.parquet")
    for ending in ("csv", "jsonl", "parquet"):
        nw.predict(tmp_path / "run", tmp_path / "a.parquet", output=tmp_path / f"p.{ending}")
        read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending](
            tmp_path / f"p.{ending}"
        )
        assert read["y_predicted"].to_list() == pytest.approx(whole["y_predicted"].to_list(), rel=1e-5, abs=1e-4)


def test_a_training_from_pieces_and_slices_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    frame = pl.DataFrame({"a": draw.normal(size=400), "city": draw.choice(["Rome", "Bonn"], 400)})
    holes = pl.Series(draw.random(400) < 0.1)
    frame = frame.with_columns(pl.when(~holes).then(pl.col("a")), y=frame["a"] * 3 + (frame["city"] == "Rome"))
    frame.write_csv(tmp_path / "a.csv")

    def trained(name: str) -> tuple[dict, dict]:
        model = nw.train(tmp_path / "a.csv", target="y", model="linear", output=tmp_path / name)
        return {key: value.tolist() for key, value in model.network.state_dict().items()}, model.metrics["test"]

    whole = trained("whole")
    for module, name, value in (
        (large, "LARGE", 0), (large, "PIECE", 500), (encode, "SLICE", 50), (encode, "LAID", 0),
        (pipeline, "SLICE", 50), (mapped, "MANY", 0),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    assert trained("pieces") == whole


@pytest.mark.parametrize("first", ["too long for the name of a file, " * 200, "a\0b"])
def test_a_text_is_not_taken_for_the_name_of_a_file(tmp_path: Path, first: str) -> None:
    texts = Table.of(pl.DataFrame({"a": [first, "short"]}), name="a.csv")
    recipe = Recipe(target=("b",), columns={"a": {"kind": "text", "vocabulary": 64}})
    frame = texts.frame.with_columns(b=pl.Series([1.0, 2.0]))
    placed = replace(texts, frame=frame, folder=str(tmp_path))
    described = describe.describe(placed, recipe)
    kinds, _ = schema.fit(described, family_settings({"family": "linear"}), np.arange(2))
    assert len(kinds.encode(placed)["text"]["ids"]) == 2
