"""The transformer trunk is transformers' Llama, forward and gradient, with the same weights; the other trunks' parts too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.convnet.net import Block
from netwright.nn.trunks.mlp import settings as mlp
from netwright.nn.trunks.mlp.net import Net as Perceptron
from netwright.nn.trunks.mlp.net import Shared
from netwright.nn.trunks.transformer.net import Net
from netwright.nn.trunks.transformer.settings import Settings

from .agreement import agree, with_weights

WIDTH, DEPTH, HEADS, HIDDEN = 16, 2, 2, 48  # 8/3 of 16 in eights is 48


def trunk(*, causal: bool = True) -> Net:
    net = Net(Settings(width=WIDTH, depth=DEPTH, heads=HEADS, dropout=0.0), [], 0, causal=causal).double()
    for weight in net.parameters():
        nn.init.normal_(weight, mean=1.0 if weight.ndim == 1 else 0.0, std=0.3)
    return net


def as_llama(net: Net) -> dict[str, Tensor]:
    """The trunk's weights by Llama's names; Llama keeps queries, keys, values, gate and up apart."""
    weights = {"norm.weight": net.norm.weight}
    for number, layer in enumerate(net.layers):
        q, k, v = layer.qkv.weight.chunk(3)
        gate, up = layer.gate_up.weight.chunk(2)
        own = {
            "input_layernorm": layer.attention_norm.weight, "post_attention_layernorm": layer.dense_norm.weight,
            "self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v, "self_attn.o_proj": layer.merge.weight,
            "mlp.gate_proj": gate, "mlp.up_proj": up, "mlp.down_proj": layer.down.weight,
        }  # fmt: skip
        weights |= {f"layers.{number}.{name}.weight": weight for name, weight in own.items()}
    return weights


def test_the_transformer_is_llama() -> None:
    """Same rotary positions, RMSNorm and its epsilon, SwiGLU, causal attention. Nothing differs but the joined matrices."""
    llama = pytest.importorskip("transformers.models.llama")
    config = llama.LlamaConfig(
        vocab_size=8, hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
        rms_norm_eps=1e-6, attn_implementation="eager",
    )  # fmt: skip
    net, reference = trunk(), llama.LlamaModel(config).double()
    assert set(as_llama(net)) == {name for name, _ in reference.named_parameters()} - {"embed_tokens.weight"}

    def ours(x: Tensor) -> Tensor:
        return net.step(Memory(), Signal(x, "sequence"))[0].values

    def theirs(x: Tensor) -> Tensor:
        return with_weights(reference, as_llama(net))(inputs_embeds=x, use_cache=False).last_hidden_state

    x = torch.randn(2, 9, WIDTH, dtype=torch.float64)
    agree(ours, theirs, x, list(net.parameters()), atol=1e-5)  # rotary angles and Llama's norms are float32
    agree(ours, theirs, 1e-3 * x, list(net.parameters()), atol=1e-4, rtol=2e-3)  # so small that the epsilon shows


def test_llamas_padding_on_the_right_is_netwrights() -> None:
    """Rows of unlike length give each what it gives by itself, whether as inputs or as a stimulus."""
    net, x = trunk(), torch.randn(2, 9, WIDTH, dtype=torch.float64)
    document = torch.where(torch.arange(9) < torch.tensor([[9], [4]]), 0, -1)
    for both, alone in (
        (net.read([Signal(x, "sequence", document=document)]).inputs, net.read([Signal(x[1:, :4], "sequence")]).inputs),
        (
            net.step(Memory(), Signal(x, "sequence", document=document))[0],
            net.step(Memory(), Signal(x[1:, :4], "sequence"))[0],
        ),
    ):
        assert both is not None and alone is not None
        torch.testing.assert_close(both.values[1:, :4], alone.values, atol=1e-9, rtol=0)


def test_inputs_see_each_other_whole_and_a_stimulus_sees_its_past_alone() -> None:
    net, x = trunk(), torch.randn(1, 6, WIDTH, dtype=torch.float64)
    changed = x.clone()
    changed[:, -1] += 1
    first = [net.read([Signal(each, "sequence")]).inputs.values[:, 0] for each in (x, changed)]  # type: ignore[union-attr]
    assert not torch.allclose(*first)
    steps = [net.step(Memory(), Signal(each, "sequence"))[0].values for each in (x, changed)]
    torch.testing.assert_close(steps[0][:, :-1], steps[1][:, :-1], atol=1e-12, rtol=0)
    free = [trunk(causal=False).step(Memory(), Signal(each, "sequence"))[0].values[:, 0] for each in (x, changed)]
    assert not torch.allclose(*free)


def test_a_shared_layer_is_one_dense_layer_for_each_member() -> None:
    """BatchEnsemble: member k's matrix is W ∘ s_k r_kᵀ."""
    layer = Shared(5, 3, 4, first=True).double()
    for weight in layer.parameters():
        nn.init.normal_(weight)

    def theirs(x: Tensor) -> Tensor:
        own = [torch.outer(layer.after[k], layer.before[k]) * layer.weight for k in range(4)]
        return torch.stack([x[:, k] @ own[k].T + layer.bias[k] for k in range(4)], 1)

    agree(layer, theirs, torch.randn(6, 4, 5, dtype=torch.float64), list(layer.parameters()))


def test_an_ensembles_members_start_apart_by_signs_alone() -> None:
    first, second = Shared(5, 3, 4, first=True), Shared(3, 3, 4, first=False)
    assert set(first.before.unique().tolist()) == {-1.0, 1.0}
    assert (first.after == 1).all() and (second.before == 1).all() and (second.after == 1).all()


def test_members_look_at_one_view_each() -> None:
    """Of two views of the same columns, every second member sees the first, hidden layers and head alike."""
    settings = mlp.Settings(width=6, depth=2, members=4, dropout=0.0, activation="relu", skip=True)
    net = Perceptron(settings, [Shape("vector", 5, views=(2, 3)), Shape("vector", 2)], 0).double()
    x, other = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    for part, blind in ((slice(0, 2), [1, 3]), (slice(2, 5), [0, 2])):
        changed = x.clone()
        changed[:, part] += 1
        a, b = (net.read([Signal(each, "vector"), Signal(other, "vector")]).inputs.values for each in (x, changed))
        same = (a == b).all(2).all(0).tolist()
        assert [k for k in range(4) if same[k]] == blind
    assert net.out.width == 6 + 7


def test_a_residual_block_of_the_convnet() -> None:
    block = Block(8).double()
    for weight in block.parameters():
        nn.init.normal_(weight, std=0.3)

    def norm(x: Tensor, own: nn.GroupNorm) -> Tensor:  # one group of 8 channels
        y = (x - x.mean((1, 2, 3), keepdim=True)) / (x.var((1, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        return y * own.weight[:, None, None] + own.bias[:, None, None]

    def convolve(x: Tensor, own: nn.Conv2d) -> Tensor:
        return nn.functional.conv2d(x, own.weight, padding=1)

    def theirs(x: Tensor) -> Tensor:
        y = norm(convolve(x, block.first), block.first_norm).clamp(min=0)
        return (x + norm(convolve(y, block.second), block.second_norm)).clamp(min=0)

    agree(block, theirs, torch.randn(2, 8, 5, 4, dtype=torch.float64), list(block.parameters()))
