"""One element after its past, through all layers in one call of C: the numbers of `one`, without calling each operation.

B rows, D width, h heads, k heads of keys, d values of a head, F hidden values, P remembered elements.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from netwright.nn.trunks.transformer.fused import RMSNorm
from netwright.runtime import kernels

if TYPE_CHECKING:
    from netwright.nn.trunks.transformer.net import Layer, Net

Cache = tuple[tuple[Tensor, Tensor], ...]
LEAST = 64  # elements for which there is room at first, beyond those remembered


class CLayer(ctypes.Structure):
    """A layer's weights and its part of the memory, as addresses."""

    _fields_ = [
        *((name, kernels.Map) for name in ("qkv", "merge", "gate_up", "down")),
        *((name, ctypes.c_void_p) for name in ("attention_norm", "dense_norm", "query_norm", "key_norm", "keys", "values")),
    ]  # fmt: skip


class CSizes(ctypes.Structure):
    """How many there are of what."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("B", "D", "heads", "key_heads", "d", "F", "depth", "past", "room", "threads", "turns")),
        ("epsilon", ctypes.c_float),
    ]  # fmt: skip


@dataclass(frozen=True)
class Room:
    """Keys and values (depth, B, k, room, d), of which the first `used` elements are there, and the layers' addresses.

    Who goes on from a memory writes the next element into its room; that memory is then no longer the newest of the room
    (`newest[0]` elements are there), and who goes on from it once more begins a room of its own.
    """

    keys: Tensor
    values: Tensor
    layers: Any
    held: list[Tensor]  # the weights that the layers' addresses are of
    used: int
    newest: list[int]

    def cache(self) -> Cache:
        """Return each layer's keys and values (B, k, P, d)."""
        parts = (part[:, :, :, : self.used].unbind(0) for part in (self.keys, self.values))
        return tuple(zip(*parts, strict=True))


def step(
    trunk: Net, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, past: Cache, room: Room | None
) -> tuple[Tensor, Room] | None:
    """(B, D) -> (B, D), normed, and the room with the element's keys and values; None where C cannot do it.

    `turn`: cosines and sines (B or 1, 1, 1, d/2); `mask` (B, 1, 1, P + 1) says which are seen.
    """
    if not kernels.takes(x) or not trunk.goes_in_c or (few := kernels.library()) is None:
        return None
    P = past[0][0].shape[2]
    if room is None or room.newest[0] != P or room.keys.shape[3] == P:
        room = _begun(trunk, past) if room is None else _roomy(room.layers, room.held, past)
        if room is None:
            return None
    layer: Layer = trunk.layers[0]  # type: ignore[assignment]
    B, D = x.shape
    sizes = CSizes(B, D, layer.heads, layer.key_heads, layer.d, layer.hidden, trunk.depth, P, room.keys.shape[3], 1, len(turn[0]), trunk.norm.eps)  # fmt: skip
    x, out = x.clone(memory_format=torch.contiguous_format), torch.empty(B, D)
    cos, sin = (part.contiguous() for part in turn)
    seen = None if mask is None else mask.contiguous()
    given = [x, cos, sin, seen, trunk.norm.weight, out]
    sent = [ctypes.c_void_p(kernels.address(part)) for part in given]

    def taken(threads: int) -> int:
        sizes.threads = threads
        return few.few_step(room.layers, ctypes.byref(sizes), *sent)

    if kernels.PACE.take(taken):
        raise MemoryError(f"a step of {B} rows after {P} elements")
    room.newest[0] = P + 1
    return out, replace(room, used=P + 1)


def _begun(trunk: Net, past: Cache) -> Room | None:
    """A room with what is remembered, and the layers' addresses; None where a layer is not of plain maps."""
    parts: list[CLayer] = []
    for layer in trunk.layers:
        if (part := _addresses(layer)) is None:  # type: ignore[arg-type]
            return None
        parts.append(part)
    held = [tensor for tensor in trunk.layers.state_dict().values() if isinstance(tensor, Tensor)]
    return _roomy((CLayer * len(parts))(*parts), held, past)


def _roomy(layers: Any, held: list[Tensor], past: Cache) -> Room:
    """A room of its own with what is remembered, and more."""
    layers = type(layers).from_buffer_copy(layers)
    B, k, P, d = past[0][0].shape
    shape = (len(past), B, k, P + max(LEAST, P // 2), d)
    keys, values = (torch.empty(shape) for _ in range(2))
    for number, layer in enumerate(layers):
        keys[number, :, :, :P], values[number, :, :, :P] = past[number]
        layer.keys, layer.values = keys[number].data_ptr(), values[number].data_ptr()
    return Room(keys, values, layers, held, P, [P])


def _addresses(layer: Layer) -> CLayer | None:
    maps = [_mapped(part) for part in (layer.qkv, layer.merge, layer.gate_up, layer.down)]
    norms = [layer.attention_norm, layer.dense_norm, layer.query_norm, layer.key_norm]
    if any(found is None for found in maps) or any(norm is not None and type(norm) is not RMSNorm for norm in norms):
        return None
    return CLayer(*maps, *(norm and norm.weight.data_ptr() for norm in norms), None, None)


def _mapped(part: nn.Module) -> kernels.Map | None:
    if type(part) is nn.Linear:
        return kernels.Map.of(part.weight.data, None, None if part.bias is None else part.bias.data)
    return part.for_few() if isinstance(part, kernels.ForFew) else None
