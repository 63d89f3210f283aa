"""Dates: moments in time, stored as such or written in one of many layouts. n rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from .base import Limits, Read, Value, Wrong, got

LAYOUTS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M",
    "%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y.%m.%d", "%Y%m%d", "%d.%m.%y", "%m/%d/%y",
    "%d/%m/%y", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip
_OFFSET = re.compile(r"(?<=:\d\d)(\.\d+)?\s*(?:Z|([+-])(\d\d):?(\d\d))$|Z$")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")  # fmt: skip
_PARTS = {
    "%Y": r"(?P<year>\d{4})", "%y": r"(?P<short>\d\d)", "%m": r"(?P<month>\d\d?)", "%d": r"(?P<day>\d\d?)", "%H": r"(?P<hour>\d\d?)",
    "%M": r"(?P<minute>\d\d?)", "%S": r"(?P<second>\d\d?)", "%.f": r"(?:\.(?P<fraction>\d+))?", "%b": r"(?P<name>[A-Za-z]{3})",
    "%B": r"(?P<name>[A-Za-z]{3,9})",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1)

Parser = Callable[[str], datetime | None]


@cache
def parser(layout: str) -> Parser:
    """Return what reads texts of a layout such as %d.%m.%Y; %.f is a fraction of a second that may lack.

    >>> parser("%d.%m.%y")("29.02.24"), parser("%Y-%m-%d")("2023-02-29")
    (datetime.datetime(2024, 2, 29, 0, 0), None)
    """
    pieces = re.split(r"(%\.f|%.)", layout)
    known = [_PARTS.get(piece) or re.escape(piece) for piece in pieces]
    if any(piece.startswith("%") and piece not in _PARTS for piece in pieces):
        return lambda text: _by_library(text, layout)
    tight = {"%m": r"(?P<month>\d\d)", "%d": r"(?P<day>\d\d)"} if layout == "%Y%m%d" else {}
    try:
        form = re.compile("".join(tight.get(piece, part) for piece, part in zip(pieces, known, strict=True)))
    except re.error:  # a part stands twice
        return lambda text: _by_library(text, layout)

    def read(text: str) -> datetime | None:
        found = form.fullmatch(text)
        return None if found is None else _moment(found.groupdict())

    return read


def _moment(part: dict[str, str | None]) -> datetime | None:
    year = int(part.get("year") or 0)
    if "short" in part:
        year = int(part["short"] or 0)
        year += 2000 if year < 70 else 1900
    month = int(part.get("month") or 1)
    if "name" in part:
        name = (part["name"] or "").lower()
        month = next((at for at, full in enumerate(_MONTHS, 1) if name in (full, full[:3])), 0)
    hour, minute, second = (int(part.get(each) or 0) for each in ("hour", "minute", "second"))
    micro = int(((part.get("fraction") or "") + "000000")[:6])
    try:
        return datetime(year, month, int(part.get("day") or 1), hour, minute, second, micro)
    except ValueError:
        return None


def _by_library(text: str, layout: str) -> datetime | None:
    if "%" not in layout:
        return None
    try:
        return datetime.strptime(text, layout.replace("%.f", ""))
    except (ValueError, re.error):
        return None


def split(text: str) -> tuple[str, float | None]:
    """Return a text without the offset behind its time, and how many seconds that is ahead of UTC (None: there is none).

    >>> split("2024-02-29T08:00:00+08:00"), split("31-12-2024")
    (('2024-02-29T08:00:00', 28800.0), ('31-12-2024', None))
    """
    text = text.strip()
    found = _OFFSET.search(text)
    if not found:
        return text, None
    ahead = 3600.0 * int(found[3]) + 60.0 * int(found[4]) if found[2] else 0.0
    return text[: found.start()] + (found[1] or ""), -ahead if found[2] == "-" else ahead


def turned(layout: str) -> str:
    """Return a layout with day and month in each other's place.

    >>> turned("%d/%m/%Y")
    '%m/%d/%Y'
    """
    swap = {"%d": "%m", "%m": "%d"}
    return re.sub("%[dm]", lambda found: swap[found[0]], layout)


def best(texts: Sequence[str], first: str | None = None) -> str:
    """Return the layout that reads most of these texts, of like ones the first; `first` is tried before all.

    >>> best(["01/02/2024", "31/12/2024"])
    '%d/%m/%Y'
    """
    most, chosen, bare = -1, LAYOUTS[0], [split(text)[0] for text in texts]
    for layout in LAYOUTS if first is None else (first, *LAYOUTS):
        read = sum(parser(layout)(text) is not None for text in bare)
        if read > most:
            most, chosen = read, layout
        if most == len(bare):
            break
    return chosen


class Date(Value):
    """Form: `layout` (that of training), `utc` (whether offsets are taken off), `timed` (whether there is a time of day)."""

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__(form)
        own = form.get("layout")
        # what training read day first is never read month first, whatever stands beside it
        others = [layout for layout in LAYOUTS if own is None or layout not in (own, *_against(own))]
        self.layouts, self.utc = [*([own] if own else []), *others], form.get("utc", False)

    def moment(self, text: str) -> datetime | None:
        """Return the moment that a text means, in the layout of training before all others."""
        bare, ahead = split(text)
        found = next((read for layout in self.layouts if (read := parser(layout)(bare)) is not None), None)
        if found is not None and self.utc and ahead:
            found -= timedelta(seconds=ahead)
        return found

    def read(self, cells: Sequence[Any]) -> Read:
        """(n,) float64, seconds since 1970, NaN where missing."""
        if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
            whole = cells.astype("datetime64[us]")
            return {"": np.where(np.isnat(whole), np.nan, whole.astype(np.int64) / 1e6)}, {}
        out, wrong, known = np.full(len(cells), np.nan), {}, dict[str, float | None]()
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            if isinstance(cell, str):
                if cell not in known:
                    found = self.moment(cell)
                    known[cell] = None if found is None else (found - _EPOCH) / timedelta(seconds=1)
                seconds = known[cell]
            else:
                seconds = _stored(cell)
            if seconds is None:
                wrong[row] = f"{cell!r} is no date such as {self._example()}"
            else:
                out[row] = seconds
        return {"": out}, wrong

    def _example(self) -> str:
        layout = self.form.get("layout") or "%Y-%m-%d"
        return datetime(2024, 12, 31, 12, 30).strftime(layout.removesuffix("%.f"))

    def accept(self, cell: Any, limits: Limits) -> Any:
        """A text that may be a date; what is none counts as missing and is told."""
        if cell is None or (type(cell) is str and len(cell) <= 100):
            return cell
        raise Wrong(f"expected a date such as 2024-01-31, got {'a long text' if type(cell) is str else got(cell)}")

    def schema(self) -> dict[str, Any]:
        """A text."""
        return {"type": ["string", "null"], "description": "a date", "examples": [self.typical()]}

    def typical(self) -> Any:
        """A day, or a moment."""
        return "2024-01-31 12:00" if self.form.get("timed") else "2024-01-31"

    def sample(self, at: int) -> Any:
        """A leap day, then others."""
        return "2024-02-29" if not at else "2023-07-01"


def _against(layout: str) -> list[str]:
    """Layouts that read day and month in the other order than this one: those of its separator."""
    order = re.search(r"%[dm](\W)%[dm]", layout)
    if not order:
        return []
    return [each for each in LAYOUTS if turned(order[0]) in each and not each.startswith("%Y")]


def _stored(cell: Any) -> float | None:
    """Seconds since 1970 of a moment or day, the clock's own where it has a zone."""
    if isinstance(cell, datetime):
        return (cell.replace(tzinfo=None) - _EPOCH) / timedelta(seconds=1)
    if isinstance(cell, date):
        return (datetime(cell.year, cell.month, cell.day) - _EPOCH) / timedelta(seconds=1)
    return None
