"""Every layer of the `layers` family equals a plain reference, forward and gradient, with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from netwright.errors import InputError
from netwright.kinds.text import Input as TextInput
from netwright.nn.batch import Lists
from netwright.nn.signal import Signal
from netwright.nn.stems.text import Stem as TextStem
from netwright.nn.trunks.layers.net import Step
from netwright.nn.trunks.layers.settings import KINDS, Settings

from .agreement import LENGTHS, SHAPES, agree, check, padding, step, with_weights


def test_each_layer_that_is_offered_is_tested() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert not [name for name in KINDS if f'"{name}"' not in text]


@pytest.mark.parametrize("layout", ["vector", "sequence"])
def test_dense(layout: str) -> None:
    check({"dense": 6}, layout, lambda x, own: x @ own.inner.weight.T + own.inner.bias)
    check({"dense": {"units": 6, "bias": False}}, layout, lambda x, own: x @ own.inner.weight.T)


def test_an_embedding_is_a_one_hot_row_times_its_table() -> None:
    want = Settings.model_validate({"layers": [{"embedding": 4}]}).want("sequence", outputs=1)
    stem = TextStem(TextInput(columns=("t",), tokens="words", vocabulary=11, length=9, lowercase=True), want).double()
    ids = Lists(torch.tensor([3, 5, 5, 10, 2]), torch.tensor([0, 3, 3, 5]))  # rows of 3, 0 and 2 tokens
    rows = torch.tensor([[3, 5, 5], [0, 0, 0], [10, 2, 0]])
    assert stem({"ids": ids}).documents().tolist() == [[0, 0, 0], [-1, -1, -1], [0, 0, -1]]
    ours = with_weights(stem, {})
    agree(
        lambda table: torch.func.functional_call(stem, {"table.weight": table}, ({"ids": ids},)).values,
        lambda table: F.one_hot(rows, 11).double() @ table,
        stem.table.weight,
    )
    assert ours({"ids": ids}).layout == "sequence"


CONVOLUTIONS = {"sequence": F.conv1d, "grid": F.conv2d, "volume": F.conv3d}


@pytest.mark.filterwarnings("ignore:Using padding")  # of torch, for its own even filters
@pytest.mark.parametrize("layout", CONVOLUTIONS)
@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2}, {"kernel": 2}, {"padding": "same"}, {"padding": "same", "kernel": 4}, {"kernel": 1}]
)
def test_convolution(layout: str, settings: dict[str, Any]) -> None:
    padded: Any = "same" if settings.get("padding") == "same" else 0

    def theirs(x: Tensor, own: Any) -> Tensor:
        x = x.transpose(1, 2) if layout == "sequence" else x
        y = CONVOLUTIONS[layout](x, own.inner.weight, own.inner.bias, settings.get("stride", 1), padded)
        return y.transpose(1, 2) if layout == "sequence" else y

    check({"convolution": {"channels": 5, "kernel": 3, **settings}}, layout, theirs)


def alone(entry: Any, reference: Any) -> None:
    """Assert that a layer over padded texts of unlike length gives each what the reference gives it by itself."""
    layer, document = step(entry, SHAPES["sequence"]), padding()
    x = torch.randn(3, 7, 4, dtype=torch.float64)

    def ours(values: Tensor) -> Tensor:
        signal = layer(Signal(values, "sequence", document=document))
        rows = (
            signal.values
            if signal.layout == "vector"
            else [v[d >= 0] for v, d in zip(signal.values, signal.documents(), strict=True)]
        )
        return torch.cat([row.flatten() for row in rows])

    def theirs(values: Tensor) -> Tensor:
        return torch.cat(
            [reference(values[k : k + 1, :length], layer)[0].flatten() for k, length in enumerate(LENGTHS)]
        )

    agree(ours, theirs, x, list(layer.parameters()))


@pytest.mark.parametrize(("kernel", "stride", "same"), [(3, 1, False), (2, 2, False), (3, 1, True)])
def test_a_convolution_over_texts_sees_no_padding(kernel: int, stride: int, same: bool) -> None:
    def theirs(x: Tensor, own: Any) -> Tensor:
        x = F.pad(x.transpose(1, 2), (0, 0 if same else max(0, kernel - x.shape[1])))  # a short text is one window
        padded: Any = "same" if same else 0
        return F.conv1d(x, own.inner.weight, own.inner.bias, stride, padded).transpose(1, 2)

    settings = {"channels": 5, "kernel": kernel, "stride": stride, "padding": "same" if same else "valid"}
    alone({"convolution": settings}, theirs)


POOLS = {
    ("max_pool", "grid"): F.max_pool2d, ("average_pool", "grid"): F.avg_pool2d,
    ("max_pool", "volume"): F.max_pool3d, ("average_pool", "volume"): F.avg_pool3d,
    ("max_pool", "sequence"): lambda x, size: F.max_pool1d(x.transpose(1, 2), size).transpose(1, 2),
    ("average_pool", "sequence"): lambda x, size: F.avg_pool1d(x.transpose(1, 2), size).transpose(1, 2),
}  # fmt: skip


@pytest.mark.parametrize(("name", "layout"), POOLS)
@pytest.mark.parametrize("size", [2, 3])
def test_pooling(name: str, layout: str, size: int) -> None:
    check({name: size}, layout, lambda x, _: POOLS[name, layout](x, size))


@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_pooling_of_texts_sees_no_padding_and_a_short_text_is_one_window(name: str) -> None:
    def theirs(x: Tensor, _: Step) -> Tensor:
        size = min(2, x.shape[1])
        return POOLS[name, "sequence"](x, size)

    alone({name: 2}, theirs)


@pytest.mark.parametrize("layout", ["sequence", "grid", "volume"])
def test_average_pool_without_a_size_is_the_mean_of_all(layout: str) -> None:
    axes = (1,) if layout == "sequence" else tuple(range(2, 4 + (layout == "volume")))
    check({"average_pool": {}}, layout, lambda x, _: x.mean(axes))
    alone({"average_pool": {}}, lambda x, _: x.mean(1))


def test_flatten() -> None:
    for layout in ("vector", "grid", "volume"):
        check("flatten", layout, lambda x, _: x.reshape(len(x), -1))


def test_dropout_is_torchs_while_training_and_nothing_after() -> None:
    layer, x = step({"dropout": 0.3}, SHAPES["vector"]), torch.randn(50, 5, dtype=torch.float64)
    state = torch.get_rng_state()
    ours = layer(Signal(x, "vector")).values
    torch.set_rng_state(state)
    torch.testing.assert_close(ours, F.dropout(x, 0.3))
    kept = ours != 0
    torch.testing.assert_close(ours[kept], x[kept] / 0.7)
    assert torch.equal(layer.eval()(Signal(x, "vector")).values, x)


BATCH_AXES = {"vector": (0,), "grid": (0, 2, 3), "volume": (0, 2, 3, 4)}


@pytest.mark.parametrize("layout", BATCH_AXES)
def test_batch_norm(layout: str) -> None:
    axes = BATCH_AXES[layout]

    def theirs(x: Tensor, own: Any) -> Tensor:
        broad = [1, -1] + [1] * (x.ndim - 2)
        y = (x - x.mean(axes, keepdim=True)) / (x.var(axes, correction=0, keepdim=True) + 1e-5).sqrt()
        return y * own.inner.weight.view(broad) + own.inner.bias.view(broad)

    check("batch_norm", layout, theirs)


def test_batch_norm_keeps_running_statistics_for_later_and_for_a_lone_row() -> None:
    layer, x = step("batch_norm", SHAPES["vector"]), torch.randn(20, 5, dtype=torch.float64)
    layer(Signal(x, "vector"))
    mean, var = 0.1 * x.mean(0), 0.9 + 0.1 * x.var(0)
    expected = (x - mean) / (var + 1e-5).sqrt() * layer.inner.weight + layer.inner.bias
    torch.testing.assert_close(
        layer(Signal(x[:1], "vector")).values, expected[:1]
    )  # still training: an epoch's last row
    torch.testing.assert_close(layer.eval()(Signal(x, "vector")).values, expected)


def test_batch_norm_of_texts_leaves_padding_out_of_its_statistics() -> None:
    real = padding() >= 0

    def theirs(x: Tensor, own: Any) -> Tensor:
        out = torch.zeros_like(x)
        out[real] = F.batch_norm(x[real], None, None, own.inner.weight, own.inner.bias, training=True)
        return out

    check("batch_norm", "sequence", theirs, document=padding())


@pytest.mark.parametrize("layout", ["vector", "sequence", "grid", "volume"])
def test_layer_and_rms_norm_run_over_a_rows_channels(layout: str) -> None:
    axis = 1 if layout in ("grid", "volume") else -1

    def broad(weight: Tensor, x: Tensor) -> Tensor:
        return weight.view([-1] + [1] * (x.ndim - 2)) if axis == 1 else weight

    def layer_norm(x: Tensor, own: Any) -> Tensor:
        y = (x - x.mean(axis, keepdim=True)) / (x.var(axis, correction=0, keepdim=True) + 1e-5).sqrt()
        return y * broad(own.inner.weight, x) + broad(own.inner.bias, x)

    def rms_norm(x: Tensor, own: Any) -> Tensor:
        return x / (x.square().mean(axis, keepdim=True) + 1e-6).sqrt() * broad(own.inner.weight, x)

    check("layer_norm", layout, layer_norm)
    check("rms_norm", layout, rms_norm)


RECURRENT: dict[str, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@pytest.mark.parametrize("gives", ["last", "sequence"])
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layer_over_rows_of_unlike_length(name: str, both_ways: bool, gives: str) -> None:
    """The reference is torch's own, one- or two-way, over a packed sequence, which knows no padding."""
    plain = RECURRENT[name](4, 6, batch_first=True, bidirectional=both_ways).double()
    real = padding() >= 0

    def theirs(x: Tensor, own: Any) -> Tensor:
        weights = dict(own.cells.ways[0].named_parameters())
        if both_ways:
            weights |= {f"{key}_reverse": weight for key, weight in own.cells.ways[1].named_parameters()}
        packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True)
        states, last = with_weights(plain, weights)(packed)
        if gives == "sequence":
            return pad_packed_sequence(states, batch_first=True)[0] * real[..., None]
        hidden = last[0] if name == "lstm" else last  # (ways, B, units)
        return hidden.transpose(0, 1).flatten(1)

    layer = step({name: {"units": 6, "both_ways": both_ways, "gives": gives}}, SHAPES["sequence"])

    def ours(x: Tensor) -> Tensor:
        values = layer(Signal(x, "sequence", document=padding())).values
        return values * real[..., None] if gives == "sequence" else values

    agree(ours, lambda x: theirs(x, layer), torch.randn(3, 7, 4, dtype=torch.float64), list(layer.parameters()))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_self_attention_is_torchs_multi_head_attention(heads: int, causal: bool, padded: bool) -> None:
    plain = nn.MultiheadAttention(4, heads, batch_first=True).double()
    real = padding() >= 0 if padded else torch.ones(3, 7, dtype=torch.bool)
    future = torch.ones(7, 7, dtype=torch.bool).triu(1) if causal else None

    def theirs(x: Tensor, own: Any) -> Tensor:
        weights = {
            "in_proj_weight": own.qkv.weight, "in_proj_bias": own.qkv.bias,
            "out_proj.weight": own.merge.weight, "out_proj.bias": own.merge.bias,
        }  # fmt: skip
        mixed, _ = with_weights(plain, weights)(x, x, x, key_padding_mask=~real, attn_mask=future, need_weights=False)
        return mixed * real[..., None]

    layer = step({"attention": {"heads": heads, "causal": causal}}, SHAPES["sequence"])

    def ours(x: Tensor) -> Tensor:
        return layer(Signal(x, "sequence", document=padding() if padded else None)).values * real[..., None]

    agree(ours, lambda x: theirs(x, layer), torch.randn(3, 7, 4, dtype=torch.float64), list(layer.parameters()))


def test_one_head_of_attention_by_hand() -> None:
    def theirs(x: Tensor, own: Any) -> Tensor:
        q, k, v = (x @ own.qkv.weight.T + own.qkv.bias).split(4, -1)
        return torch.softmax(q @ k.transpose(1, 2) / 4**0.5, -1) @ v @ own.merge.weight.T + own.merge.bias

    check("attention", "sequence", theirs)


def test_sinusoidal_positions() -> None:
    place, pair = np.arange(7)[:, None], np.arange(2)
    angle = place / 10_000 ** (2 * pair / 4)
    waves = torch.from_numpy(np.stack([np.sin(angle), np.cos(angle)], -1).reshape(7, 4))
    check("position", "sequence", lambda x, _: x + waves, atol=1e-6)


def test_learned_positions() -> None:
    check({"position": {"encoding": "learned", "length": 9}}, "sequence", lambda x, own: x + own.place[:7])


def test_positions_for_fewer_places_than_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="position has 4 places, and embedding lets texts have 200 tokens"):
        Settings.model_validate({"layers": [{"embedding": 8}, {"position": {"length": 4}}]})


@pytest.mark.parametrize("layout", ["vector", "sequence"])
def test_residual(layout: str) -> None:
    width = SHAPES[layout].width

    def theirs(x: Tensor, own: Any) -> Tensor:
        inner = own.layers[0].inner
        return x + torch.tanh(x @ inner.weight.T + inner.bias)

    check({"residual": [{"dense": {"units": width, "activation": "tanh"}}]}, layout, theirs)


def test_a_residual_that_changes_the_shape_is_refused() -> None:
    with pytest.raises(InputError, match="layers that keep the shape"):
        step({"residual": [{"dense": 3}]}, SHAPES["vector"])
