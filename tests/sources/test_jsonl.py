"""JSON lines and lists of objects."""

from __future__ import annotations

import gzip

import polars as pl


def test_each_line_is_a_row_and_each_key_a_column(read):
    table = read("a.jsonl", '{"a": 1, "t": "x\\u2028y"}\n{"a": 2, "t": "z"}\n')
    assert table.frame.rows() == [(1, "x\u2028y"), (2, "z")]
    assert table.ids() == ["a.jsonl:1", "a.jsonl:2"]


def test_a_key_that_a_row_lacks_is_missing(read):
    assert read("a.jsonl", '{"a": 1}\n{"b": "x", "a": null}\n').frame.rows() == [(1, None), (None, "x")]


def test_lists_and_objects_stay(read):
    table = read("a.jsonl", '{"tags": ["a", "b"], "m": [{"role": "user", "content": "hi"}]}\n{"tags": [], "m": null}\n')
    assert table.frame["tags"].dtype == pl.List(pl.String)
    assert table.frame["tags"].to_list() == [["a", "b"], []]
    assert table.frame["m"].to_list() == [[{"role": "user", "content": "hi"}], None]


def test_whole_numbers_among_fractions_are_fractions(read, said):
    assert read("a.jsonl", '{"a": 1}\n{"a": 0.5}\n').frame["a"].to_list() == [1.0, 0.5]
    assert not said


def test_mixed_types_become_text_and_are_said(read, said):
    table = read("a.jsonl", '{"a": 1}\n{"a": "x"}\n{"a": true}\n{"a": [1]}\n')
    assert table.frame["a"].to_list() == ["1", "x", "true", "[1]"]
    assert said[0].text == (
        "a.jsonl: a holds int 1 times, str 1 times, bool 1 times, list 1 times; all are read as text"
    )


def test_lists_of_mixed_types_become_text_and_are_said(read, said):
    assert read("a.jsonl", '{"a": [1, "x"]}\n{"a": ["é"]}\n').frame["a"].to_list() == ['[1, "x"]', '["é"]']
    assert said[0].text == "a.jsonl: a holds values whose inner types differ; they are read as text"


def test_nan_is_missing_and_said(read, said):
    assert read("a.jsonl", '{"a": NaN}\n{"a": 0.5}\n').frame["a"].to_list() == [None, 0.5]
    assert said[0].text == "a.jsonl: read as missing: NaN 1 times (a 1)"


def test_gzip_and_blank_lines(read, said):
    table = read("a.jsonl.gz", gzip.compress(b'{"a": 1}\n\n{"a": 2}\n\n'))
    assert table.ids() == ["a.jsonl.gz:1", "a.jsonl.gz:3"]
    assert [event.name for event in said] == ["read.blank_lines"]


def test_a_json_file_holds_a_list_of_objects_with_their_lines(read):
    table = read("a.json", '[\n  {"a": 1},\n  {"a":\n   2},\n  {"a": 3}\n]\n')
    assert table.frame["a"].to_list() == [1, 2, 3]
    assert table.ids() == ["a.json:2", "a.json:3", "a.json:5"]


def test_a_list_on_one_line_counts_positions(read):
    assert read("a.json", '[{"a": 1}, {"a": 2}]').ids() == ["a.json:1", "a.json:2"]


def test_a_json_file_may_hold_lines(read):
    assert len(read("a.json", '{"a": 1}\n{"a": 2}\n')) == 2


def test_lines_that_are_no_objects_are_refused_by_line(read, refused):
    assert refused(read, "a.jsonl", '{"a": 1}\n{"a": }\n[1]\n') == (
        "a.jsonl:2: is not JSON: Expecting value at character 7. Allowed: an object a line, or a list of objects.\n"
        "a.jsonl:3: holds a list, not an object. Allowed: an object a line, or a list of objects.\n"
        "a.jsonl: 2 of 3 rows cannot be read. Fix: fix these lines, or leave them out with --read.bad_rows leave_out."
    )


def test_bad_lines_are_left_out_on_demand_and_said(read, said):
    assert read("a.jsonl", '{"a": 1}\n{"a"\n{"a": 3}\n', bad_rows="leave_out").ids() == ["a.jsonl:1", "a.jsonl:3"]
    assert said[0].text == "1 rows left out, because they are not JSON objects (a.jsonl:2)"


def test_a_key_that_stands_twice_is_refused(read, refused):
    assert refused(read, "a.jsonl", '{"a": 1, "a": 2}\n').startswith("a.jsonl:1: the key 'a' stands twice in an object")


def test_broken_lists_name_the_line(read, refused):
    assert refused(read, "a.json", '[\n{"a": 1},\n{"a": x}\n]').startswith("a.json:3: is not JSON: Expecting value")
    assert refused(read, "a.json", '[{"a": 1}\n{"a": 2}]').startswith("a.json:2: is not JSON: Expecting , or ]")
    assert refused(read, "a.json", '[{"a": 1}').startswith("a.json:1: is not JSON")
    assert refused(read, "a.json", '[{"a": 1}]\n[2]').startswith("a.json:2: text follows the end of the list")
    assert refused(read, "a.json", "[]").startswith("a.json: holds an empty list")


def test_one_object_over_several_lines_is_refused(read, refused):
    assert refused(read, "a.json", '{\n"a": [1, 2]\n}').startswith("a.json: holds one object over several lines")


def test_empty_files_and_broken_utf8_are_refused(read, refused):
    assert refused(read, "a.jsonl", "\n").startswith("a.jsonl: the file is empty")
    assert refused(read, "a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n').startswith("a.jsonl:2: byte 8 of the line (0xe9)")


def test_objects_without_keys_are_no_table(read, refused):
    assert refused(read, "a.jsonl", "{}\n").startswith("a.jsonl: has no columns")
