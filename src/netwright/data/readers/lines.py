"""The rows of a delimited text, found in one pass of NumPy over its bytes: where each starts and ends, and its cells.

n rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_PIECE = 1 << 25  # bytes looked at in one go: bounds the memory of the masks
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Rows:
    """Where rows lie in a text: bytes `start` to `end` (n,) without the newline, first `line` (n,), `cells` (n,)."""

    start: np.ndarray
    end: np.ndarray
    line: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def take(self, chosen: np.ndarray) -> Rows:
        """Return the chosen rows (a mask or indices)."""
        return Rows(self.start[chosen], self.end[chosen], self.line[chosen], self.cells[chosen])


def scan(raw: bytes, delimiter: str, *, quotes: bool) -> Rows | None:
    """Return the rows of a delimited text, or None where quote marks stand where the CSV form has none.

    With `quotes`, newlines and delimiters between quote marks are part of a cell. In the CSV form (RFC 4180) a mark
    opens a cell directly after a delimiter or newline, closes it directly before one, and is doubled inside, so that
    the number of marks before a byte tells whether the byte is inside a cell.

    >>> rows = scan(b'a,b\\n1,"x\\ny"\\n2,z\\n', ",", quotes=True)
    >>> rows.line.tolist(), rows.cells.tolist()
    ([1, 2, 4], [2, 2, 2])
    """
    view = np.frombuffer(raw, np.uint8)
    places = _marks(view, ord(delimiter), quotes)
    sorts = view[places]
    newlines = places[sorts == _NEWLINE]
    if quotes:
        is_quote = sorts == _QUOTE
        marks = places[is_quote]
        if len(marks):
            if not _regular(view, marks, ord(delimiter)):
                return None
            outside = (np.cumsum(is_quote, dtype=np.int64) & 1) == 0
            keep = outside & ~is_quote
            places, sorts = places[keep], sorts[keep]
    stops = np.flatnonzero(sorts == _NEWLINE)
    end = places[stops]
    single = len(newlines) == len(end)
    if len(raw) and (not len(end) or end[-1] != len(raw) - 1):  # the last row has no newline behind it
        stops, end = np.append(stops, len(places)), np.append(end, len(raw))
    start = np.concatenate([[0], end[:-1] + 1]) if len(end) else end
    # where no newline stands inside a cell, each row is one line
    line = np.arange(1, len(end) + 1) if single else 1 + np.searchsorted(newlines, start)
    return Rows(start, end, line, np.diff(stops, prepend=-1))


def _marks(view: np.ndarray, delimiter: int, quotes: bool) -> np.ndarray:
    """Return the places of newlines, delimiters and (with `quotes`) quote marks."""
    found = []
    for first in range(0, len(view), _PIECE):
        piece = view[first : first + _PIECE]
        mask = (piece == _NEWLINE) | (piece == delimiter)
        if quotes:
            mask |= piece == _QUOTE
        found.append(np.flatnonzero(mask) + first)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _regular(view: np.ndarray, marks: np.ndarray, delimiter: int) -> bool:
    """Say whether every quote mark opens a cell, closes one, or is doubled inside one."""
    if len(marks) % 2:
        return False
    opens, closes = marks[0::2], marks[1::2]
    before = np.where(opens > 0, view[opens - 1], _NEWLINE)
    after = np.where(closes + 1 < len(view), view[np.minimum(closes + 1, len(view) - 1)], _NEWLINE)
    doubled = opens[1:] == closes[:-1] + 1
    fine_open = (before == _NEWLINE) | (before == delimiter)
    fine_open[1:] |= doubled
    fine_close = (after == _NEWLINE) | (after == delimiter)
    fine_close[:-1] |= doubled
    returns = np.flatnonzero(after == _RETURN)
    beyond = closes[returns] + 2
    fine_close[returns] = (beyond >= len(view)) | (view[np.minimum(beyond, len(view) - 1)] == _NEWLINE)
    return bool(fine_open.all() and fine_close.all())
