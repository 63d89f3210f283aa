"""The rows whose words a network answers worst, as their target's kind shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netwright.kinds.base import kind_name
from netwright.kinds.words import parted
from netwright.report import kinds
from netwright.report.kept.worst import INPUTS, ROWS
from netwright.report.kinds.words import cut

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.report.kinds.words import Said


def worst_words(answered: dict[str, Said], table: Table, rows: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """Return, by target, the ROWS rows of the largest losses; `rows` are the places in the table of the predictions."""
    out = {}
    for name, one in answered.items():
        shown = kinds.of(kind_name(one.kind))
        lost = np.array([shown.lost(one, place) for place in range(len(one))])
        order = np.argsort(-lost, kind="stable")[:ROWS]
        found = []
        for place in order[lost[order] > 0].tolist():
            row = int(rows[one.rows[place]])
            about = one.kind.beside[0]
            text = parted(table.frame[about].slice(row, 1).to_list()[0])
            told = shown.row(one, place, text)
            inputs = {}
            if told.pop("beside", False):  # the text and what else was asked are shown too
                others = [column for column in table.columns if column not in (name, about)][:INPUTS]
                inputs = {column: cut(str(table.frame[column].slice(row, 1).to_list()[0])) for column in others}
                inputs[about] = cut(text.text)
            found.append({"id": one.ids[place], "loss": float(lost[place]), **told, "inputs": inputs, "images": {}})
        out[name] = found
    return out
