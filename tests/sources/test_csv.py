"""CSV: cells, types, line numbers, and what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import random

import polars as pl
import pytest

from netwright.data.readers.csv import _parse, _rows
from netwright.errors import InputError

# --- what is read -----------------------------------------------------------------------------------------------------


def test_columns_of_numbers_become_numbers_and_the_rest_stays_text(read):
    table = read("a.csv", "i,f,t,d,m\n1,1.5,x,2020-01-01,$5\n-2,1e3,true,2020-01-02,1\n")
    assert table.frame.dtypes == [pl.Int64, pl.Float64, pl.String, pl.String, pl.String]
    assert table.frame.rows()[1] == (-2, 1000.0, "true", "2020-01-02", "1")


def test_true_and_false_stay_text(read):
    assert read("a.csv", "a\ntrue\nfalse\n").frame["a"].to_list() == ["true", "false"]


def test_leading_zeros_keep_a_column_text_and_that_is_said(read, said):
    assert read("a.csv", "zip,n\n007,0\n123,0.5\n").frame.rows() == [("007", 0.0), ("123", 0.5)]
    assert said[0].text == "a.csv: zip stays text, because numbers in it start with zeros"


def test_whole_numbers_too_long_for_64_bits_stay_text(read, said):
    assert read("a.csv", "id\n12345678901234567890123\n1\n").frame["id"][0] == "12345678901234567890123"
    assert said[0].name == "read.text"


def test_a_fraction_in_one_cell_makes_the_column_float(read):
    assert read("a.csv", "a\n1\n2.5\n").frame["a"].to_list() == [1.0, 2.5]


def test_missing_texts_become_null_and_are_counted_save_empty_cells(read, said):
    table = read("a.csv", "count,b\n1,x\n?,NA\n,y\n ? ,?\n")
    assert table.frame.rows() == [(1, "x"), (None, None), (None, "y"), (None, None)]
    texts = [event.text for event in said if event.name == "read.missing"]
    assert texts == ["a.csv: read as missing: '?' 3 times (count 2, b 1); 'NA' 1 times (b 1)"]


def test_empty_cells_alone_are_not_worth_a_word(read, said):
    assert read("a.csv", "a,b\n1,\n,2\n").frame.null_count().row(0) == (1, 1)
    assert not said


def test_the_missing_texts_can_be_set(read):
    table = read("a.csv", "a,b\n-9,NA\n1,\n", missing=("-9",))
    assert table.frame.rows() == [(None, "NA"), (1, "")]


def test_a_column_without_any_value_is_text(read):
    assert read("a.csv", "a,b\n1,\n2,\n").frame.dtypes == [pl.Int64, pl.String]


def test_blanks_round_cells_and_names_are_stripped_and_said(read, said):
    table = read("adult.csv", "age, work\n39, State-gov\n50, ?\n")
    assert table.frame.to_dict(as_series=False) == {"age": [39, 50], "work": ["State-gov", None]}
    assert said[0].text == "adult.csv: spaces around the cells of 1 column were stripped (work)"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_is_found(read, delimiter):
    assert read("a.csv", "a,b\n1,2\n".replace(",", delimiter)).frame.rows() == [(1, 2)]


def test_a_found_delimiter_is_said_unless_the_ending_promises_it(read, said):
    read("a.csv", "a,b\n1,2\n")
    read("a.tsv", "a\tb\n1\t2\n")
    assert not said
    read("b.csv", "a;b\n1,5;2\n")
    assert (said[0].kind, said[0].name, said[0].data["value"]) == ("choice", "read.delimiter", ";")
    assert said[0].text == "b.csv: ';', because it splits 100% of the first 2 lines into 2 cells"


def test_delimiters_inside_quotes_do_not_mislead(read):
    assert read("a.csv", 'a;b\n"x,y,z";1\n"u,v,w";2\n').frame.rows() == [("x,y,z", 1), ("u,v,w", 2)]


def test_a_named_delimiter_is_obeyed(read):
    assert read("a.csv", "a b\n1 2\n", delimiter=" ").frame.rows() == [(1, 2)]


def test_one_column_without_any_delimiter(read):
    assert read("a.csv", "text\nhello\nworld\n").frame["text"].to_list() == ["hello", "world"]


def test_gzip_gives_the_same_rows(read):
    assert read("a.csv.gz", gzip.compress(b"a,b\n1,2\n")).frame.rows() == [(1, 2)]


def test_quoted_newlines_delimiters_and_doubled_marks_belong_to_the_cell(read):
    table = read("a.csv", 'a,b\n"x\ny","1,5"\n"say ""hi""",z\n')
    assert table.frame.rows() == [("x\ny", "1,5"), ('say "hi"', "z")]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_line_ends_of_all_systems(read, end):
    assert read("a.csv", f"a,b{end}1,x{end}2,y{end}").frame.rows() == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_obeyed_and_not_part_of_a_name(read, encoding):
    table = read("a.csv", "naïve,中\n1,é\n".encode(encoding))
    assert table.frame.to_dict(as_series=False) == {"naïve": [1], "中": ["é"]}


def test_a_named_encoding_is_obeyed(read):
    assert read("a.csv", "名,b\n你好,1\n".encode("gb18030"), encoding="gb18030").frame.rows() == [("你好", 1)]


def test_without_a_header_columns_are_numbered(read):
    assert read("a.csv", "1,x\n2,y\n", header=False).frame.to_dict(as_series=False) == {
        "column_1": [1, 2],
        "column_2": ["x", "y"],
    }


def test_a_header_that_looks_like_a_row_is_doubted(read, said):
    read("iris.csv", "5.1,3.5,setosa\n4.9,3.0,setosa\n")
    assert said[0].text == "iris.csv: the header's 5.1, 3.5 look like data; if so, --read.header false"


def test_a_txt_is_a_table_where_a_delimiter_parts_every_line(read):
    assert read("a.txt", "id\ttext\n1\thello, you\n").frame.rows() == [(1, "hello, you")]
    assert read("b.txt", "It was, I think,\na dark night.\n").columns == ["text"]


# --- quote marks used oddly -------------------------------------------------------------------------------------------


def test_blanks_may_stand_round_quoted_cells(read):
    assert read("a.csv", 'a, b\n"1,5" , "x, y"\n').frame.rows() == [("1,5", "x, y")]


def test_a_mark_inside_an_unquoted_cell_is_a_character(read):
    assert read("a.csv", 'a,b\n5" pipe,"x, y"\n3" pipe,z\n').frame.rows() == [('5" pipe', "x, y"), ('3" pipe', "z")]


def test_tab_separated_text_without_quoting_is_read_as_it_stands_and_said(read, said):
    table = read("a.tsv", 'a\tb\n1\t"Never," he said\n2\t5" pipe\n')
    assert table.frame["b"].to_list() == ['"Never," he said', '5" pipe']
    assert said[0].text == "a.tsv: quote marks are ordinary characters, because they do not enclose whole cells"


def test_quoting_can_be_switched_off(read):
    assert read("a.csv", 'a,b\n"x,"y"\n', quotes=False).frame.rows() == [('"x', '"y"')]


def test_an_unclosed_quote_names_the_line_where_it_opened(read, refused):
    text = refused(read, "a.csv", 'a,b\n1,x\n2,"open\n3,y\n4,z\n')
    assert text.startswith("a.csv:3: a quote mark opens a cell here, and none closes it. Fix: close the cell")
    assert "--read.quotes false" in text


def test_an_unclosed_quote_before_other_quoted_cells_is_found_too(read, refused):
    text = refused(read, "a.csv", 'a,b\n1,"open\n2,"closed"\n')
    assert text.startswith(
        "a.csv:2: a quote mark opens a cell here, and after the next mark, on line 3, "
        "'closed\"' follows instead of the cell's end"
    )


# --- rows and their lines ---------------------------------------------------------------------------------------------


def test_ids_are_the_lines_where_rows_start(read):
    table = read("reviews.csv", 'a,b\n1,x\n2,"two\nlines"\n3,y\n')
    assert table.ids() == ["reviews.csv:2", "reviews.csv:3", "reviews.csv:5"]


def test_ids_hold_where_the_last_row_has_no_newline(read):
    assert read("a.csv", 'a,b\n"x\ny",1\n"z",2').ids() == ["a.csv:2", "a.csv:4"]


def test_ids_hold_where_quotes_are_odd(read):
    assert read("a.csv", 'a,b\n"two\nlines" ,1\n5" pipe,2\n').ids() == ["a.csv:2", "a.csv:4"]


def test_blank_lines_are_no_rows_and_are_said_between_rows(read, said):
    table = read("a.csv", "a,b\n1,x\n\n   \n2,y\n\n\n")
    assert table.ids() == ["a.csv:2", "a.csv:5"]
    assert [event.text for event in said] == ["2 blank lines skipped (a.csv:3, a.csv:4)"]


def test_ragged_rows_are_refused_with_lines_and_counts(read, refused):
    rows = "".join(f"{i},x,y\n" for i in range(7))
    assert refused(read, "a.csv", f"a,b\n1,x\n{rows}2,y\n3\n") == (
        "a.csv: 8 of 10 rows do not have 2 cells, as the header has: line 3 has 3, line 4 has 3, line 5 has 3, "
        "line 6 has 3, line 7 has 3, .... Fix: fix these lines, name another --read.delimiter, or leave them out with --read.bad_rows leave_out."
    )


def test_ragged_rows_are_left_out_on_demand_and_said(read, said):
    table = read("a.csv", "a,b\n1,x\n2,y,z\n3,w\n4\n", bad_rows="leave_out")
    assert (table.frame.rows(), table.ids()) == ([(1, "x"), (3, "w")], ["a.csv:2", "a.csv:4"])
    assert said[0].text == ("2 rows left out, because they do not have 2 cells, as the header has (a.csv:3, a.csv:5)")
    assert (said[0].kind, said[0].data["count"]) == ("warning", 2)


def test_the_fingerprint_is_of_the_bytes(read):
    first, again, other = (read("a.csv", text).fingerprint for text in ("a\n1\n", "a\n1\n", "a\n2\n"))
    assert first == again != other


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_column_without_a_name_is_named_by_its_position_and_said(read, said):
    assert read("a.csv", "a,b,\n1,2,3\n").columns == ["a", "b", "column_3"]
    assert said[0].text == "a.csv:1: 1 column without a name named by position: column_3"


def test_columns_of_one_name_are_refused_with_their_positions(read, refused):
    assert refused(read, "a.csv", "x,y,x,y\n1,2,3,4\n") == (
        "a.csv:1: the column name 'x' occurs at positions 1, 3. Fix: name each column once; "
        "if the first line is a row and no header, --read.header false.\n"
        "a.csv:1: the column name 'y' occurs at positions 2, 4. Fix: name each column once; "
        "if the first line is a row and no header, --read.header false."
    )


# --- files that cannot be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "  \n"])
def test_an_empty_file_is_refused(read, refused, content):
    assert refused(read, "a.csv", content).startswith("a.csv: the file is empty")


def test_a_header_alone_is_refused(read, refused):
    assert refused(read, "a.csv", "a,b\n").startswith("a.csv: has a header but no rows")


def test_broken_utf8_names_line_and_byte_and_the_encodings_that_fit(read, refused):
    assert refused(read, "a.csv", "a,b\n1,x\n2,café\n".encode("cp1252")) == (
        "a.csv:3: byte 6 of the line (0xe9) is not UTF-8; cp1252 decodes it and reads '2,café' there. "
        "Fix: --read.encoding cp1252."
    )


def test_broken_utf8_offers_each_encoding_that_decodes_the_file(read, refused):
    text = refused(read, "a.csv", "a,b\n你好,1\n".encode("gb18030"))
    assert "gb18030 decodes it and reads '你好,1' there; cp1252 decodes it" in text
    assert text.endswith("Fix: --read.encoding gb18030 or --read.encoding cp1252.")


def test_broken_utf8_that_no_likely_encoding_reads(read, refused):
    text = refused(read, "a.csv", b"a,b\n\x81\xff,1\n")
    assert text.startswith("a.csv:2: byte 1 of the line (0x81) is not UTF-8, and neither gb18030 nor cp1252 decodes")


def test_broken_bytes_in_a_named_encoding(read, refused):
    assert refused(read, "a.csv", b"a\n1\n\x81\n", encoding="cp1252").startswith(
        "a.csv:3: byte 5 of the file (0x81) is not cp1252"
    )


def test_null_bytes_are_refused(read, refused):
    assert "holds null bytes" in refused(read, "a.csv", "a,b\n1,2\n".encode("utf-16-le"))


def test_a_corrupt_gzip_is_refused(read, refused):
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    assert refused(read, "a.csv.gz", whole[:-12]).startswith("a.csv.gz: the gzip file is damaged")
    assert refused(read, "b.csv.gz", whole[:20] + b"xxxx" + whole[24:]).startswith("b.csv.gz: the gzip file is damaged")
    assert refused(read, "c.csv.gz", b"a,b\n1,2\n").startswith("c.csv.gz: is named .gz but is not gzip")


# --- whatever is written is read back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_what_the_standard_library_writes_is_parted_as_it_parts_it(seed):
    draw = random.Random(seed)
    width, end, letters = draw.randint(2, 4), draw.choice(["\n", "\r\n"]), draw.choice(['a"', ',a"\n', 'a ,;"\n1é中'])
    rows = [
        ["".join(draw.choices(letters, k=draw.randint(0, 5))) for _ in range(width)] for _ in range(draw.randint(1, 6))
    ]
    quoting = draw.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
    csv.writer(out := io.StringIO(newline=""), lineterminator=end, quoting=quoting).writerows(rows)
    text = draw.choice([out.getvalue(), out.getvalue().removesuffix(end)])
    raw, found, quotes = _rows(text.encode(), ",", None, "a.csv")
    frame = _parse(raw, found, [str(i) for i in range(width)], ",", quotes)
    reader, lines, last = csv.reader(io.StringIO(text, newline="")), [], 0
    for _ in reader:
        lines.append(last + 1)
        last = reader.line_num
    assert [list(row) for row in frame.rows()] == rows
    assert found.line.tolist() == lines


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_read_or_refused(read, seed):
    draw = random.Random(seed)
    text = "".join(draw.choices('a1,,"\n\n" \r?', k=draw.randint(1, 25)))
    try:
        table = read("a.csv", text, bad_rows=draw.choice(["refuse", "leave_out"]))
    except InputError:
        return
    assert len(table) == len(table.line) == len(set(table.ids()))


@pytest.mark.parametrize("above", ["Sales of 2024\n", "# made by hand\n# in 2024\n", "Sales\n\n"])
def test_titles_above_the_header_are_told(read, refused, above):

    line = above.count("\n") + 1
    text = refused(read, "a.csv", above + "x,y\n" + "1,2\n" * 20)
    assert text.endswith(f"title, not the header, if the header is line {line}: delete the lines above it.")
