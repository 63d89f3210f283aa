"""Vectors of rows, for search and clustering: what a network makes of a row before its head answers. n rows, D width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netwright.data.schema import Fitted
from netwright.inference import batching
from netwright.nn.batch import Batch, Lists, Rows, tensors
from netwright.nn.network import Network
from netwright.runtime.arrays import Arrays, Ragged

AT_ONCE = 64  # rows that are read together, of like lengths


def vectors(network: Network, fitted: Fitted, encoded: dict[str, Arrays], count: int) -> np.ndarray:
    """(n, D) float32, each of length 1.

    Of a pretrained network the pooled vector of its own columns; of a text that is written the mean of the states over the
    row's prompt; else the trunk's pooled signal.
    """
    out = by_length(network, lambda batch: _of(network, fitted, batch), encoded, list(encoded), count)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def by_length(
    network: Network, make: Callable[[Batch], Tensor], encoded: dict[str, Arrays], longest: Sequence[str], count: int,
    tell: Callable[[int], None] = lambda done: None,
) -> np.ndarray:  # fmt: skip
    """(n, D) float32: what `make` gives of batches, rows of like lengths in the blocks `longest` together.

    `tell` hears how many rows are done.
    """
    network.eval()
    device = next(iter(network.state_dict().values())).device
    rows = Rows({key: tensors(arrays, device) for key, arrays in encoded.items()}, {}, count=count)
    lengths = np.zeros(count, np.int64)
    for array in (array for key in longest for array in encoded[key].values()):
        if isinstance(array, Ragged):
            lengths += array.lengths
    sizes = torch.from_numpy(lengths)
    order = batching.of_like_lengths(sizes, AT_ONCE, batching.tokens(sizes, device.type, network.trunk.out.width))

    @torch.no_grad()
    def work(chosen: Tensor) -> np.ndarray:
        return make(rows.take(chosen.to(device))).float().cpu().numpy()

    parts = batching.each(order, work, device=device.type, tell=tell)
    if not parts:
        return np.zeros((0, 0), np.float32)
    out = np.empty((count, parts[0].shape[1]), np.float32)
    out[torch.cat(order).numpy()] = np.concatenate(parts)
    return out


def _of(network: Network, fitted: Fitted, batch: Batch) -> Tensor:
    """(B, D) or, of an ensemble, (B, K · D)."""
    key, kind = next(iter(fitted.targets.items()), ("", None))  # an untrained checkpoint has no target
    if kind is not None and kind.needs == "stimulus" and not fitted.inputs:
        ids = batch.inputs[key]["ids"]
        assert isinstance(ids, Lists)
        tokens, real = ids.padded()
        head: Any = network.heads[key]
        signal, _ = network.trunk.step(
            network.read(batch), head.shown(tokens.long(), document=torch.where(real, 0, -1))
        )  # type: ignore[operator, arg-type]
        return signal.pooled()
    return network.vector(batch)


def nearest(queries: np.ndarray, kept: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places (n, k) of the nearest kept vectors to each query, the nearest first, and their cosines (n, k)."""
    count = min(count, len(kept))
    places, cosines = [], []
    for at in range(0, len(queries), 4096):  # so that memory is bounded
        cosine = queries[at : at + 4096] @ kept.T
        some = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        order = np.take_along_axis(-cosine, some, 1).argsort(1, kind="stable")
        places.append(np.take_along_axis(some, order, 1))
        cosines.append(np.take_along_axis(cosine, places[-1], 1))
    return np.concatenate(places), np.concatenate(cosines)
