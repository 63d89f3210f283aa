"""GLUE's layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netwright.data import readers


@pytest.fixture
def task(tmp_path) -> Callable[..., Path]:
    """Make a folder with these files: `train="sentence\\tlabel\\n..."`."""

    def make(**files: str) -> Path:
        for name, content in files.items():
            (tmp_path / f"{name}.tsv").write_text(content)
        return tmp_path

    return make


TRAIN = 'sentence\tlabel\na "fine film\t1\ndull\t0\n'
DEV = "sentence\tlabel\nso so\t0\n"


def test_dev_measures_where_test_has_no_labels(task, said):
    table = readers.read(task(train=TRAIN, dev=DEV, test="index\tsentence\n0\tgood\n"))
    assert table.frame.rows() == [('a "fine film', 1), ("dull", 0), ("so so", 0)]
    assert table.ids() == ["train.tsv:2", "train.tsv:3", "dev.tsv:2"]
    assert table.splits.tolist() == ["train", "train", "test"]
    assert "dev.tsv is the test set (test.tsv is not read, because it has no labels)" in said[0].text


def test_test_measures_where_it_has_labels(task):
    table = readers.read(task(train=TRAIN, dev=DEV, test=DEV))
    assert table.splits.tolist() == ["train", "train", "validation", "test"]


def test_without_a_test_file(task, said):
    assert readers.read(task(train=TRAIN, dev=DEV)).splits.tolist() == ["train", "train", "test"]
    assert "there is no test.tsv" in said[0].text


def test_cola_has_no_header_and_its_mark_is_no_input(task, said):
    rows = "gj04\t1\t\tShe ran.\ngj04\t0\t*\tRan she the.\n"
    table = readers.read(task(train=rows, dev=rows, test="index\tsentence\n0\tShe.\n"))
    assert table.frame.rows()[:2] == [("She ran.", 1), ("Ran she the.", 0)]
    assert table.ids()[0] == "train.tsv:1"
    assert "they repeat the label" in said[0].text


def test_mnli_measures_on_matched_and_columns_not_shared_are_said(task, said):
    wide = "sentence1\tsentence2\tlabel1\tlabel2\tgold_label\na\tb\tx\ty\tx\n"
    narrow = "sentence1\tsentence2\tlabel1\tgold_label\na\tb\tx\tx\n"
    table = readers.read(task(train=narrow, dev_matched=wide, dev_mismatched=wide))
    assert table.columns == ["sentence1", "sentence2", "label1", "gold_label"]
    assert table.files == ("train.tsv", "dev_matched.tsv")
    assert [event.name for event in said] == ["read.skipped", "read.splits", "read.columns"]


def test_a_column_of_numbers_in_one_file_alone_is_text(task):
    table = readers.read(task(train="a\tlabel\n1\t1\n", dev="a\tlabel\nx\t0\n"))
    assert table.frame["a"].to_list() == ["1", "x"]


def test_files_that_share_no_columns(task, refused):
    assert "share no columns" in refused(readers.read, task(train="a\tb\n1\t2\n", dev="c\td\n1\t2\n"))


def test_rows_of_unlike_length_are_refused(task, refused):
    assert "1 of 2 rows do not have 2 cells" in refused(readers.read, task(train=TRAIN, dev=DEV + "x\n"))
