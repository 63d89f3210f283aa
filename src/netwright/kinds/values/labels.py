"""Labels: several short texts a row, as a list or in one text with a mark between them. n rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Limits, Read, Value, Wrong, got


def parts(cell: Any, separator: str) -> list[str]:
    """Return the labels of one cell.

    >>> parts("red | blue |", "|"), parts(["a", 1], "|"), parts(None, "|")
    (['red', 'blue'], ['a', '1'], [])
    """
    if cell is None:
        return []
    if isinstance(cell, str):
        return [part for part in (part.strip() for part in cell.split(separator)) if part]
    return [str(part) for part in (cell if isinstance(cell, list | tuple) else [cell])]


class Labels(Value):
    """Form: `separator`, `values` (the labels that training saw)."""

    def read(self, cells: Sequence[Any]) -> Read:
        """(n, L) texts, "" behind the last label of a row; L at least 1."""
        rows = [parts(cell, self.form["separator"]) for cell in cells]
        out = np.full((len(rows), max(map(len, rows), default=0) or 1), "", object)
        for at, row in enumerate(rows):
            out[at, : len(row)] = row
        return {"": out}, {}

    def accept(self, cell: Any, limits: Limits) -> Any:
        """A text or a list of texts."""
        if cell is None or (type(cell) is str and len(cell) <= limits.characters):
            return cell
        if type(cell) is list and all(type(label) is str for label in cell):
            return cell
        raise Wrong(f"expected a list of texts, got {got(cell)}")

    def schema(self) -> dict[str, Any]:
        """With the first of its labels."""
        return {
            "description": f"labels; training saw {', '.join(self.form['values'][:10])}",
            "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}],
        }

    def typical(self) -> Any:
        """The first label."""
        return self.form["values"][:1]

    def sample(self, at: int) -> Any:
        """None, then one, then two."""
        return self.form["values"][:at]

    def field(self, parts: list[Any]) -> Any:
        """A label each."""
        return parts

    def kept(self, text: str) -> Any:
        """A list where it was one."""
        return re.findall(r"'([^']*)'", text) if text.startswith("[") else text
