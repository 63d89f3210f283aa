"""All layers of a decoder, one after the other: an operation, whose compiled form takes one element after its past.

While a text is written, each layer sees one element of a few rows: calling a layer's operations took as long as its products.
The compiled code (`decoder.c`) goes through all layers in one call, and keys and values grow in place.

B rows, N elements, D width, h heads, k heads of keys, d values of a head, F hidden values, P remembered elements.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from netwright.nn.trunks.transformer.layer import Layer, Pair, RMSNorm, frequencies, rotation
from netwright.nn.trunks.transformer.settings import Settings
from netwright.runtime.kernels import operation
from netwright.runtime.kernels.native import call
from netwright.runtime.kernels.operation import drawn
from netwright.runtime.kernels.products import PACE, Linear, Matrix, few

Cache = tuple[Pair, ...]
LEAST = 64  # elements for which there is room at first, beyond those remembered


@runtime_checkable
class Packed(Protocol):
    """A linear map that says by itself how compiled code reads its weights."""

    def matrix(self) -> Matrix | None:
        """Return the map; None where compiled code cannot read it."""
        ...


class _Layer(ctypes.Structure):
    """A layer's weights and its part of the memory, as addresses."""

    _fields_ = [
        *((name, Matrix) for name in ("qkv", "merge", "gate_up", "down")),
        *((name, ctypes.c_void_p) for name in ("attention_norm", "dense_norm", "query_norm", "key_norm", "keys", "values")),
    ]  # fmt: skip


class _Sizes(ctypes.Structure):
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


def _compiled(
    layers: Sequence[Layer], last: RMSNorm, x: Tensor, turn: Pair, mask: Tensor | None, past: Cache, room: Room | None, *,
    causal: bool = False,
) -> tuple[Tensor, Cache, Room | None]:  # fmt: skip
    P = past[0][0].shape[2]
    if room is None:
        room = _roomy(_addresses(layers), _weights(layers), past)
    elif room.newest[0] != P or room.keys.shape[3] == P:
        room = _roomy(room.layers, room.held, past)
    B, D, layer = len(x), x.shape[-1], layers[0]
    sizes = _Sizes(B, D, layer.heads, layer.key_heads, layer.d, layer.hidden, len(layers), P, room.keys.shape[3], 1, len(turn[0]), last.eps)  # fmt: skip
    x, out = x.clone(memory_format=torch.contiguous_format), torch.empty(B, 1, D)
    given = [x, *(part.contiguous() for part in turn), None if mask is None else mask.contiguous(), last.weight, out]
    addresses = room.layers

    def taken(threads: int) -> None:
        sizes.threads = threads
        call("decoder", addresses, sizes, *given)

    PACE.take(taken)
    room.newest[0] = P + 1
    room = replace(room, used=P + 1)
    return out, room.cache(), room


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


def _addresses(layers: Sequence[Layer]) -> Any:
    parts = []
    for layer in layers:
        maps = [_matrix(part) for part in (layer.qkv, layer.merge, layer.gate_up, layer.down)]
        norms = [layer.attention_norm, layer.dense_norm, layer.query_norm, layer.key_norm]
        parts.append(_Layer(*maps, *(norm and norm.weight.data_ptr() for norm in norms), None, None))
    return (_Layer * len(parts))(*parts)


def _weights(layers: Sequence[Layer]) -> list[Tensor]:
    return [tensor for layer in layers for tensor in layer.state_dict().values()]


def _matrix(part: nn.Module) -> Matrix | None:
    if isinstance(part, Packed):
        return part.matrix()
    if type(part) is not Linear:  # something is put beside it, or hidden in it
        return None
    return Matrix.of(part.weight.data, None, None if part.bias is None else part.bias.data)


def _takes(
    layers: Sequence[Layer], last: RMSNorm, x: Tensor, turn: Pair, mask: Tensor | None, past: Cache, room: Room | None, *,
    causal: bool = False,
) -> bool:  # fmt: skip
    """One element of few rows after its past, nothing that learns or drops out, maps that compiled code can read."""
    one = bool(past) and x.shape[1] == 1 and few(x) and not layers[0].training
    return one and (room is not None or all(map(_readable, layers)))


def _readable(layer: Layer) -> bool:
    """Whether compiled code can read a layer: plain maps, and nothing put beside them."""
    maps = (layer.qkv, layer.merge, layer.gate_up, layer.down)
    return layer.crossed_norm is None and all(_matrix(part) is not None for part in maps)


def _examples() -> Iterator[tuple[Any, ...]]:
    """Heads of their own, shared, biased, normed, of a size of their own; rows of like and of unlike length."""
    for form in (
        {"width": 32, "heads": 4}, {"width": 24, "heads": 6, "key_heads": 2, "hidden": 50}, {"width": 32, "heads": 2, "biased": True},
        {"width": 36, "heads": 3, "key_heads": 1, "normed": True, "epsilon": 1e-5}, {"width": 20, "heads": 2, "head_size": 34},
    ):  # fmt: skip
        settings = Settings.model_validate({"depth": 3, "dropout": 0.0, **form})
        layers = [Layer(settings).eval() for _ in range(3)]
        last, d = RMSNorm(layers[0].attention_norm.weight.numel(), settings.epsilon), layers[0].d
        for seed, weight in enumerate(weight for part in (*layers, last) for weight in part.parameters()):
            weight.data = 0.3 * drawn(*weight.shape, seed=seed, learns=False) + (weight.ndim == 1)
        for rows in (1, 2, 3, 7, 8, 16):
            past = tuple((drawn(rows, layers[0].key_heads, 6, d, seed=n, learns=False), drawn(rows, layers[0].key_heads, 6, d, seed=n + 9, learns=False)) for n in range(3))  # fmt: skip
            place = torch.arange(rows)[:, None] % 5 + 2 if rows > 1 else torch.tensor([[6]])
            mask = torch.arange(7) >= (7 - place - 1)[:, None, None] if rows > 1 else None
            yield (
                layers,
                last,
                drawn(rows, 1, len(last.weight), learns=False),
                rotation(place, frequencies(d, 1e4), torch.float32),
                mask,
                past,
                None,
            )


@operation(compiled=_compiled, takes=_takes, examples=_examples, tolerance=2e-5)
def decoder(
    layers: Sequence[Layer], last: RMSNorm, x: Tensor, turn: Pair, mask: Tensor | None, past: Cache, room: Room | None, *,
    causal: bool = False,
) -> tuple[Tensor, Cache, Room | None]:  # fmt: skip
    """(B, N, D) -> (B, N, D) through all layers and the last norm; each layer's keys and values (B, k, P + N, d), and their room.

    `turn`: cosines and sines (B or 1, 1, N, d/2); `mask` (B, 1, N, P + N) says which elements are seen; `past`: keys and
    values (B, k, P, d) by layer, which stand in `room` where the compiled code wrote them.
    """
    cache = []
    for index, layer in enumerate(layers):
        x, kept = layer(x, turn, mask, past[index] if past else None, causal=causal)
        cache.append(kept)
    return last(x), tuple(cache), None
