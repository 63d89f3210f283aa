"""Tagged texts: `word/TAG word/TAG`, a text a line, or a word and its tags a line, texts parted by blank lines.

The first is the form of the People's Daily corpus (Yu et al. 2003): `[中央/n 电视台/n]nt` marks a piece of several words,
which becomes the column `entities` (B-nt I-nt; O elsewhere). The second is CoNLL's: the first column is the word, the last
its tag; columns between are `tags_2`, `tags_3`. Lines that begin with -DOCSTART- or # and hold no tag are left out.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import ends, load, readable, to_utf8
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".txt of word/TAG; .conll .bio .iob .iob2 .bmes, or .txt of a word and its tag a line (also .gz)",)
_OWN = (".conll", ".bio", ".iob", ".iob2", ".bmes", ".conll03")
_TOKEN = re.compile(r"^(\[*)(.+)/([A-Za-z][\w$.,:'-]{0,15})((?:\][A-Za-z]\w*)*)$")
_TAG = re.compile(r"^[A-Za-z_][\w|.:=+-]{0,40}$|^[.,:;$#'`\"()-]{1,5}$")
_HEAD = 1 << 16
_SHARE = 0.95  # of the words looked at that have the form
_MOST = 150  # different tags in what is looked at: more are no tags


@dataclass
class Text:
    """One text: the line it starts on, its words, each column of tags, and the pieces that brackets mark."""

    line: int
    words: list[str] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    pieces: list[tuple[int, int, str]] = field(default_factory=list)


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a tagged text: by its ending, or, of a .txt, by its first lines.

    >>> claims(Path("a.conll")), claims(Path("a.csv"))
    (True, False)
    """
    if ends(data, _OWN):
        return True
    return ends(data, (".txt",)) and _form(_head(data)) != ""


def _head(path: Path) -> list[str]:
    """The first lines of a file, those of a size that a look costs nothing; none where it is not text."""
    with readable(path), path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"\x1f\x8b"):
        head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD)
    lines = head.decode(errors="replace").split("\n")
    return lines[:-1] if len(lines) > 1 and len(head) >= _HEAD else lines


def _form(lines: list[str]) -> str:
    """`slash`, `column`, or nothing where lines are in neither form.

    >>> _form(["a/DT cat/NN sat/VBD"]), _form(["a DT", "cat NN", "", "the DT", "dog NN"]), _form(["plain text"])
    ('slash', 'column', '')
    """
    tokens = [token for line in lines[:200] for token in line.split()]
    found = [match for token in tokens if (match := _TOKEN.match(token))]
    tags = {match[3] for match in found}
    few = len(tags) <= max(3, min(_MOST, len(found) // 2))
    if len(found) >= max(_SHARE * len(tokens), 2) and few:
        return "slash"
    cells = [line.split() for line in lines if line.strip() and not line.startswith(("-DOCSTART-", "#"))]
    gaps = sum(not line.strip() for line in lines[:-1])
    alike = {len(each) for each in cells}
    if not gaps or len(alike) != 1 or alike == {1} or not cells:
        return ""
    last = [each[-1] for each in cells]
    tagged = all(map(_TAG.match, last)) and len(set(last)) <= _MOST and 2 * len(set(last)) <= len(last)
    return "column" if tagged else ""


def read(data: Path, settings: Read) -> Table:
    """Read texts into a table: `words` and `tags`, lists of like length, and `entities` where brackets mark some.

    The id of a row is `file:line`, where the text starts. Raises `InputError` naming each line that has no tag.

    >>> import tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> _ = path.write_text("[中央/n 电视台/n]nt 说/v\\n")
    >>> read(path, Read()).frame.rows()
    [(['中央', '电视台', '说'], ['n', 'n', 'v'], ['B-nt', 'I-nt', 'O'])]
    """
    import numpy as np
    import polars as pl

    from netwright.data.table import Table

    raw, fingerprint = load(data)
    text = to_utf8(raw, settings.encoding, name=data.name).decode().replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    form = _form(lines[:2000]) or "column"
    texts, bad = _slashes(lines) if form == "slash" else _columns(lines)
    if bad and (settings.bad_rows == "refuse" or len(bad) >= len(texts)):
        allowed = "word/TAG, parted by blanks" if form == "slash" else "a word and as many tags on each line"
        shown = [Problem(f"{data.name}:{line}", why, allowed=allowed) for line, why in list(bad.items())[:5]]
        fix = "fix them, or leave their texts out with --read.bad_rows leave_out"
        raise InputError(*shown, Problem(data.name, f"{len(bad):,} texts cannot be read", fix=fix))
    if bad:
        ids = [f"{data.name}:{line}" for line in bad]
        say_rows("read.bad_rows", f"{len(ids):,} texts left out, because a word of theirs has no tag", ids)
    texts = [each for each in texts if each.words]
    if not texts:
        raise InputError(Problem(data.name, "holds no tagged word", allowed=", ".join(FORMS)))
    _say_form(data.name, form, texts)
    frame = pl.DataFrame(_frame(texts), schema_overrides={"words": pl.List(pl.String), "tags": pl.List(pl.String)})
    starts = np.array([each.line for each in texts], np.int64)
    return Table(frame, (data.name,), np.zeros(len(texts), np.int32), starts, fingerprint=fingerprint, name=data.name)


def _say_form(name: str, form: str, texts: list[Text]) -> None:
    words = sum(len(each.words) for each in texts)
    what = "word/TAG, a text a line" if form == "slash" else "a word and its tag a line, blank lines between texts"
    text = f"{name}: read as {what}: {len(texts):,} texts of {words:,} words; --read.rows file reads plain text"
    say("choice", "read.tagged", text)


def _frame(texts: list[Text]) -> dict[str, list[list[str]]]:
    """The columns; the last of a line's tags is `tags`."""
    out = {"words": [each.words for each in texts], "tags": [[tags[-1] for tags in each.tags] for each in texts]}
    for place in range(len(texts[0].tags[0]) - 1):
        out[f"tags_{place + 2}"] = [[tags[place] for tags in each.tags] for each in texts]
    if any(each.pieces for each in texts):
        out["entities"] = [_entities(each) for each in texts]
    return out


def _entities(text: Text) -> list[str]:
    """Each word's place in the outermost piece that brackets mark."""
    out = ["O"] * len(text.words)
    for begin, end, kind in sorted(text.pieces, key=lambda piece: (piece[0], -piece[1])):
        if out[begin] == "O":
            out[begin:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - begin - 1)]
    return out


def _slashes(lines: list[str]) -> tuple[list[Text], dict[int, str]]:
    """Return the texts of word/TAG lines, and by line what is wrong with some, which are not among them."""
    texts, bad = [], dict[int, str]()
    for number, line in enumerate(lines, 1):
        text, opened, why = Text(number), list[int](), ""
        for token in line.split():
            match = _TOKEN.match(token)
            if match is None:
                why = f"{token[:40]!r} has no tag"
                break
            opened += [len(text.words)] * len(match[1])
            text.words.append(match[2])
            text.tags.append((match[3],))
            for kind in filter(None, match[4].split("]")):
                if opened:
                    text.pieces.append((opened.pop(), len(text.words), kind))
        if why:
            bad[number] = why
        else:
            texts.append(text)
    return texts, bad


def _columns(lines: list[str]) -> tuple[list[Text], dict[int, str]]:
    """Return the texts of lines of a word and its tags, and by line what is wrong with some, which are not among them."""
    texts, bad = [Text(1)], dict[int, str]()
    width = 0
    for number, line in enumerate(lines, 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip():
            texts.append(Text(number + 1))
        elif not line.startswith("-DOCSTART-") and not (line.startswith("#") and len(cells) != width):
            width = width or len(cells)
            if len(cells) != width or width < 2:
                bad.setdefault(texts[-1].line, f"line {number} has {len(cells)} columns, not {max(width, 2)}")
                continue
            texts[-1].words.append(cells[0])
            texts[-1].tags.append(tuple(cells[1:]))
    return [text for text in texts if text.line not in bad], bad
