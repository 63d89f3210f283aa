"""The short way of a row: checked values in, plain answers out, through the same kinds and network as `predict`, without
a data frame. n rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from netwright.events import Event, listening
from netwright.inference.model import Model, answers
from netwright.nn import driver
from netwright.nn.batch import Batch, tensors
from netwright.runtime.arrays import Arrays, Ragged


@dataclass
class Encoded:
    """Some rows as the network reads them, and what was said of them."""

    count: int
    blocks: dict[str, Arrays]
    notes: list[str]
    about: dict[str, list[Any]]  # columns that decoding looks at


def encode(model: Model, columns: dict[str, list[Any]]) -> Encoded:
    """Encode rows given as columns of checked values. Raises `InputError` where a kind cannot read one."""
    heard: list[Event] = []
    count = len(next(iter(columns.values())))
    with listening(heard):
        blocks = {
            key: kind.encode([columns[name] for name in kind.columns], _rows)
            for key, kind in model.fitted.inputs.items()
        }
        for key, kind in model.fitted.targets.items():
            if kind.needs == "pair":
                blocks[key] = kind.prompt_cells([columns[name] for name in kind.columns], _rows)
    about = {name: columns[name] for kind in model.fitted.targets.values() for name in kind.beside if name in columns}
    return Encoded(count, blocks, [event.text for event in heard], about)


def _rows(rows: list[int]) -> list[str]:
    return [f"row {row + 1}" for row in rows]


def answered(model: Model, parts: list[Encoded]) -> list[list[dict[str, Any]]]:
    """Return the answers to several requests' rows, worked out together: by request, by row, by target."""
    count = sum(part.count for part in parts)
    blocks = parts[0].blocks if len(parts) == 1 else {key: _joined([part.blocks[key] for part in parts]) for key in parts[0].blocks}  # fmt: skip
    found = _found(model, blocks, count)
    told: dict[str, list[dict[str, Any]]] = {}
    for key, kind in model.fitted.targets.items():
        arrays = found[key]
        if kind.beside:
            texts = {
                name: [v for part in parts for v in part.about[name]] for name in kind.beside if name in parts[0].about
            }
            arrays = kind.located(arrays, texts)
        told[kind.columns[0]] = kind.plain(arrays)
    rows = [dict(zip(told, each, strict=True)) for each in zip(*told.values(), strict=True)]
    out, at = [], 0
    for part in parts:
        out.append(rows[at : at + part.count])
        at += part.count
    return out


def _found(model: Model, blocks: dict[str, Arrays], count: int) -> dict[str, dict[str, Any]]:
    dense = all(isinstance(array, np.ndarray) for arrays in blocks.values() for array in arrays.values())
    with torch.inference_mode():
        if not dense or count > model.plan.rows_a_call:  # texts of like length go together
            return model.trusted(answers(model.network, blocks, count, model.plan))
        device = model.plan.device
        batch = Batch({key: tensors(arrays, device) for key, arrays in blocks.items()}, rows=torch.arange(count))
        return model.trusted(driver.answer(model.network, batch))


def _joined(parts: list[Arrays]) -> Arrays:
    out: Arrays = {}
    for name, first in parts[0].items():
        arrays: list[Any] = [part[name] for part in parts]
        if isinstance(first, Ragged):
            lengths = np.concatenate([array.lengths for array in arrays])
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            out[name] = Ragged(np.concatenate([array.values for array in arrays]), offsets)
        else:
            out[name] = np.concatenate(arrays)
    return out
