"""Parts of transformers' networks as operations of ours: attention, GELU, and layer norms of sums."""

from __future__ import annotations

import copy
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.runtime.kernels.attention import attention
from netwright.runtime.kernels.rows import added_layer_norm, gelu

NAME = "netwright"


class Gelu(nn.Module):
    """x times the share of a normal distribution below it."""

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...)."""
        return gelu(x, None)


class Widened(nn.Module):
    """A map and its GELU, by the names that transformers gives them."""

    def __init__(self, dense: nn.Module, intermediate_act_fn: nn.Module) -> None:
        super().__init__()
        self.dense, self.intermediate_act_fn = dense, intermediate_act_fn

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., F)."""
        if not _bare(self.dense):
            return self.intermediate_act_fn(self.dense(x))
        return gelu(F.linear(x, self.dense.weight), self.dense.bias)


class Joined(nn.Module):
    """A map, what it is added to, and the sum's layer norm, by the names that transformers gives them."""

    def __init__(self, dense: nn.Module, LayerNorm: nn.LayerNorm, dropout: nn.Dropout) -> None:
        super().__init__()
        self.dense, self.LayerNorm, self.dropout = dense, LayerNorm, dropout

    def forward(self, x: Tensor, more: Tensor) -> Tensor:
        """(..., F) and (..., D) -> (..., D)."""
        norm, drops = self.LayerNorm, self.training and self.dropout.p > 0
        if drops or not _bare(self.dense):
            return norm(self.dropout(self.dense(x)) + more)
        return added_layer_norm(F.linear(x, self.dense.weight), self.dense.bias, more, norm.weight, norm.bias, norm.eps)


def _bare(dense: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a map is as it was built: weights and a bias, in floats."""
    return type(dense) is nn.Linear and dense.bias is not None


def replace_parts(net: nn.Module) -> None:
    """Put our operations where a network calls torch's `scaled_dot_product_attention`, its GELU, or its layer norm of a sum.

    Names and weights stay. A part is taken for a `Widened` or a `Joined` if it has just those children and answers alike.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.activations import GELUActivation
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    for part in list(net.modules()):
        config: Any = getattr(part, "config", None)
        if getattr(config, "_attn_implementation", None) == "sdpa":
            config._attn_implementation = NAME
        for name, child in part.named_children():
            exact = isinstance(child, nn.GELU) and child.approximate == "none"
            if exact or (type(child) is GELUActivation and child.act is F.gelu):
                setattr(part, name, Gelu())
    alike: dict[type, bool] = {}
    for part in list(net.modules()):
        for name, child in part.named_children():
            if (other := _same(child)) is None:
                continue
            if type(child) not in alike:  # one layer's parts are tried for all
                alike[type(child)] = _alike(child)
            if alike[type(child)]:
                setattr(part, name, other)


def _same(part: nn.Module) -> Widened | Joined | None:
    """Return a part with the same children that does in one pass what theirs should do; None where they are others."""
    children: dict[str, Any] = dict(part.named_children())
    dense, norm = children.get("dense"), children.get("LayerNorm")
    if dense is None or not _bare(dense) or dense.weight.dtype != torch.float32:
        return None
    if set(children) == {"dense", "intermediate_act_fn"} and isinstance(children["intermediate_act_fn"], Gelu):
        return Widened(**children).train(part.training)
    if set(children) == {"dense", "LayerNorm", "dropout"} and type(norm) is nn.LayerNorm and norm.bias is not None:
        return Joined(**children).train(part.training)
    return None


def _alike(part: nn.Module) -> bool:
    """Whether a part of transformers' answers as ours with the same children does, tried by a copy with weights drawn for it."""
    copied = copy.deepcopy(part).eval()
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.normal_(generator=drawn)
        ours: Any = _same(copied)
        sizes = [ours.dense.in_features, *([ours.dense.out_features] if isinstance(ours, Joined) else [])]
        inputs = [torch.randn(1, 2, size, generator=drawn) for size in sizes]
        try:
            return torch.allclose(copied(*inputs), ours(*inputs), rtol=1e-3, atol=1e-3)
        except (TypeError, ValueError, RuntimeError):  # it asks for other values
            return False


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, dropout: float = 0.0,
    scaling: float | None = None, is_causal: bool | None = None, **more: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """As transformers calls its functions: queries (B, H, N, d), keys and values (B, K, P, d) -> (B, N, H, d)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    causal = (
        query.shape[2] > 1
        and attention_mask is None
        and bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    )
    other = any(more.get(name) is not None for name in ("position_bias", "cache", "softcap")) or more.get(
        "output_attentions"
    )
    if dropout or other:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **more)  # fmt: skip
    return attention(query, key, value, attention_mask, causal=causal, scale=scaling).transpose(1, 2).contiguous(), None
