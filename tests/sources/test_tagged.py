"""Tagged texts: word/TAG lines with brackets, and columns of words and tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from netwright.data.readers import read
from netwright.errors import InputError
from netwright.events import Event, listening
from netwright.recipe import Read

NEWS = "迈向/v 充满/v 希望/n\n\n[中央/n 人民/n 广播/vn 电台/n]nt 说/v ：/w １/2/m\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_slashes_and_brackets(tmp_path: Path) -> None:
    with listening(heard := list[Event]()):
        table = read(write(tmp_path / "news.txt", NEWS))
    first, second = table.frame.to_dicts()
    assert first == {"words": ["迈向", "充满", "希望"], "tags": ["v", "v", "n"], "entities": ["O", "O", "O"]}
    assert second["words"] == ["中央", "人民", "广播", "电台", "说", "：", "１/2"] and second["tags"][-1] == "m"
    assert second["entities"] == ["B-nt", "I-nt", "I-nt", "I-nt", "O", "O", "O"]
    assert table.ids() == ["news.txt:1", "news.txt:3"]
    assert any("word/TAG, a text a line: 2 texts of 10 words" in event.text for event in heard)


def test_a_bracket_inside_a_bracket_is_part_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "[[中国/ns 银行/n]nt 北京/ns 分行/n]nt 开/v\n" * 3)
    assert read(path).frame["entities"][0].to_list() == ["B-nt", "I-nt", "I-nt", "I-nt", "O"]


CONLL = "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\nBlackburn NNP I-PER\n"


def test_columns(tmp_path: Path) -> None:
    table = read(write(tmp_path / "a.conll", CONLL))
    assert table.columns == ["words", "tags", "tags_2"] and table.ids() == ["a.conll:3", "a.conll:6"]
    assert table.frame["tags"].to_list() == [["B-ORG", "O"], ["B-PER", "I-PER"]]
    assert table.frame["tags_2"].to_list() == [["NNP", "VBZ"], ["NNP", "NNP"]]


def test_columns_in_a_txt_are_known_by_their_look_and_a_word_may_hold_blanks(tmp_path: Path) -> None:
    text = "".join(f"New York\tN\nis\tV\nbig {k}\tA\n\n" for k in range(5))
    assert read(write(tmp_path / "a.bio", text)).frame["words"][0].to_list() == ["New York", "is", "big 0"]
    plain = "".join(f"w{k} N\nis V\nso A\n\n" for k in range(5))
    assert read(write(tmp_path / "b.txt", plain)).columns == ["words", "tags"]


@pytest.mark.parametrize("text", [
    "A plain text and/or a slash.\nAnother line.\n", "two words\neach line\n\nand blanks\nbetween them\n",
    "see http://a.b/c and d/e\n", "a,b\n1,2\n",
])  # fmt: skip
def test_other_texts_are_read_as_before(tmp_path: Path, text: str) -> None:
    assert "words" not in read(write(tmp_path / "a.txt", text)).columns


def test_plain_text_may_be_asked_for(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", NEWS), settings=Read(rows="line")).columns == ["text"]


def test_a_word_without_a_tag_is_named_or_its_text_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "a/D cat/N sat/V\n" * 20 + "a/D dog ran/V\n")
    with pytest.raises(InputError, match=r"a\.txt:21: 'dog' has no tag"):
        read(path)
    assert len(read(path, settings=Read(bad_rows="leave_out"))) == 20
    short = write(tmp_path / "a.conll", "a D\ncat N\n\nsat\n")
    with pytest.raises(InputError, match=r"a\.conll:4: line 4 has 1 columns, not 2"):
        read(short)
    with pytest.raises(InputError, match="holds no tagged word"):
        read(write(tmp_path / "b.conll", "\n\n"))
