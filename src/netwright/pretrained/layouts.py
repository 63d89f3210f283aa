"""Which network a configuration describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright.errors import InputError, Problem
from netwright.pretrained.checkpoint import Role

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of its channels
LLAMA = ("llama", "mistral", "qwen2", "qwen3")
VISION = ("vit", "deit", "beit", "dinov2", "swin", "swinv2", "convnext", "convnextv2", "resnet", "efficientnet", "mobilenet_v1", "mobilenet_v2", "regnet", "levit", "pvt", "poolformer", "focalnet", "bit", "hiera", "vit_msn", "vit_mae", "dinov3_vit", "dinov3_convnext", "ijepa")  # fmt: skip


def rotary_base(config: dict[str, Any]) -> float:
    """Return the base of the rotary positions."""
    told = config.get("rope_parameters") or {}
    return float(told.get("rope_theta") or config.get("rope_theta") or 10_000.0)


def rotary_scaling(config: dict[str, Any]) -> dict[str, Any] | None:
    """Return how the rotary positions are stretched, None where they are not."""
    told = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = told.get("rope_type") or told.get("type") or "default"
    names = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "factors")
    return None if kind == "default" else {"rope_type": kind, **{name: told[name] for name in names if name in told}}


def is_llama(config: dict[str, Any]) -> bool:
    """Say whether a configuration is of Llama's layout, which netwright's own transformer computes.

    Qwen2's biases, Qwen3's norms of queries and keys, and positions stretched as Llama 3's are of it too.
    """
    kind, told = config.get("model_type"), config.get("rope_parameters") or config.get("rope_scaling") or {}
    window, context = config.get("sliding_window"), config.get("max_position_embeddings") or 0
    windowed = (config.get("use_sliding_window", True) and window is not None and window < context) or any(
        layer != "full_attention" for layer in config.get("layer_types") or []
    )
    scaling = (rotary_scaling(config) or {}).get("rope_type")
    return (
        kind in LLAMA and scaling in (None, "linear", "llama3", "factors") and not told.get("partial_rotary_factor")
        and config.get("hidden_act", "silu") == "silu" and not config.get("attention_bias") and not config.get("mlp_bias")
        and not windowed and not config.get("quantization_config")
    )  # fmt: skip


def role_of(config: dict[str, Any], place: Path) -> Role:
    """Return what a configuration's network does. Raises `InputError` where transformers does not know it."""
    kind = config.get("model_type")
    if is_llama(config):
        return "decoder"
    if config.get("quantization_config"):
        what = f"its weights are quantised ({config['quantization_config'].get('quant_method')})"
        raise InputError(Problem(str(place), what, allowed="float weights, or a GGUF file"))
    try:
        from transformers.models.auto import configuration_auto, modeling_auto
    except ImportError as error:
        fix = "python -m pip install 'netwright[pretrained]'"
        raise InputError(Problem("transformers", f"is needed to read a {kind} and is not installed", fix=fix)) from error  # fmt: skip
    known: Any = configuration_auto
    if kind not in known.CONFIG_MAPPING_NAMES:
        own = "; it brings code of its own, which is never run" if config.get("auto_map") else ""
        raise InputError(Problem(f"{place}/config.json", f"transformers knows no architecture {kind!r}{own}", allowed="an architecture that AutoModel builds"))  # fmt: skip
    if kind in VISION:
        return "vision"
    if config.get("is_encoder_decoder") or kind in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "encoder_decoder"
    if (
        kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and kind not in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    ):
        return "decoder"
    return "encoder"
