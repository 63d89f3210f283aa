"""Parts of transformers' networks that C does where it may, and torch as ever elsewhere: attention and GELU."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from netwright import native
from netwright.native import attention, many

NAME = "netwright"


class Gelu(nn.Module):
    """x times the share of a normal distribution below it."""

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...)."""
        return many.GELU.apply(x) if native.takes_many(x) else F.gelu(x)  # type: ignore[return-value]


def by_c(net: nn.Module) -> None:
    """Let the parts of a network that call torch's `scaled_dot_product_attention`, or its GELU, ask C first."""
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
    if dropout or other or not attention.takes(query, key, value, attention_mask, causal=causal):
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **more)  # fmt: skip
    return attention.attended(query, key, value, attention_mask, causal=causal, scale=scaling).transpose(1, 2), None
