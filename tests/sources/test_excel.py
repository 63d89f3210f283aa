"""Excel's sheets, and what stands in them that is no table."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netwright.data import readers
from netwright.recipe import Read

openpyxl = pytest.importorskip("openpyxl")

HEADER = ["size", "city"]
ROWS = [[31, "Rome"], [47, "Bonn"]]


@pytest.fixture
def book(tmp_path) -> Callable[..., Path]:
    """Make an .xlsx file: a list of rows for each sheet; `change` is called with the book before it is saved."""

    def make(*, change: Callable[[Any], None] | None = None, **sheets: list[list[Any]]) -> Path:
        made = openpyxl.Workbook()
        made.remove(made.active)
        for name, rows in sheets.items():
            sheet = made.create_sheet(name)
            for row in rows:
                sheet.append(row)
        if change is not None:
            change(made)
        made.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    return make


def test_a_sheet(book, said):
    table = readers.read(book(Sales=[HEADER, *ROWS]))
    assert table.frame.rows() == [(31, "Rome"), (47, "Bonn")]
    assert table.ids() == ["a.xlsx:Sales:2", "a.xlsx:Sales:3"]
    assert (table.name, said) == ("a.xlsx", [])


def test_the_first_sheet_with_values_is_taken_and_the_others_are_listed(book, said):
    path = book(Cover=[], Sales=[HEADER, *ROWS], Notes=[["x"], [1]])
    assert len(readers.read(path)) == 2
    assert said[0].text == "a.xlsx: the sheet 'Sales', because it is the first with values; --read.sheet for Notes"


def test_hidden_sheets_are_taken_by_name_alone(book):
    def hide(made):
        made["Old"].sheet_state = "hidden"

    path = book(Old=[["x"], [1]], Sales=[HEADER, *ROWS], change=hide)
    assert readers.read(path).columns == HEADER
    assert readers.read(path, settings=Read(sheet="Old")).columns == ["x"]


@pytest.mark.parametrize("sheet", ["My sales!B3:C4", "'My sales'!$B$3:$C$4"])
def test_a_part_of_a_sheet(book, sheet):
    rows = [["a title"], [], [None, *HEADER], [None, *ROWS[0]], [None, *ROWS[1]]]
    table = readers.read(book(**{"My sales": rows}), settings=Read(sheet=sheet))
    assert (table.columns, table.ids()) == (HEADER, ["a.xlsx:My sales:4"])


@pytest.mark.parametrize(
    ("sheet", "says"), [("Sale", "did you mean Sales?"), ("Sales!x y", "'x y' is not a range of a sheet")]
)
def test_sheets_that_are_not_there(book, refused, sheet, says):
    assert says in refused(readers.read, book(Sales=[HEADER, *ROWS]), settings=Read(sheet=sheet))


def test_titles_above_the_header_are_left_out_and_said(book, said):
    def merge(made):
        made["Sales"].merge_cells("A1:C1")

    path = book(Sales=[["Sales of 2024"], [], [*HEADER, "price"], [31, "Rome", 2], [47, "Bonn", 3]], change=merge)
    table = readers.read(path)
    assert (table.columns, table.ids()[0]) == ([*HEADER, "price"], "a.xlsx:Sales:4")
    assert said[0].text == "a.xlsx:Sales: the header is row 3; 1 rows above it are left out (a.xlsx:Sales:1)"


def test_cells_merged_over_rows_hold_their_value_in_each(book, said):
    def merge(made):
        made["Sales"].merge_cells("A2:A3")

    table = readers.read(book(Sales=[["region", "price"], ["north", 1], [None, 2], ["south", 3]], change=merge))
    assert table.frame["region"].to_list() == ["north", "north", "south"]
    assert said[0].text.endswith("1 merged ranges: their value is repeated in each cell (A2:A3)")


def test_a_header_of_two_rows(book):
    def merge(made):
        made["Sales"].merge_cells("A1:A2")
        made["Sales"].merge_cells("B1:C1")

    table = readers.read(book(Sales=[["city", 2024], [None, "spring", "autumn"], ["Rome", 1, 2]], change=merge))
    assert table.columns == ["city", "spring", "autumn"]


def test_dates_times_and_booleans(book, said):
    row = [dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30), True, dt.time(9, 30)]
    table = readers.read(book(Sales=[["day", "at", "paid", "opens"], row]))
    assert table.frame.row(0) == (dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30), True, "09:30:00")
    assert [event.name for event in said] == ["read.turned"]


def test_errors_are_missing_and_said(book, said):
    table = readers.read(book(Sales=[HEADER, ["#DIV/0!", "Rome"], [47, "#N/A"], ["#DIV/0!", "Bonn"]]))
    assert table.frame.rows() == [(None, "Rome"), (47, None), (None, "Bonn")]
    assert said[0].text == "a.xlsx:Sales: #DIV/0! is read as missing in 2 cells (A2, A4)"


def test_formulas_without_a_saved_result_are_said(book, said):
    table = readers.read(book(Sales=[["size", "double"], [2, "=A2*2"], [3, 6]]))
    assert table.frame["double"].to_list() == [None, 6]
    assert "1 formulas have no result in the file" in said[0].text and "(B2)" in said[0].text


def test_numbers_that_stand_as_text(book, said):
    rows = [["price", "code"], [1.5, "007"], ["2.25", 12], [3, "13"]]
    table = readers.read(book(Sales=rows))
    assert table.frame.rows() == [(1.5, "007"), (2.25, "12"), (3.0, "13")]
    assert [event.name for event in said] == ["read.numbers", "read.mixed"]


def test_texts_that_mean_missing(book, said):
    table = readers.read(book(Sales=[HEADER, [31, "NA"], ["?", " Rome "]]))
    assert table.frame.rows() == [(31, None), (None, "Rome")]
    assert [event.name for event in said] == ["read.missing", "read.missing"]


def test_empty_columns_and_rows(book, said):
    table = readers.read(book(Sales=[["size", None, "city", "empty"], [31, None, "Rome"], [], [47, None, "Bonn"]]))
    assert table.columns == ["size", "city", "empty"] and table.ids() == ["a.xlsx:Sales:2", "a.xlsx:Sales:4"]
    assert [event.text for event in said] == [
        "1 blank rows are skipped (a.xlsx:Sales:3)",
        "a.xlsx:Sales: columns without a value: empty",
    ]


def test_values_under_no_name_get_one(book, said):
    assert readers.read(book(Sales=[["size"], [31, "Rome"], [47]])).columns == ["size", "column_2"]
    assert said[0].name == "read.names"


def test_without_a_header(book):
    table = readers.read(book(Sales=ROWS), settings=Read(header=False))
    assert (table.columns, len(table)) == (["column_1", "column_2"], 2)


def test_a_total_is_doubted(book, said):
    assert len(readers.read(book(Sales=[["city", "price"], ["Rome", 1], ["Bonn", 2], ["Total", 3]]))) == 3
    assert said[0].text.endswith("such as --read.sheet 'Sales!A1:B3'")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no visible sheet has values"),
        ([HEADER], "has a header but no rows"),
        ([["size", "size"], [1, 2]], "the column name 'size' occurs at positions 1, 2"),
    ],
)
def test_sheets_that_are_refused(book, refused, rows, says):
    assert says in refused(readers.read, book(Sales=rows))


def test_files_that_are_refused(tmp_path, refused):
    (tmp_path / "a.xlsx").write_bytes(b"PK\3\4 cut off")
    assert "is not a complete .xlsx file" in refused(readers.read, tmp_path / "a.xlsx")
    (tmp_path / "b.xlsx").write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 100)
    assert "an old .xls file, or one with a password" in refused(readers.read, tmp_path / "b.xlsx")


def test_an_absent_package_is_named(book, refused, monkeypatch):
    path = book(Sales=[HEADER, *ROWS])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "pip install 'netwright[excel]'" in refused(readers.read, path)
