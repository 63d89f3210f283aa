"""Categories: single values, of which 1, 1.0 and "1" are one. n rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Limits, Read, Value, Wrong, got

_BOOLEANS = {"true": 1.0, "false": 0.0}


def text_of(cell: Any) -> str | None:
    """Return a cell as the text that stands for it; None where it is missing or blank.

    >>> [text_of(cell) for cell in (" a ", 1, 1.0, "1", 0.5, True, "", None, float("nan"))]
    ['a', '1', '1', '1', '0.5', 'true', None, None, None]
    """
    if isinstance(cell, str):
        return cell.strip() or None
    if cell is None:
        return None
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        cell = float(cell)
        if math.isnan(cell):
            return None
        if cell.is_integer() and abs(cell) < 2**63:
            return str(int(cell))
        # as Rust writes it, in which older runs kept their values: 1e20 and 1e-7, not 1e+20 and 1e-07
        return repr(cell).replace("e+", "e").replace("e-0", "e-")
    return str(cell)


class Category(Value):
    """Form: `values` (the most frequent ones of training), `of` (how many there are); `numbers` where a graph takes numbers."""

    def read(self, cells: Sequence[Any]) -> Read:
        """(n,) texts, "" where missing; with `numbers` float64, NaN where missing and infinite for what is no number."""
        texts = [text_of(cell) for cell in cells]
        if not self.form.get("numbers"):
            return {"": np.array(["" if text is None else text for text in texts], object)}, {}
        return {"": np.array([math.nan if text is None else _number(text) for text in texts], np.float64)}, {}

    def accept(self, cell: Any, limits: Limits) -> Any:
        """A text, a number, a boolean."""
        if type(cell) is str:
            if len(cell) > limits.characters:
                raise Wrong(f"has {len(cell):,} characters: {limits.characters:,} at most", 413)
            return cell
        if cell is None or type(cell) in (int, bool) or (type(cell) is float and math.isfinite(cell)):
            return cell
        raise Wrong(f"expected a text, a number or null, got {got(cell)}")

    def schema(self) -> dict[str, Any]:
        """With the first of its values."""
        values, of = self.form["values"], self.form["of"]
        shown = ", ".join(map(repr, values[:10])) + (", …" if of > 10 else "")
        return {
            "type": ["string", "number", "boolean", "null"], "examples": values[:3],
            "description": f"one of {of:,} values: {shown}; others are read as unknown",
        }  # fmt: skip

    def typical(self) -> Any:
        """The most frequent value."""
        return self.form["values"][0] if self.form["values"] else None

    def sample(self, at: int) -> Any:
        """One of the values."""
        values = self.form["values"]
        return values[at % len(values)] if values else None

    def kept(self, text: str) -> Any:
        """The value in the spelling that training saw: a report writes True."""
        values = self.form["values"]
        return text.lower() if text not in values and text.lower() in values else text


def _number(text: str) -> float:
    try:
        return _BOOLEANS[text] if text in _BOOLEANS else float(text)
    except ValueError:
        return math.inf
