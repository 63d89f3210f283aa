"""What sources declare of their columns is not guessed from values."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from netwright.data import describe, readers, splits
from netwright.data.describe import Described
from netwright.data.readers import memory
from netwright.data.table import Declared, Table
from netwright.events import Event
from netwright.kinds.infer import Column
from netwright.recipe import Read, Recipe

DIGITS = ["0", "1", "00", "7"] * 5


def described(table: Table, target: str, **more: Any) -> Described:
    return describe.describe(table, Recipe(data="x", target=(target,), **more))


def column(found: Described, name: str) -> Column:
    return next(one for one in (*found.inputs, *found.targets) if one.name == name)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of images, so many in each of its sub-folders."""

    def make(*places: str, count: int = 6) -> Path:
        for place in places:
            (tmp_path / "data" / place).mkdir(parents=True)
            for k in range(count):
                Image.new("L", (2, 2), k).save(tmp_path / "data" / place / f"{place.split('/')[-1]} {k}.png")
        return tmp_path / "data"

    return make


@pytest.mark.parametrize("classes", [("ice cream", "hot dog"), tuple("0123456789"), ("data", "png"), ("007", "7")])
def test_a_folder_names_its_classes_whatever_they_are(folder: Any, classes: tuple[str, ...]) -> None:
    found = described(readers.read(folder(*classes)), "label")
    assert [(one.name, one.kind) for one in (*found.inputs, *found.targets)] == [
        ("image", "image"),
        ("label", "category"),
    ]
    assert column(found, "label").reason == "the folder names its class"
    assert found.table.declared["label"].classes == tuple(sorted(classes))


def test_an_empty_class_folder_is_said(folder: Any, said: list[Event]) -> None:
    path = folder("cats", "dogs")
    (path / "birds").mkdir()
    readers.read(path)
    assert [event.text for event in said] == [f"{path}: no image in 1 class folder, which is no class: birds"]


def test_a_link_that_leads_nowhere_is_refused_or_left_out(folder: Any, refused: Any, said: list[Event]) -> None:
    path = folder("cats", "dogs")
    (path / "cats" / "gone.png").symlink_to(path / "nowhere.png")
    text = refused(readers.read, path)
    assert "1 link to images lead nowhere: cats/gone.png" in text and "--read.bad_rows leave_out" in text
    assert len(readers.read(path, settings=Read(bad_rows="leave_out"))) == 12
    assert said[-1].data["rows"] == ["cats/gone.png"]


def test_pictures_directly_in_split_folders_have_no_class(folder: Any) -> None:
    table = readers.read(folder("train", "test"))
    assert table.columns == ["image"] and set(table.splits) == {"train", "test"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_metadata_tells_of_pictures(folder: Any, form: str) -> None:
    path = folder("train", "test")
    for split in ("train", "test"):
        names = [f"{split} {k}.png" for k in range(6)]
        frame = pl.DataFrame({"file_name": names, "caption": [f"a {split} {k}" for k in range(6)], "grade": [k % 2 for k in range(6)]})  # fmt: skip
        write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[form]
        write(path / split / f"metadata.{form}")
    table = readers.read(path)
    assert table.columns == ["image", "caption", "grade"] and table.ids()[:1] == ["test/test 0.png"]
    assert table.splits is not None and table.splits.tolist() == ["test"] * 6 + ["train"] * 6
    assert all(Path(one).is_file() for one in table.frame["image"])
    assert table.frame["grade"].to_list() == [0, 1] * 6
    assert column(described(table, "grade"), "image").reason == "file_name names images"


def test_one_metadata_file_for_all_and_pictures_that_are_not_there(
    folder: Any, refused: Any, said: list[Event]
) -> None:
    path = folder("train", "test", count=2)
    names = ["train/train 0.png", "test/test 1.png", "train/none.png"]
    pl.DataFrame({"file_name": names, "grade": ["a", "b", "a"]}).write_csv(path / "metadata.csv")
    assert "1 of 3 images are not there: train/none.png" in refused(readers.read, path)
    table = readers.read(path, settings=Read(bad_rows="leave_out"))
    assert table.ids() == names[:2]
    assert "2 images without a row in metadata.csv left out" in said[-1].text


def test_labels_of_idx_are_classes_however_few_rows(tmp_path: Path) -> None:
    labels = bytes([0, 1, 2, 7, 8, 9] * 2)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">I3I", 0x803, 12, 2, 2) + bytes(range(48)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 12) + labels)
    found = described(readers.read(tmp_path), "label")
    assert (column(found, "label").kind, column(found, "image").kind) == ("category", "image")
    assert found.table.declared["label"].classes == ("0", "1", "2", "7", "8", "9")


@pytest.fixture
def coco(tmp_path: Path) -> Callable[..., Path]:
    """COCO's layout, of categories that are called 1 and 2."""

    def make(of: Sequence[int]) -> Path:
        for k in range(len(of)):
            Image.new("L", (8, 8), k).save(tmp_path / f"{k}.png")
        boxes = [{"image_id": k, "category_id": one, "bbox": [0, 0, 1, 1]} for k, one in enumerate(of)]
        held = {"images": [{"id": k, "file_name": f"{k}.png"} for k in range(len(of))], "annotations": boxes}
        named = [{"id": 1, "name": "1"}, {"id": 2, "name": "2"}]
        (tmp_path / "annotations.json").write_text(json.dumps({**held, "categories": named}))
        return tmp_path

    return make


def test_categories_that_are_called_by_numbers_are_categories(coco: Any) -> None:
    found = described(readers.read(coco([1, 2] * 6)), "category")
    assert (column(found, "category").kind, column(found, "category").reason) == (
        "category",
        "COCO names its categories",
    )


def test_what_tells_of_the_same_annotation_is_no_input(coco: Any, said: list[Event]) -> None:
    table = readers.read(coco([1, 2] * 6))
    assert table.together == (("category", "boxes"),)
    frame = table.frame.with_columns(boxes=pl.Series(["left", "right"] * 6))  # could be read, and tells the answer
    table = Table(
        frame, table.files, table.file, table.line, folder=".", declared=table.declared, together=table.together
    )
    found = described(table, "category")
    why = "it tells of the same annotation as category, which is to be predicted"
    assert [one.name for one in found.inputs] == ["image"] and found.left_out == {"boxes": why}
    assert f"boxes: left out, because {why}" in [event.text for event in said]
    found = described(table, "category", inputs=("image", "boxes"))
    assert [one.name for one in found.inputs] == ["image", "boxes"]
    assert f"boxes: {why}: it gives the answer away" in [event.text for event in said if event.kind == "warning"]


WRITERS = {"a.parquet": pl.DataFrame.write_parquet, "a.arrow": pl.DataFrame.write_ipc, "a.jsonl": pl.DataFrame.write_ndjson}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_digits_that_are_stored_as_texts_are_no_numbers(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"code": DIGITS, "one": [str(k % 10) for k in range(20)], "y": list(range(20)), "n": [1.5, 2] * 10})  # fmt: skip
    WRITERS[name](frame, tmp_path / name)
    table = readers.read(tmp_path / name)
    found = described(table, "y")
    assert (column(found, "code").kind, column(found, "one").kind, column(found, "n").kind) == ("category", "category", "number")  # fmt: skip
    assert column(found, "one").reason.endswith("stored as texts; --columns.one.kind number reads them as numbers")
    assert column(described(table, "one"), "one").kind == "category"
    assert column(described(table, "y", columns={"one": {"kind": "number"}}), "one").kind == "number"


def test_values_of_several_types_are_guessed(tmp_path: Path) -> None:
    rows = [{"a": str(k) if k % 2 else k, "y": k} for k in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert column(described(readers.read(tmp_path / "a.jsonl"), "y"), "a").kind == "number"


def test_postal_codes_in_a_text_file_stay_what_they_are(tmp_path: Path) -> None:
    rows = "\n".join(f"{k % 4 * 1357:05d},{k}.5" for k in range(40))
    (tmp_path / "a.csv").write_text("zip,price\n" + rows)
    found = described(readers.read(tmp_path / "a.csv"), "price")
    assert column(found, "zip").kind == "category"


def ordered(library: str, path: Path) -> Any:
    """A column of sizes whose order is not the alphabet's, as a library holds it."""
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    values, sizes = ["small", "large", "middle", "small"] * 5, ["small", "middle", "large", "huge"]
    frame = pd.DataFrame({"size": pd.Categorical(values, categories=sizes, ordered=True), "x": np.arange(20) / 7})
    if library == "polars":
        return pl.DataFrame({"size": pl.Series(values, dtype=pl.Enum(sizes)), "x": np.arange(20) / 7})
    if library == "pyarrow":
        return pa.Table.from_pandas(frame)
    if library == "parquet":
        frame.to_parquet(path / "a.parquet")
        return path / "a.parquet"
    if library == "feather":
        frame.to_feather(path / "a.feather")
        return path / "a.feather"
    return frame


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow", "parquet", "feather"])
def test_ordered_categories_keep_their_order(library: str, tmp_path: Path, said: list[Event]) -> None:
    table = readers.read(ordered(library, tmp_path))
    found = column(described(table, "size"), "size")
    assert (found.kind, found.given) == ("category", {"order": ("small", "middle", "large")})
    assert "size: no row has the class 'huge', which cannot be learnt" in [event.text for event in said]
    given = described(table, "size", columns={"size": {"order": ("large", "middle", "small")}})
    assert column(given, "size").given == {"order": ("large", "middle", "small")}


def test_pandas_categories_of_numbers_are_categories() -> None:
    pd = pytest.importorskip("pandas")
    values = pd.Series(pd.Categorical([30, 10, 20, 10] * 5))
    table = readers.read(pd.DataFrame({"grade": values, "x": np.arange(20) / 7}))
    assert column(described(table, "grade"), "grade").kind == "category"
    assert column(described(table, "x"), "grade").kind == "category"
    assert readers.read((pd.DataFrame({"x": [1.0, 2.0]}), pd.Series(pd.Categorical([1, 2])))).declared["y"].kind == "category"  # fmt: skip


def test_databases_keep_texts_and_enumerations(tmp_path: Path) -> None:
    import sqlite3

    duckdb = pytest.importorskip("duckdb")
    with sqlite3.connect(tmp_path / "a.db") as opened:
        opened.execute("CREATE TABLE t (code TEXT, y REAL)")
        opened.executemany("INSERT INTO t VALUES (?, ?)", [(one, k / 7) for k, one in enumerate(DIGITS)])
    assert column(described(readers.read(tmp_path / "a.db"), "y"), "code").kind == "category"
    with duckdb.connect(str(tmp_path / "a.duckdb")) as opened:
        opened.execute("CREATE TYPE size AS ENUM ('small', 'large', 'huge')")
        opened.execute("CREATE TABLE t (size size, code VARCHAR, x DOUBLE)")
        opened.executemany("INSERT INTO t VALUES (?, ?, ?)", [(["small", "large"][k % 2], DIGITS[k], k / 7) for k in range(20)])  # fmt: skip
    found = described(readers.read(tmp_path / "a.duckdb"), "size")
    assert column(found, "size").given == {"order": ("small", "large")} and column(found, "code").kind == "category"


def test_what_is_declared_is_no_identifier() -> None:
    frame = pl.DataFrame({"user_id": [f"u{k:03d}" for k in range(20)], "y": np.arange(20) / 7})
    table = memory.read(frame, Read())
    assert [one.name for one in described(with_x(table), "y").inputs] == ["x"]
    table = memory.read(frame.cast({"user_id": pl.Categorical}), Read())
    assert [one.name for one in described(with_x(table), "y").inputs] == ["user_id", "x"]


def with_x(table: Table) -> Table:
    frame = table.frame.with_columns(x=pl.Series(np.arange(20) % 7 / 3))
    return Table(frame, table.files, table.file, table.line, declared=table.declared)


def test_declarations_survive_what_is_done_to_tables() -> None:
    table = readers.read(pl.DataFrame({"a": pl.Series(["y", "x"], dtype=pl.Enum(["y", "x"])), "b": [1, 2]}))
    other = readers.read(pl.DataFrame({"a": pl.Series(["z"], dtype=pl.Enum(["z"])), "b": [1]}))
    for found in (table.take(np.array([1])), table.slice(0, 1)):
        assert found.declared == table.declared
    joined = splits.joined(table, other, "test")
    assert joined.declared["a"] == Declared("category", table.declared["a"].reason, ("y", "x", "z"), ordered=True)


def test_the_whole_way_of_a_folder_whose_classes_are_digits(folder: Any, tmp_path: Path) -> None:
    import netwright as nw

    model = nw.train(folder("0", "1", "10", count=10), target="label", model="linear", output=tmp_path / "run", settings={"training": {"epochs": 1}})  # fmt: skip
    assert model.fitted.targets["target_1"].classes == ("0", "1", "10")
