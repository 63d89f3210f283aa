"""The user's own stack, built layer by layer. B rows, T elements, D width (channels of a grid)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.errors import InputError, Problem
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.cells import Cells
from netwright.nn.trunks.layers.settings import (  # fmt: skip
    ActivationLayer,
    Attention,
    AveragePool,
    Convolution,
    Dense,
    Dropout,
    Embedding,
    Entry,
    Initial,
    MaxPool,
    Position,
    Recurrent,
    Residual,
    Settings,
)

ACTIVATIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "identity": lambda x, _: x,
    "sigmoid": lambda x, _: x.sigmoid(),
    "tanh": lambda x, _: x.tanh(),
    "relu": lambda x, _: F.relu(x),
    "leaky_relu": lambda x, _: F.leaky_relu(x, 0.01),
    "gelu": lambda x, _: F.gelu(x),
    "silu": lambda x, _: F.silu(x),
    "softmax": lambda x, axis: x.softmax(axis),
}
RISING = ("relu", "leaky_relu", "sigmoid", "tanh")
RMS_EPSILON = 1e-6  # Llama's; torch's own default follows the precision, and in bfloat16 it is 0.008


class Net(Trunk):
    """The stack; its last layer gives the answer."""

    ends_in_target = True

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        entries = settings.layers[1:] if settings.embedding is not None else settings.layers
        shape = inputs[0] if len(inputs) == 1 else Shape("vector", sum(shape.width for shape in inputs))
        self.layers, self.out = stack(entries, shape, "model.layers", folds=True)
        if self.out.layout != "vector":
            raise InputError(Problem(
                "model.layers", f"the last layer gives a {self.out.layout}", allowed="a vector",
                fix="put flatten, average_pool or a recurrent layer before the last dense layer",
            ))  # fmt: skip
        if self.out.width != outputs:
            raise InputError(Problem(
                "model.layers", f"the last layer gives {self.out.width} values", allowed=f"{outputs}, as the targets need",
                fix=f"end with dense: {outputs}, or for two classes dense: {{units: 1, activation: sigmoid}}",
            ))  # fmt: skip

    def read(self, signals: Sequence[Signal]) -> Memory:
        signal = (
            signals[0] if len(signals) == 1 else Signal(torch.cat([signal.values for signal in signals], 1), "vector")
        )
        if signal.layout == "grid":  # the layout that processors convolve and pool fastest
            signal = replace(signal, values=signal.values.contiguous(memory_format=torch.channels_last))
        for layer in self.layers:
            signal = layer(signal)
        return Memory(signal)


def stack(entries: Sequence[Entry], shape: Shape, where: str, *, folds: bool = False) -> tuple[nn.ModuleList, Shape]:
    """Build the layers for an input of this shape; return them and the shape that comes out.

    `folds`: a softmax or sigmoid at the end is left to the loss.
    """
    layers = nn.ModuleList()
    for number, entry in enumerate(entries, 1):
        last = folds and number == len(entries)
        if last and isinstance(entry.layer, ActivationLayer) and entry.layer.name in ("softmax", "sigmoid"):
            continue
        layer = BUILDERS[entry.name](entry, shape, f"{where}.{number}.{entry.name}")
        before = layers[-1] if len(layers) else None
        if isinstance(layer, _Pool) and not layer.mean and isinstance(before, _Map) and before.activation in RISING:
            # the largest of rising values is the rising value of the largest: activate after pooling, a quarter of them
            layer.activation, before.activation = before.activation, "identity"
        if last and isinstance(layer, _Map) and layer.activation in ("softmax", "sigmoid"):
            layer.activation = "identity"
        layers.append(layer)
        shape = layer.out
    return layers, shape


class Step(nn.Module):
    """One layer: a signal in, a signal out. `out` is the shape that comes out."""

    out: Shape


class _Map(Step):
    """A linear map (dense or convolution) and an activation."""

    def __init__(
        self, inner: nn.Module, activation: str, init: Initial | None, out: Shape, *, same: bool = False
    ) -> None:
        super().__init__()
        if isinstance(inner, nn.Conv2d):
            inner = inner.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.inner, self.activation, self.out, self.same = inner, activation, out, same
        relu_like = activation in ("relu", "leaky_relu", "gelu", "silu")
        initialise(inner.weight, init or ("he" if relu_like else "glorot"))  # type: ignore[arg-type]
        if inner.bias is not None:
            nn.init.zeros_(inner.bias)  # type: ignore[arg-type]

    def forward(self, signal: Signal) -> Signal:
        x = signal.values
        if isinstance(self.inner, nn.Conv1d):
            if signal.document is not None:
                x = x * (signal.document >= 0)[..., None]  # padding must not leak into its neighbours
            (size,), (stride,) = self.inner.kernel_size, self.inner.stride
            if not self.same and x.shape[1] < size:  # a text shorter than the filter is one window
                x = F.pad(x, (0, 0, 0, size - x.shape[1]))
            y = self.inner(self._edged(x.transpose(1, 2))).transpose(1, 2)
            where = {} if self.same else _windows(signal, size, stride, y.shape[1])
            return replace(signal, values=ACTIVATIONS[self.activation](y, -1), **where)
        axis = 1 if signal.layout in ("grid", "volume") else -1
        return replace(signal, values=ACTIVATIONS[self.activation](self.inner(self._edged(x)), axis))

    def _edged(self, x: Tensor) -> Tensor:
        """Zeros round the edge, one more behind than before where the filter's side is even."""
        if not self.same:
            return x
        lost = [size - 1 for size in reversed(self.inner.kernel_size)]  # type: ignore[union-attr]
        return F.pad(x, [side for each in lost for side in (each // 2, each - each // 2)])


def initialise(weight: Tensor, how: Initial) -> None:
    """Start a weight matrix: Glorot & Bengio 2010 (uniform), He et al. 2015 (normal), Saxe et al. 2014, or zeros."""
    if how == "glorot":
        nn.init.xavier_uniform_(weight)
    elif how == "he":
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    elif how == "orthogonal":
        nn.init.orthogonal_(weight)
    else:
        nn.init.zeros_(weight)


def _windows(signal: Signal, size: int, stride: int, count: int) -> dict[str, Any]:
    """Which of a sequence's `count` windows are real: those that hold no padding; a row shorter than one has one."""
    if signal.document is None:
        return {"position": None, "column": None}
    real = (signal.document >= 0).sum(1)  # (B,)
    windows = ((real - size) // stride + 1).clamp(min=1) * (real > 0)
    place = torch.arange(count, device=real.device)
    return {"position": None, "column": None, "document": torch.where(place < windows[:, None], 0, -1)}


def _dense(entry: Entry, shape: Shape, where: str) -> Step:
    assert isinstance(entry.layer, Dense)
    if shape.layout in ("grid", "volume"):
        raise InputError(
            Problem(where, f"a dense layer cannot follow a {shape.layout}", fix="put flatten or average_pool before it")
        )
    inner = nn.Linear(shape.width, entry.layer.units, bias=entry.layer.bias)
    return _Map(inner, entry.layer.activation, entry.layer.init, replace(shape, width=entry.layer.units))


def _embedding(entry: Entry, shape: Shape, where: str) -> Step:
    assert isinstance(entry.layer, Embedding)
    raise InputError(Problem(where, "an embedding reads tokens of a text", allowed="the first layer only"))


def _convolution(entry: Entry, shape: Shape, where: str) -> Step:
    layer = entry.layer
    assert isinstance(layer, Convolution)
    if shape.layout == "vector":
        raise InputError(
            Problem(where, "there is nothing to convolve in a vector", allowed="after a text, an image or a video")
        )
    kind = {"sequence": nn.Conv1d, "grid": nn.Conv2d, "volume": nn.Conv3d}[shape.layout]
    if layer.padding == "same" and layer.stride > 1:
        raise InputError(Problem(where, "padding same with a stride", allowed="stride 1 with same, or padding valid"))
    sides = (shape.length,) if shape.layout == "sequence" else shape.size
    lost = 0 if layer.padding == "same" else layer.kernel - 1
    if any(side is not None and side - lost < 1 for side in sides):
        raise InputError(
            Problem(where, f"a filter of {layer.kernel} does not fit into {sides}", fix="use a smaller kernel")
        )
    left = tuple(None if side is None else (side - lost - 1) // layer.stride + 1 for side in sides)
    inner = kind(shape.width, layer.channels, layer.kernel, stride=layer.stride)
    if shape.layout == "sequence":
        out = Shape("sequence", layer.channels, length=left[0])
    else:
        out = replace(shape, width=layer.channels, size=tuple(side for side in left if side is not None))
    return _Map(inner, layer.activation, layer.init, out, same=layer.padding == "same")


class _Pool(Step):
    def __init__(self, size: int, mean: bool, shape: Shape) -> None:
        super().__init__()
        self.size, self.mean, self.activation = size, mean, "identity"
        if shape.layout == "sequence":
            self.out = replace(shape, length=None if shape.length is None else shape.length // size)
        else:
            self.out = replace(shape, size=tuple(side // size for side in shape.size))

    def forward(self, signal: Signal) -> Signal:
        pooled = self._pooled(signal)
        axis = 1 if signal.layout in ("grid", "volume") else -1
        return replace(pooled, values=ACTIVATIONS[self.activation](pooled.values, axis))

    def _pooled(self, signal: Signal) -> Signal:
        x = signal.values
        if signal.layout == "grid":
            return replace(signal, values=(F.avg_pool2d if self.mean else F.max_pool2d)(x, self.size))
        if signal.layout == "volume":
            return replace(signal, values=(F.avg_pool3d if self.mean else F.max_pool3d)(x, self.size))
        if signal.document is not None:
            x = x.masked_fill((signal.document < 0)[..., None], 0.0 if self.mean else -torch.inf)
        real = (signal.documents() >= 0).to(x.dtype)[:, None]  # (B, 1, T)
        if x.shape[1] < self.size:  # a text shorter than one window is one window
            x = F.pad(x, (0, 0, 0, self.size - x.shape[1]), value=0.0 if self.mean else -torch.inf)
            real = F.pad(real, (0, self.size - real.shape[2]))
        where = _windows(signal, self.size, self.size, x.shape[1] // self.size)
        if self.mean:
            share = F.avg_pool1d(real, self.size).clamp(min=1 / self.size)  # padding has no say in a mean
            y = F.avg_pool1d(x.transpose(1, 2), self.size) / share
        else:
            y = F.max_pool1d(x.transpose(1, 2), self.size)
            y = y.masked_fill(y.isinf(), 0.0)
        return replace(signal, values=y.transpose(1, 2), **where)


class _PoolAll(Step):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.out = Shape("vector", shape.width)

    def forward(self, signal: Signal) -> Signal:
        return Signal(signal.pooled(), "vector")


def _pool(entry: Entry, shape: Shape, where: str) -> Step:
    layer = entry.layer
    assert isinstance(layer, MaxPool | AveragePool)
    if layer.size is None:
        return _PoolAll(shape)
    if shape.layout == "vector":
        raise InputError(
            Problem(where, "there is nothing to pool in a vector", allowed="after a text, an image or a video")
        )
    pool = _Pool(layer.size, isinstance(layer, AveragePool), shape)
    if any(side < 1 for side in pool.out.size):
        raise InputError(
            Problem(where, f"a window of {layer.size} does not fit into {shape.size}", fix="pool less often")
        )
    return pool


class _Flatten(Step):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        length = shape.length if shape.layout == "sequence" else math.prod(shape.size)
        assert length is not None
        self.out = Shape("vector", shape.width * length)

    def forward(self, signal: Signal) -> Signal:
        return Signal(signal.values.flatten(1), "vector")


def _flatten(entry: Entry, shape: Shape, where: str) -> Step:
    if shape.layout == "vector":
        return _Each(nn.Identity(), shape)
    if shape.layout == "sequence" and shape.length is None:
        raise InputError(
            Problem(where, "texts differ in length, so their flat vectors would too", fix="use average_pool or lstm")
        )
    return _Flatten(shape)


class _Each(Step):
    """A module that treats each element by itself, along the last axis or as it is."""

    def __init__(self, inner: nn.Module, shape: Shape, channels_last: bool = False) -> None:
        super().__init__()
        self.inner, self.out, self.channels_last = inner, shape, channels_last

    def forward(self, signal: Signal) -> Signal:
        x = signal.values
        if self.channels_last and signal.layout in ("grid", "volume"):
            return replace(signal, values=self.inner(x.movedim(1, -1)).movedim(-1, 1))
        return replace(signal, values=self.inner(x))


class _BatchNorm(Step):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        kind = {"vector": nn.BatchNorm1d, "sequence": nn.BatchNorm1d, "grid": nn.BatchNorm2d, "volume": nn.BatchNorm3d}
        self.inner, self.out = kind[shape.layout](shape.width), shape

    def forward(self, signal: Signal) -> Signal:
        x = signal.values
        if signal.layout != "sequence":
            return replace(signal, values=self._normed(x))
        real = signal.documents() >= 0  # padding has no say in the statistics
        y = torch.zeros_like(x)
        y[real] = self._normed(x[real])
        return replace(signal, values=y)

    def _normed(self, x: Tensor) -> Tensor:
        if not self.training or x.numel() > x.shape[1]:
            return self.inner(x)
        own = self.inner  # a lone value has no variance: the last batch of one row takes the running statistics
        return F.batch_norm(x, own.running_mean, own.running_var, own.weight, own.bias, eps=own.eps)


class _Activation(Step):
    def __init__(self, name: str, shape: Shape) -> None:
        super().__init__()
        self.name, self.out = name, shape

    def forward(self, signal: Signal) -> Signal:
        axis = 1 if signal.layout in ("grid", "volume") else -1
        return replace(signal, values=ACTIVATIONS[self.name](signal.values, axis))


class _Recurrent(Step):
    """Recurrent cells, which give the last state of each row or all states."""

    def __init__(self, name: str, layer: Recurrent, shape: Shape) -> None:
        super().__init__()
        self.gives = layer.gives
        self.cells = Cells(name, shape.width, layer.units, both_ways=layer.both_ways)
        width = self.cells.width
        self.out = replace(shape, width=width) if layer.gives == "sequence" else Shape("vector", width)

    def forward(self, signal: Signal) -> Signal:
        states, last = self.cells(signal.values, (signal.documents() >= 0).sum(1).clamp(min=1))
        return Signal(last, "vector") if self.gives == "last" else replace(signal, values=states)


class _Attention(Step):
    """softmax(QKᵀ / √d) V for each head, then a linear map (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, layer: Attention, shape: Shape) -> None:
        super().__init__()
        self.heads, self.causal, self.out = layer.heads, layer.causal, shape
        self.qkv, self.merge = nn.Linear(shape.width, 3 * shape.width), nn.Linear(shape.width, shape.width)
        for inner in (self.qkv, self.merge):
            nn.init.xavier_uniform_(inner.weight)
            nn.init.zeros_(inner.bias)

    def forward(self, signal: Signal) -> Signal:
        B, T, D = signal.values.shape
        q, k, v = self.qkv(signal.values).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        mask = None
        if signal.document is not None:
            mask = (signal.document >= 0)[:, None, None, :].expand(B, 1, T, T)
            if self.causal:
                mask = mask & torch.ones(T, T, dtype=torch.bool, device=q.device).tril()
            mask = mask | torch.eye(T, dtype=torch.bool, device=q.device)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal and mask is None)
        return replace(signal, values=self.merge(mixed.transpose(1, 2).reshape(B, T, D)))


class _Position(Step):
    """Sine and cosine of position / 10000^(2i/D) (Vaswani et al. 2017, section 3.5), or learnt vectors."""

    def __init__(self, layer: Position, shape: Shape) -> None:
        super().__init__()
        self.out, D = shape, shape.width
        if layer.encoding == "learned":
            self.place = nn.Parameter(torch.randn(layer.length, D) * 0.02)
            return
        half = torch.arange(0, D, 2)
        angle = torch.arange(layer.length)[:, None] * 10_000.0 ** (-half / D)
        table = torch.zeros(layer.length, D)
        table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()[:, : D // 2]
        self.register_buffer("place", table, persistent=False)

    def forward(self, signal: Signal) -> Signal:
        return replace(signal, values=signal.values + self.place[signal.positions()])  # type: ignore[index]


class _Residual(Step):
    def __init__(self, layers: nn.ModuleList, shape: Shape) -> None:
        super().__init__()
        self.layers, self.out = layers, shape

    def forward(self, signal: Signal) -> Signal:
        inner = signal
        for layer in self.layers:
            inner = layer(inner)
        return replace(inner, values=inner.values + signal.values)


def _sequence(entry: Entry, shape: Shape, where: str) -> Step:
    if shape.layout != "sequence":
        raise InputError(
            Problem(where, f"it reads a sequence, and gets a {shape.layout}", fix="begin the stack with embedding")
        )
    layer = entry.layer
    if isinstance(layer, Recurrent):
        return _Recurrent(entry.name, layer, shape)
    if isinstance(layer, Attention):
        if shape.width % layer.heads:
            raise InputError(Problem(where, f"{layer.heads} heads do not divide a width of {shape.width}"))
        return _Attention(layer, shape)
    assert isinstance(layer, Position)
    return _Position(layer, shape)


def _residual(entry: Entry, shape: Shape, where: str) -> Step:
    assert isinstance(entry.layer, Residual)
    layers, out = stack(entry.layer.layers, shape, where)
    if out != shape:
        raise InputError(Problem(where, f"its layers turn {shape} into {out}", allowed="layers that keep the shape"))
    return _Residual(layers, shape)


def _other(entry: Entry, shape: Shape, where: str) -> Step:
    layer = entry.layer
    if isinstance(layer, Dropout):
        return _Each(nn.Dropout(layer.share), shape)
    if isinstance(layer, ActivationLayer):
        return _Activation(layer.name, shape)
    norm = nn.LayerNorm(shape.width) if entry.name == "layer_norm" else nn.RMSNorm(shape.width, eps=RMS_EPSILON)
    return _Each(norm, shape, channels_last=True)


BUILDERS: dict[str, Callable[[Entry, Shape, str], Step]] = {
    "dense": _dense, "embedding": _embedding, "convolution": _convolution, "max_pool": _pool, "average_pool": _pool,
    "flatten": _flatten, "dropout": _other, "batch_norm": lambda entry, shape, where: _BatchNorm(shape),
    "layer_norm": _other, "rms_norm": _other, "rnn": _sequence, "lstm": _sequence, "gru": _sequence,
    "attention": _sequence, "position": _sequence, "activation": _other, "residual": _residual,
}  # fmt: skip
