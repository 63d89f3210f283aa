"""Numbers: stored as such, or written as people write them. n rows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .base import Limits, Read, Value, Wrong, got

MOST = 10**300  # no number is larger than what a float holds
LONGEST = 100  # characters of a number that is written as text
_WIDE = str.maketrans("０１２３４５６７８９．，％￥＋－（）", "0123456789.,%¥+-()")
TENS = {"千": 1e3, "万": 1e4, "萬": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "億": 1e8}
_PLAIN = re.compile(r"[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_BRACKETS = re.compile(r"^\((.*)\)$")
_SIGNS = re.compile(r"^([-+]?)\s*[$€£¥₹]\s*|\s*[$€£¥₹%元円]$")
_TIMES = re.compile(r"(?<=\d)\s*(百万|千万|[千万萬亿億])$")
_THOUSANDS = {False: re.compile(r"[,\u00a0\u202f' ]"), True: re.compile(r"[.\u00a0\u202f' ]")}
_GROUPED = {
    False: re.compile(r"[-+]?\d{1,3}([,\u00a0\u202f' ]\d{3})+(\.\d+)?"),
    True: re.compile(r"[-+]?\d{1,3}([.\u00a0\u202f' ]\d{3})+(,\d+)?"),
}


def bare(text: str, unit: str = "") -> str:
    """Return a text without its unit, currency, percent sign and accountant's brackets.

    >>> bare("(3)"), bare("12 %"), bare("46 kg", "kg")
    ('-3', '12', '46')
    """
    text = text.strip().removesuffix(unit).strip().translate(_WIDE).strip()
    return _SIGNS.sub(r"\1", _BRACKETS.sub(r"-\1", text)).strip()


def plain(text: str) -> float | None:
    """Return a number that needs no more than plain reading, or None."""
    text = text.strip()
    return float(text) if _PLAIN.fullmatch(text) else None


def number(text: str, *, comma: bool = False, unit: str = "") -> float | None:
    """Return the number that a text means, or None; a percentage keeps its figure.

    `comma`: decimals stand behind a comma. `unit`: what stands behind the column's numbers.

    >>> [number(text) for text in ("1,234.5", "$5", "12 %", "(3)", "3.2万", "x")]
    [1234.5, 5.0, 12.0, -3.0, 32000.0, None]
    >>> number("1.234,5", comma=True)
    1234.5
    """
    found = None if comma else plain(text)
    if found is not None:
        return found
    text = bare(text, unit)
    tens = _TIMES.search(text)
    text = text[: tens.start()] if tens else text
    if _GROUPED[comma].fullmatch(text):
        text = _THOUSANDS[comma].sub("", text)
    text = text.replace(",", ".", 1) if comma else text
    return float(text) * (TENS[tens[1]] if tens else 1.0) if _PLAIN.fullmatch(text) else None


class Number(Value):
    """Form: `comma`, `unit` (how training wrote its numbers), `low`, `high`, `whole` (what training saw)."""

    numeric: ClassVar[bool] = True

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__(form)
        self.comma, self.unit = form.get("comma", False), form.get("unit", "")

    def read(self, cells: Sequence[Any]) -> Read:
        """(n,) float64, NaN where missing."""
        if not any(isinstance(cell, str) for cell in cells):
            try:
                return {"": np.array(cells, np.float64)}, {}  # None becomes NaN
            except (TypeError, ValueError):
                pass  # it is now looked which
        out, wrong, known = np.full(len(cells), np.nan), {}, dict[str, float | None]()
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            if isinstance(cell, str):
                if cell not in known:
                    known[cell] = number(cell, comma=self.comma, unit=self.unit)
                found = known[cell]
            else:
                found = float(cell) if isinstance(cell, int | float | np.number) else None
            if found is None:
                wrong[row] = f"{cell!r} is no number"
            else:
                out[row] = found
        return {"": out}, wrong

    def accept(self, cell: Any, limits: Limits) -> Any:
        """A finite number, also one written as training wrote them."""
        if type(cell) is str and len(cell) <= LONGEST:
            found = number(cell, comma=self.comma, unit=self.unit)
            cell = cell if found is None else found
        if type(cell) is float:
            if math.isfinite(cell):
                return cell
            raise Wrong("expected a number or null, got one that is not finite")
        if type(cell) is int:
            if abs(cell) <= MOST:
                return cell
            raise Wrong("expected a number, got a whole number that is too large")
        if cell is None:
            return None
        raise Wrong(f"expected a number or null, got {got(cell)}")

    def schema(self) -> dict[str, Any]:
        """With the range that training saw."""
        seen = f"; training saw {self.form['low']:g} to {self.form['high']:g}"
        return {"type": ["number", "null"], "examples": [self.typical()], "description": f"a number{seen}"}

    def typical(self) -> Any:
        """The middle of its range."""
        middle = (self.form["low"] + self.form["high"]) / 2
        return round(middle) if self.form["whole"] else float(f"{middle:.3g}")

    def sample(self, at: int) -> Any:
        """Within its range."""
        low, high = self.form["low"], self.form["high"]
        found = low + (high - low) * (at + 1) / 3
        return round(found) if self.form["whole"] else found

    def kept(self, text: str) -> Any:
        """A number."""
        return plain(text)
