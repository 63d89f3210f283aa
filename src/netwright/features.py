"""What a pretrained network that stays as it is makes of each row: computed once, kept in the cache. n rows, D width."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from netwright import cache
from netwright.arrays import Arrays, Ragged
from netwright.batch import Rows, tensors
from netwright.events import say
from netwright.network import KNOWN, Network
from netwright.trunks.pretrained.settings import Settings

AT_ONCE = 64  # rows that go through the network together
TOKENS = 8192  # of these rows, padding among them


def known(work: Any, network: Callable[[], Network]) -> Any:
    """Return the work with the pretrained network's own columns replaced by what it makes of them, its body fixed.

    None where its body does not stay as it is at any time, or an answer looks at each of its tokens.
    """
    family = work.family
    how = family.adapt.how if isinstance(family, Settings) and family.adapt else ""
    if how not in ("frozen", "head") or any(kind.elementwise for kind in work.fitted.targets.values()):
        return None
    assert isinstance(family, Settings) and family.adapt is not None
    own = [key for key, kind in work.fitted.inputs.items() if family.want(kind.kind, outputs=1).form in ("ids", "grid")]  # type: ignore[attr-defined]
    held = {key: work.inputs[key] for key in own}
    name = f"features {family.digest} {family.pooling} {family.length} {_content(held)}"

    def encode() -> Arrays:
        began = time.perf_counter()
        values = _computed(network(), held, work.inputs)
        text = f"{len(values):,} rows went through the pretrained network once, in {time.perf_counter() - began:.0f} s"
        say("step", "features", text, rows=len(values))
        return {"values": values}

    found = cache.kept(name, encode)
    inputs = {KNOWN: found, **{key: arrays for key, arrays in work.inputs.items() if key not in own}}
    fixed = family.model_copy(update={"adapt": family.adapt.model_copy(update={"how": "frozen"})})
    recipe = work.recipe.model_copy(update={"model": fixed.model_dump(mode="json")})
    return replace(work, inputs=inputs, family=fixed, recipe=recipe)


def _content(held: dict[str, Arrays]) -> str:
    """A hash of encoded columns."""
    digest = hashlib.blake2b(digest_size=20)
    for key in sorted(held):
        for name, array in sorted(held[key].items()):
            digest.update(f"{key} {name}".encode())
            for part in (array.values, array.offsets) if isinstance(array, Ragged) else (array,):
                digest.update(np.ascontiguousarray(part).data)  # type: ignore[arg-type]
    return digest.hexdigest()


def _computed(network: Network, held: dict[str, Arrays], every: dict[str, Arrays]) -> np.ndarray:
    """(n, D) float32, rows of like lengths together."""
    network.eval()
    device = next(network.parameters()).device
    blocks = {key: tensors(arrays, device) for key, arrays in every.items()}
    count = len(next(iter(next(iter(held.values())).values())))
    rows = Rows(blocks, {}, count=count)
    lengths = np.zeros(count, np.int64)
    for arrays in held.values():
        for array in arrays.values():
            if isinstance(array, Ragged):
                lengths += array.lengths
    order, out, at = np.argsort(-lengths, kind="stable"), None, 0
    with torch.inference_mode():
        while at < count:
            size = int(min(AT_ONCE, max(1, TOKENS // max(int(lengths[order[at]]), 1))))
            chosen = order[at : at + size]
            found = network.known(rows.take(torch.from_numpy(chosen).to(device))).float().cpu().numpy()
            out = np.empty((count, found.shape[1]), np.float32) if out is None else out
            out[chosen] = found
            at += size
            say("progress", "features.rows", "reading rows with the pretrained network", step=at, steps=count)
    assert out is not None
    return out
