"""Llama's layout: transformers' names of weights as those of our transformer. D width, h heads, k heads of keys."""

from __future__ import annotations

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def taken(found: Weights, depth: int, key: str) -> Weights:
    """Return weights under transformers' names as those of a network whose text target is `key`."""
    out = {
        f"heads.{key}.table.weight": found["model.embed_tokens.weight"],
        "trunk.norm.weight": found["model.norm.weight"],
    }
    if "lm_head.weight" in found:
        out[f"heads.{key}.readout.weight"] = found["lm_head.weight"]
    for number in range(depth):
        own, theirs = f"trunk.layers.{number}.", f"model.layers.{number}."
        out[f"{own}qkv.weight"] = torch.cat([found[f"{theirs}self_attn.{name}_proj.weight"] for name in "qkv"])
        if f"{theirs}self_attn.q_proj.bias" in found:
            out[f"{own}qkv.bias"] = torch.cat([found[f"{theirs}self_attn.{name}_proj.bias"] for name in "qkv"])
        if f"{theirs}self_attn.q_norm.weight" in found:
            out[f"{own}query_norm.weight"] = found[f"{theirs}self_attn.q_norm.weight"]
            out[f"{own}key_norm.weight"] = found[f"{theirs}self_attn.k_norm.weight"]
        out[f"{own}gate_up.weight"] = torch.cat([found[f"{theirs}mlp.{name}_proj.weight"] for name in ("gate", "up")])
        for name, ours in (("mlp.down_proj", "down"), ("self_attn.o_proj", "merge"), ("input_layernorm", "attention_norm"), ("post_attention_layernorm", "dense_norm")):  # fmt: skip
            out[f"{own}{ours}.weight"] = found[f"{theirs}{name}.weight"]
    return out
