"""Which character parts a text's cells: found by looking at its first lines."""

from __future__ import annotations

from dataclasses import dataclass

from netwright.data.readers.lines import scan

SAMPLE = 1 << 16  # bytes looked at
_LINES = 50
_CANDIDATES = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Guess:
    """A delimiter, the number of cells it makes of the first line, and the share of the next lines with as many."""

    delimiter: str
    cells: int
    share: float
    lines: int


def sniff(raw: bytes, *, order: tuple[str, ...] = _CANDIDATES) -> Guess | None:
    """Return the delimiter that most evenly parts the first lines, or None where the first line has none.

    Among equals the one that makes more cells is taken, then the one that comes first in `order`.

    >>> sniff(b"id;text\\n1;short, good\\n2;long\\n").delimiter
    ';'
    """
    sample = raw[:SAMPLE]
    while len(raw) > SAMPLE and (sample[-1:] != b"\n" or sample.count(b'"') % 2):  # a row cut off, perhaps in a cell
        if b"\n" not in sample[:-1]:
            break
        sample = sample[: sample.rfind(b"\n", 0, -1) + 1]
    guesses = [guess for delimiter in order if (guess := _try(sample, delimiter))]
    return max(guesses, key=lambda guess: (guess.share, guess.cells), default=None)


def _try(sample: bytes, delimiter: str) -> Guess | None:
    """Return how evenly `delimiter` parts the sample, or None where it is not in the first line."""
    rows = scan(sample, delimiter, quotes=True)
    if rows is None:
        rows = scan(sample, delimiter, quotes=False)
        assert rows is not None
    rows = rows.take(rows.end - rows.start > 1)  # blank lines say nothing
    cells = rows.cells[: _LINES + 1]
    if not len(cells) or cells[0] < 2:
        return None
    share = float((cells[1:] == cells[0]).mean()) if len(cells) > 1 else 1.0
    return Guess(delimiter, int(cells[0]), share, len(cells))
