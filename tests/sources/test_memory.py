"""What already lies in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from netwright.data import readers

COLUMNS = {"n": [1, 2], "t": ["x", None]}


@pytest.mark.parametrize(
    "data",
    [
        COLUMNS,
        [{"n": 1, "t": "x"}, {"n": 2}],
        pl.DataFrame(COLUMNS),
        pl.LazyFrame(COLUMNS),
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS, dtype=object),
        pa.table(COLUMNS),
        pa.RecordBatch.from_pydict(COLUMNS),
        {"n": np.array([1, 2]), "t": pd.Series(["x", None])},
        {"n": pl.Series([1, 2]), "t": pa.array(["x", None])},
    ],
    ids=lambda data: type(data).__module__.partition(".")[0] + "." + type(data).__name__,
)
def test_all_forms_give_the_same_table(data):
    table = readers.read(data)
    assert table.frame.to_dict(as_series=False) == COLUMNS
    assert table.ids() == ["rows:1", "rows:2"]
    assert table.fingerprint == readers.read(COLUMNS).fingerprint


def test_a_table_is_a_table():
    table = readers.read(COLUMNS)
    assert readers.read(table) is table


@pytest.mark.parametrize(
    "other",
    [
        {"n": [1, 3], "t": ["x", None]},
        {"n": [1, 2], "t": ["x", ""]},
        {"m": [1, 2], "t": ["x", None]},
        {"n": [1.0, 2.0], "t": ["x", None]},
        {"n": [1, 2], "t": [None, "x"]},
        {"t": ["x", None], "n": [1, 2]},
    ],
)
def test_the_fingerprint_tells_names_types_and_values_apart(other):
    assert readers.read(other).fingerprint != readers.read(COLUMNS).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([["a", "b"], ["c"]], [["a"], ["b", "c"]]),
        (["ab", "c"], ["a", "bc"]),
        ([{"r": "x"}, None], [None, {"r": "x"}]),
        ([["a"], []], [["a"], None]),
    ],
)
def test_the_fingerprint_tells_nested_values_apart(one, other):
    first, again, differs = (readers.read({"a": values}).fingerprint for values in (one, one, other))
    assert first == again != differs


def test_the_fingerprint_does_not_depend_on_how_a_frame_lies_in_memory():
    parts = pl.concat(
        [pl.DataFrame({"a": [1], "l": [["x"]]}), pl.DataFrame({"a": [2], "l": [["y", "z"]]})], rechunk=False
    )
    whole = pl.DataFrame({"a": [0, 1, 2], "l": [[], ["x"], ["y", "z"]]})[1:]
    assert readers.read(parts).fingerprint == readers.read(whole).fingerprint


# --- arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_give_numbered_columns_and_a_target():
    table = readers.read((np.arange(6.0).reshape(2, 3), np.array([7, 8])))
    assert table.frame.to_dict(as_series=False) == {"x0": [0.0, 3.0], "x1": [1.0, 4.0], "x2": [2.0, 5.0], "y": [7, 8]}


def test_several_targets_are_numbered():
    x = np.zeros((2, 1))
    assert readers.read((x, np.zeros((2, 2)))).columns == ["x0", "y0", "y1"]
    assert readers.read((x, np.zeros((2, 1)))).columns == ["x0", "y"]
    assert readers.read((x, pd.DataFrame({"a": [1, 2], "b": [3, 4]}))).columns == ["x0", "y0", "y1"]


def test_frames_keep_their_columns_and_texts_may_be_targets():
    table = readers.read((pd.DataFrame({"age": [1, 2]}), pd.Series(["no", "yes"], name="outcome")))
    assert table.frame.rows(named=True) == [{"age": 1, "y": "no"}, {"age": 2, "y": "yes"}]
    assert readers.read((np.array([["a"], ["b"]]), ["c", "d"])).frame.rows() == [("a", "c"), ("b", "d")]
    assert readers.read(([[1, 2], [3, 4]], [0, 1])).columns == ["x0", "x1", "y"]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_images_are_one_column_of_arrays(shape):
    x = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.uint8)
    table = readers.read((x, [0, 1]))
    assert table.frame["image"].dtype == pl.Array(pl.UInt8, shape)
    assert (table.frame["image"].to_numpy() == x).all()
    assert table.fingerprint != readers.read((x[::-1], [0, 1])).fingerprint


def test_an_array_alone_has_no_target():
    assert readers.read(np.zeros((2, 2))).columns == ["x0", "x1"]


def test_nan_is_missing_and_said(said):
    assert readers.read((np.array([[np.nan], [1.0]]), [0, 1])).frame["x0"].to_list() == [None, 1.0]
    assert said[0].text == "rows: read as missing: NaN 1 times (x0 1)"


def test_mixed_values_become_text_and_are_said(said):
    assert readers.read(pd.DataFrame({"a": [1, "x"]})).frame["a"].to_list() == ["1", "x"]
    assert said[0].text == "rows: a holds int 1 times, str 1 times; all are read as text"


def test_arrays_as_cells_are_stacked():
    rows = [{"image": np.zeros((2, 2), np.uint8)}, {"image": np.ones((2, 2), np.uint8)}]
    assert readers.read(rows).frame["image"].dtype == pl.Array(pl.UInt8, (2, 2))


# --- what is refused --------------------------------------------------------------------------------------------------


def test_images_of_other_types_are_refused(refused):
    assert refused(readers.read, (np.zeros((2, 4, 4)), [0, 1])) == (
        "X: images 2x4x4 of float64. Allowed: images of uint8. "
        "Fix: scale the values to 0 ... 255 and give (X * 255).astype('uint8')."
    )


def test_lengths_that_differ_are_refused(refused):
    assert refused(readers.read, (np.zeros((3, 2)), [0, 1])).startswith("(X, y): X has 3 rows and y has 2")
    assert refused(readers.read, {"a": [1], "b": [1, 2]}).startswith(
        "data: the columns have different numbers of values: a 1, b 2"
    )


def test_shapes_that_cannot_be_columns_are_refused(refused):
    assert refused(readers.read, (np.zeros((2, 2, 2, 2, 2)), [0, 1])).startswith("X: has the shape 2x2x2x2x2")
    assert refused(readers.read, (np.zeros((2, 2)), np.zeros((2, 1, 1)))).startswith("y: has the shape 2x1x1")
    assert refused(readers.read, ([[1, 2], [3]], [0, 1])).startswith("X: is no array")
    assert refused(readers.read, (np.zeros((2, 1)) + 1j, [0, 1])).startswith("column 'x0': an array of complex128")


def test_a_taken_name_is_refused(refused):
    assert refused(readers.read, (pl.DataFrame({"y": [1, 2]}), [0, 1])).startswith("X: already has the column y")


def test_columns_of_one_name_are_refused(refused):
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert refused(readers.read, frame).startswith("rows: the column name 'a' occurs at positions 1, 2")


def test_pandas_own_types_are_read_and_said(said):
    frame = pd.DataFrame({
        "sparse": pd.arrays.SparseArray([0, 1, 0]), "month": pd.period_range("2024-01", periods=3, freq="M"),
        "cut": pd.cut([1.0, 2.0, np.nan], [0, 1, 2]), "took": pd.to_timedelta([90, None, 1.5], "s"),
        "ordered": pd.Categorical(["b", "a", None], ordered=True), "whole": pd.array([1, None, 3], dtype="Int64"),
    })  # fmt: skip
    table = readers.read(frame).frame
    assert table.drop("month").rows() == [
        (0, "(0, 1]", 90.0, "b", 1), (1, "(1, 2]", None, "a", None), (0, None, 1.5, None, 3)
    ]  # fmt: skip
    assert table["month"].dt.to_string("%Y-%m-%d").to_list() == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert [event.text for event in said if event.name == "read.turned"] == [
        "rows: month: periods are read as their first day",
        "rows: cut: intervals are read as text",
        "rows: took: durations are read as seconds",
    ]


def test_paths_are_read_as_text():
    assert readers.read([{"image": Path("cats") / "1.png"}]).frame.rows() == [("cats/1.png",)]


def test_what_no_column_can_hold_is_refused(refused):
    text = refused(readers.read, pd.DataFrame({"wave": [1j, 2j]}))
    assert text.startswith(
        "rows, column 'wave': holds values of type complex128, which a column cannot hold. Allowed: "
    )
    text = refused(readers.read, (scipy.sparse.csr_array(np.eye(2)), [0, 1]))
    assert text == "X: is sparse (a csr_array). Fix: give X.toarray()."


def test_objects_are_refused(refused):
    assert refused(readers.read, [{"a": object()}]).startswith("rows: the column 'a' holds Python objects")
    text = refused(readers.read, {"a": [object(), 1]})
    assert "column 'a'" in text


def test_nothing_is_refused(refused):
    assert refused(readers.read, []).startswith("data: the list is empty")
    assert refused(readers.read, {}).startswith("rows: has no columns")
    assert refused(readers.read, {"a": []}).startswith("rows: has columns but no rows")
    assert refused(readers.read, pl.DataFrame({"a": []})).startswith("rows: has columns but no rows")


def test_rows_that_are_no_dicts_and_columns_that_are_no_lists_are_refused(refused):
    assert refused(readers.read, [{"a": 1}, 2]).startswith("data: 1 of 2 rows are not dicts: row 2 is a int")
    assert refused(readers.read, {"a": 1}).startswith("column 'a': holds a int, not a list of values")
