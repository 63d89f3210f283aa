"""The rows that a network answers worst: what was asked, what is true, what was said. n rows, C classes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from netwright.data.schema import Fitted
    from netwright.data.table import Table
    from netwright.report.page.found import Answered, Found
    from netwright.runtime.arrays import Arrays

ROWS = 20
INPUTS = 15
LENGTH = 300
"""Characters of a value that are kept."""
SIDE = 96
"""Pixels a side of an image's thumbnail."""
LEAST = 1e-12


def worst(
    answered: dict[str, Answered], table: Table, rows: np.ndarray, inputs: dict[str, Arrays], fitted: Fitted
) -> dict[str, Any]:
    """Return, by target, the ROWS rows of the largest losses, with their ids and cut values.

    `rows` are the places in the table of the rows of `predictions.csv`.
    """
    shown = [name for name in fitted.columns if name in table.columns]
    shown = sorted(shown, key=table.columns.index)
    images = {
        kind.columns[0]: pixels
        for key, kind in fitted.inputs.items()
        if isinstance(pixels := inputs.get(key, {}).get("pixels"), np.ndarray)
    }
    out: dict[str, Any] = {"columns": len(shown), "targets": {}}
    for name, answer in answered.items():
        lost = losses(answer)
        order = np.argsort(-lost, kind="stable")[:ROWS]
        order = order[lost[order] > 0]
        found = []
        for place in order.tolist():
            row = int(rows[answer.rows[place]])
            found.append({
                "id": answer.ids[place], "loss": float(lost[place]), **_told(answer, place),
                "inputs": {column: _text(table.frame[column][row]) for column in shown[:INPUTS] if column not in images},
                "images": {column: thumbnail(pixels[row]) for column, pixels in images.items()},
            })  # fmt: skip
        out["targets"][name] = found
    return out


def worst_pairs(found: Found, table: Table, rows: np.ndarray, fitted: Fitted) -> dict[str, Any]:
    """Return, by target, the pairs whose two texts are least alike to the network, where all belong together."""
    out: dict[str, Any] = {}
    for kind in fitted.targets.values():
        cosines = found.cosines.get(kind.columns[0])
        if cosines is None or len(kind.beside) > 1:  # of scored pairs not all belong together
            continue
        told = []
        for place in np.argsort(cosines, kind="stable")[:ROWS].tolist():
            row = int(rows[place])
            told.append({
                "id": table.id(row), "loss": float(1 - cosines[place]), "truth": 1.0, "answer": float(cosines[place]), "images": {},
                "inputs": {name: _text(table.frame[name][row]) for name in (*kind.beside, kind.columns[0])},
            })  # fmt: skip
        out[kind.columns[0]] = told
    return out


def losses(answer: Answered) -> np.ndarray:
    """(n,) -ln p of the truth (category), the mean of it over labels (labels), or |y - ŷ| (number)."""
    if answer.probability is None:
        return np.abs(answer.truth - answer.chosen)
    if answer.truth.ndim == 2:
        right = np.where(answer.truth == 1, answer.probability, 1 - answer.probability)
        return -np.log(right.clip(LEAST)).mean(1)
    return -np.log(answer.probability[np.arange(len(answer)), answer.truth].clip(LEAST))


def _told(answer: Answered, place: int) -> dict[str, Any]:
    """Truth and answer as people read them, with the probabilities that were given to them."""
    if answer.probability is None:
        return {"truth": float(answer.truth[place]), "answer": float(answer.chosen[place])}
    names, given = answer.classes, answer.probability[place]
    if answer.truth.ndim == 2:
        truth, chosen = (np.flatnonzero(each[place]) for each in (answer.truth, answer.chosen))
        return {"truth": [names[k] for k in truth[:20]], "answer": [names[k] for k in chosen[:20]]}
    truth, chosen = int(answer.truth[place]), int(answer.chosen[place])
    return {
        "truth": names[truth], "answer": names[chosen], "p_truth": float(given[truth]), "p_answer": float(given[chosen]),
    }  # fmt: skip


def _text(value: Any) -> str | None:
    """A value as a text of at most LENGTH characters; None where it is missing."""
    if value is None or isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1e15 else f"{value:.7g}"
    text = value if isinstance(value, str) else str(value.to_list() if isinstance(value, pl.Series) else value)
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def thumbnail(pixels: Any) -> str:
    """Return an image (H, W, C) uint8 as a data URI: small ones exactly, larger ones scaled down."""
    from PIL import Image

    array = np.asarray(pixels)
    picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    out = io.BytesIO()
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE))
        picture.convert("RGB").save(out, "JPEG", quality=80)
        kind = "jpeg"
    else:
        picture.save(out, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"
