"""Llama's layout: the same weights under the names that others know. D width, h heads, k heads of keys, d = D / h."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from netwright.export.side import written
from netwright.inference.model import Model
from netwright.nn.trunks.transformer.net import Net as Transformer
from netwright.nn.trunks.transformer.settings import Settings

Weights = dict[str, Tensor]


def refuse(model: Model) -> str | None:
    """Say why a run has not Llama's layout, or None."""
    targets = list(model.fitted.targets.values())
    if len(targets) != 1 or targets[0].needs != "stimulus":
        return "it answers " + ", ".join(kind.columns[0] for kind in targets) + ", which is no written text alone"
    if not isinstance(model.network.trunk, Transformer):
        return f"its family is {model.recipe.model['family']}; transformer alone has Llama's layout"
    if model.recipe.model.get("biased") and model.recipe.model.get("normed"):
        return "biases and norms of queries and keys together are in no layout that other engines know"
    if model.fitted.inputs:
        return "an encoder reads its inputs; model.form decoder has Llama's layout"
    return None


def config(model: Model) -> dict[str, Any]:
    """Return the config.json of transformers' LlamaForCausalLM; with biases or norms of queries and keys that of Qwen2 or 3."""
    key, kind = written(model)
    s = Settings.model_validate(model.recipe.model)
    head: Any = model.network.heads[key]
    first: Any = model.network.trunk.layers[0]  # type: ignore[index]
    name = "Qwen3" if s.normed else "Qwen2" if s.biased else "Llama"
    return {
        "architectures": [f"{name}ForCausalLM"], "model_type": name.lower(), "vocab_size": kind.vocabulary, "hidden_size": s.width,
        "intermediate_size": first.hidden, "num_hidden_layers": s.depth, "num_attention_heads": first.heads,
        "num_key_value_heads": first.key_heads, "head_dim": first.d, "hidden_act": "silu",
        "max_position_embeddings": kind.length, "rms_norm_eps": s.epsilon, "rope_theta": s.rotary_base,
        "rope_parameters": {"rope_type": "default", **(s.rotary_scaling or {}), "rope_theta": s.rotary_base}, "tie_word_embeddings": head.readout is None,
        "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "bos_token_id": next(iter(kind.starts), None),
        "eos_token_id": kind.stops[0] if len(kind.stops) == 1 else list(kind.stops), "pad_token_id": kind.pad, "use_cache": True, "initializer_range": 0.02,
    }  # fmt: skip


def weights(model: Model) -> Weights:
    """Return all weights, float32, under transformers' names: ours divided, nothing else."""
    key, _ = written(model)
    state = {name: value.detach().float().cpu() for name, value in model.network.state_dict().items()}
    ours, found = f"heads.{key}.", Weights()
    found["model.embed_tokens.weight"] = state[f"{ours}table.weight"]
    if f"{ours}readout.weight" in state:
        found["lm_head.weight"] = state[f"{ours}readout.weight"]
    found["model.norm.weight"] = state["trunk.norm.weight"]
    layers: Any = model.network.trunk.layers
    for number, layer in enumerate(layers):
        own, theirs = f"trunk.layers.{number}.", f"model.layers.{number}."
        sizes = [layer.heads * layer.d, layer.key_heads * layer.d, layer.key_heads * layer.d]
        for what in [what for what in ("weight", "bias") if f"{own}qkv.{what}" in state]:
            for name, part in zip("qkv", state[f"{own}qkv.{what}"].split(sizes), strict=True):
                found[f"{theirs}self_attn.{name}_proj.{what}"] = part
        if f"{own}query_norm.weight" in state:
            found[f"{theirs}self_attn.q_norm.weight"] = state[f"{own}query_norm.weight"]
            found[f"{theirs}self_attn.k_norm.weight"] = state[f"{own}key_norm.weight"]
        gate, up = state[f"{own}gate_up.weight"].chunk(2)
        found[f"{theirs}mlp.gate_proj.weight"], found[f"{theirs}mlp.up_proj.weight"] = gate, up
        for name, ours_ in (("mlp.down_proj", "down"), ("self_attn.o_proj", "merge"), ("input_layernorm", "attention_norm"), ("post_attention_layernorm", "dense_norm")):  # fmt: skip
            found[f"{theirs}{name}.weight"] = state[f"{own}{ours_}.weight"]
    return {name: value.contiguous().clone() for name, value in found.items()}
