"""SQuAD's form (versions 1.1 and 2.0, also CMRC 2018, DRCD and their kin): a JSON file of articles, paragraphs and questions.

`{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers": [{"text", "answer_start"}]}]}]}]}`
(Rajpurkar et al. 2016, arXiv 1606.05250; 2018, arXiv 1806.03822).
"""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import ends, load, readable, to_utf8
from netwright.errors import InputError, Problem
from netwright.events import say_rows

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".json in SQuAD's form (also .json.gz)",)
_HEAD = 1 << 16  # bytes looked at: the names of SQuAD's form stand before the first text ends, or soon after
_FORM = re.compile(rb'^\s*\{.*"data"\s*:\s*\[.*"paragraphs"\s*:\s*\[', re.DOTALL)
_ALLOWED = '{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a JSON file in SQuAD's form: it looks at the file's beginning.

    >>> claims(Path("a.csv"))
    False
    """
    return ends(data, (".json",)) and _FORM.match(_head(data)) is not None


def _head(path: Path) -> bytes:
    with readable(path), path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.startswith(b"\x1f\x8b"):
        return head
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD)


def read(data: Path, settings: Read) -> Table:
    """Read the questions into a table: `id`, `question`, `context`, `answer`, `title`.

    `answer` is a list of {"text", "start"}, missing where the question cannot be answered. The id of a row is
    `file:question`, counted from 1. Raises `InputError` naming each question that lacks something.

    >>> import tempfile
    >>> from netwright.recipe import Read
    >>> asked = {"id": "q1", "question": "Where?", "answers": [{"text": "Rome", "answer_start": 3}]}
    >>> whole = {"data": [{"title": "T", "paragraphs": [{"context": "In Rome", "qas": [asked]}]}]}
    >>> path = Path(tempfile.mkdtemp()) / "a.json"
    >>> _ = path.write_text(json.dumps(whole))
    >>> read(path, Read()).frame.rows()
    [('q1', 'Where?', 'In Rome', [{'text': 'Rome', 'start': 3}], 'T')]
    """
    import numpy as np
    import polars as pl

    from netwright.data.table import Table

    raw, fingerprint = load(data)
    try:
        whole = json.loads(to_utf8(raw, settings.encoding, name=data.name))
    except ValueError as error:
        raise InputError(Problem(data.name, f"is not JSON: {error}", allowed=_ALLOWED)) from error
    rows, bad = _questions(whole, data.name)
    if bad and (settings.bad_rows == "refuse" or len(bad) == len(rows)):
        shown = [Problem(f"{data.name}:{number}", why, allowed=_ALLOWED) for number, why in list(bad.items())[:5]]
        fix = "fix them, or leave them out with --read.bad_rows leave_out"
        raise InputError(*shown, Problem(data.name, f"{len(bad):,} of {len(rows):,} questions cannot be read", fix=fix))
    if bad:
        ids = [f"{data.name}:{number}" for number in bad]
        say_rows("read.bad_rows", f"{len(ids):,} questions left out, because they lack something", ids)
    kept = [(number, row) for number, row in enumerate(rows, 1) if number not in bad]
    if not kept:
        raise InputError(Problem(data.name, "holds no question", allowed=_ALLOWED))
    piece = pl.Struct({"text": pl.String, "start": pl.Int64})
    types = {"id": pl.String, "question": pl.String, "context": pl.String, "answer": pl.List(piece), "title": pl.String}
    frame = pl.DataFrame([row for _, row in kept], schema=types, orient="row")
    lines = np.array([number for number, _ in kept], np.int64)
    return Table(
        frame, (data.name,), np.zeros(len(kept), np.int32), lines, fingerprint=fingerprint, name=data.name
    )  # fmt: skip


def _questions(whole: Any, name: str) -> tuple[list[tuple[Any, ...]], dict[int, str]]:
    """Return all questions as rows, and by number what is wrong with some."""
    rows: list[tuple[Any, ...]] = []
    bad: dict[int, str] = {}
    try:
        for article in whole["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    row, why = _row(asked, paragraph.get("context"), article.get("title"))
                    rows.append(row)
                    if why:
                        bad[len(rows)] = why
    except (KeyError, TypeError, AttributeError) as error:
        what = f"is not in SQuAD's format after {len(rows):,} questions: {error!r}"
        raise InputError(Problem(name, what, allowed=_ALLOWED)) from error
    return rows, bad


def _row(asked: dict[str, Any], context: Any, title: Any) -> tuple[tuple[Any, ...], str]:
    """One question as a row, and what is wrong with it."""
    question, answers = asked.get("question"), asked.get("answers")
    lacks = [what for what, value in (("a context", context), ("a question", question)) if not isinstance(value, str)]
    if answers is None and not asked.get("is_impossible"):
        lacks.append("answers")
    pieces = []
    for answer in [] if asked.get("is_impossible") else answers or []:
        if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
            lacks.append("an answer's text")
            break
        start = answer.get("answer_start")
        pieces.append({"text": answer["text"], "start": start if isinstance(start, int) else None})
    name = None if asked.get("id") is None else str(asked["id"])
    row = (name, question, context, pieces or None, None if title is None else str(title))
    return row if not lacks else (name, None, None, None, None), f"it lacks {' and '.join(lacks)}" if lacks else ""
