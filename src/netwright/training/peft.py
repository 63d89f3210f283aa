"""LoRA's matrices as PEFT keeps them: an adapter folder that others load beside the checkpoint. r rank."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from netwright.nn import lora
from netwright.nn.network import Network
from netwright.nn.trunks.family import Family
from netwright.nn.trunks.transformer.net import Net as Transformer
from netwright.runtime.run import write_json
from netwright.training import checkpoint

PARTS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "merge": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"), "down": ("mlp.down_proj",),
}  # fmt: skip


def write(folder: Path, network: Network, family: Family) -> None:
    """Write a network's adapter: adapter_config.json and adapter_model.safetensors; nothing where it has none."""
    found = tensors(network)
    if not found or family.adapt is None:
        return
    folder.mkdir(exist_ok=True)
    checkpoint.write(folder / "adapter_model.safetensors", found, {"format": "pt"})
    write_json(folder / "adapter_config.json", config(network, family, found))


def tensors(network: Network) -> dict[str, Tensor]:
    """Return LoRA's matrices under PEFT's names."""
    out: dict[str, Tensor] = {}
    for name, part in lora.loras(network):
        halves, pairs = iter(part.A.split(part.rank)), iter(part.B)
        for theirs, own in zip(_names(name), part.learns, strict=True):
            if own:
                out[f"base_model.model.{theirs}.lora_A.weight"] = next(halves).detach().cpu().clone()
                out[f"base_model.model.{theirs}.lora_B.weight"] = next(pairs).detach().cpu().clone()
    return out


def config(network: Network, family: Family, found: dict[str, Tensor]) -> dict[str, Any]:
    """Return adapter_config.json."""
    assert family.adapt is not None
    modules = sorted({name.split(".")[-3] for name in found})
    writes = isinstance(network.trunk, Transformer)
    return {
        "peft_type": "LORA", "task_type": "CAUSAL_LM" if writes else "FEATURE_EXTRACTION", "r": family.adapt.rank,
        "lora_alpha": family.adapt.alpha, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": _turned(network),
        "target_modules": modules, "base_model_name_or_path": family.start, "inference_mode": True, "use_rslora": False,
        "use_dora": False, "modules_to_save": None, "init_lora_weights": True, "layers_to_transform": None,
    }  # fmt: skip


def _turned(network: Network) -> bool:
    return any(part.turned for _, part in lora.loras(network))


def _names(name: str) -> tuple[str, ...]:
    """A map's names in its checkpoint: several where ours holds several in one."""
    name = name.removeprefix("trunk.").removeprefix("inner.").removeprefix("net.").removeprefix("trunk.")
    layer = re.fullmatch(r"layers\.(\d+)\.(\w+)", name)
    if layer and layer[2] in PARTS:
        return tuple(f"model.layers.{layer[1]}.{part}" for part in PARTS[layer[2]])
    return (name,)
