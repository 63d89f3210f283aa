"""Quote marks that are used oddly: the text is read cell by cell and written anew in the CSV form, or refused."""

from __future__ import annotations

import re

import numpy as np

from netwright.errors import InputError, Problem

_FIX = (
    "close the cell, double the quote marks inside it, or, where quote marks are plain characters in this file, "
    "--read.quotes false"
)


def regular(text: str, delimiter: str, *, name: str) -> tuple[str, np.ndarray]:
    """Return the text with every quote mark in its regular place, and the first line (n,) of each of its rows.

    A cell may have blanks round its quote marks; a mark inside an unquoted cell is a plain character. Raises
    `InputError` naming the line where a cell opens that is not closed, or that goes on after its closing mark.

    >>> regular('a, "x, y"\\n5" pipe,z', ",", name="a.csv")[0]
    'a,"x, y"\\n"5"" pipe",z\\n'
    """
    blank = r"[ ]*" if delimiter == "\t" else r"[ \t]*"
    mark = re.escape(delimiter)
    quoted = re.compile(rf'{blank}("[^"]*+(?:""[^"]*+)*+"){blank}(?={mark}|\r?\n|\r?\Z)')
    plain = re.compile(rf'(?!{blank}")([^{mark}\n]*?)(?={mark}|\r?\n|\r?\Z)')
    out: list[str] = []
    row: list[str] = []
    lines: list[int] = []
    place, counted, line, first = 0, 0, 1, 1
    while True:
        line, counted = line + text.count("\n", counted, place), place
        if not row:
            first = line
        found = quoted.match(text, place) or plain.match(text, place)
        if found is None:
            raise InputError(_unclosed(text, place, line, name))
        cell = found.group(1)
        if '"' in cell and found.re is plain:
            cell = '"' + cell.replace('"', '""') + '"'
        row.append(cell)
        place = found.end()
        if text.startswith(delimiter, place):
            place += 1
            continue
        out.append(delimiter.join(row))
        lines.append(first)
        row = []
        place = text.find("\n", place) + 1
        if place == 0 or place == len(text):  # the text's end
            return "\n".join([*out, ""]), np.array(lines)


def _unclosed(text: str, place: int, line: int, name: str) -> Problem:
    """Return the problem of the quoted cell that opens at `place`."""
    whole = re.compile(r'[ \t]*"[^"]*(?:""[^"]*)*"').match(text, place)
    if whole is None:
        return Problem(f"{name}:{line}", "a quote mark opens a cell here, and none closes it", fix=_FIX)
    closes = line + text.count("\n", place, whole.end())
    follows = text[whole.end() : whole.end() + 20].partition("\n")[0]
    on = "on this line" if closes == line else f"on line {closes}"
    return Problem(
        f"{name}:{line}",
        f"a quote mark opens a cell here, and after the next mark, {on}, {follows!r} follows instead of the cell's end",
        fix=_FIX,
    )
