"""GGUF files: Llama's layout read directly, its quantised weights as float32; others through transformers' loader."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.pretrained import template
from netwright.pretrained.checkpoint import Checkpoint
from netwright.pretrained.layouts import is_llama
from netwright.runtime import cache
from netwright.runtime.run import write_json

if TYPE_CHECKING:
    from torch import Tensor

LAYER = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
}  # fmt: skip
SIDE_BY_SIDE = ("llama", "mistral")
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def opened(place: Path) -> Checkpoint:
    """Return the checkpoint of a GGUF file. Raises `InputError` where it is damaged or of an unknown architecture.

    What transformers makes of its tokenizer takes a while, and is kept in the cache.
    """
    bare = Checkpoint(path=place, layout="transformers", role="decoder", config={}, files=(place,), pooling="last")
    kept = cache.folder() / "pretrained" / f"{bare.digest}.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None
    if found is None:
        found = _asked(place)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, found)
    config, content = found["config"], found["tokenizer"]
    return Checkpoint(
        path=place, layout="llama" if is_llama(config) else "transformers", role="decoder", config=config, files=(place,),
        tokenizer=content, chat=found["chat"], marks=template.marks(content), specials=found["specials"], pooling="last",
    )  # fmt: skip


def _asked(place: Path) -> dict[str, Any]:
    """What transformers makes of a file's configuration and tokenizer."""
    try:
        from transformers import AutoConfig, AutoTokenizer

        from netwright.pretrained.weights import quietly

        with quietly():
            config: Any = AutoConfig.from_pretrained(place.parent, gguf_file=place.name, local_files_only=True)
            tokenizer: Any = AutoTokenizer.from_pretrained(place.parent, gguf_file=place.name, local_files_only=True)
    except ImportError as error:
        fix = "python -m pip install 'netwright[pretrained]'"
        raise InputError(Problem(str(place), f"GGUF files need more packages: {error}", fix=fix)) from error
    except (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, MemoryError, struct.error) as error:
        what = f"cannot be read as GGUF: {str(error).splitlines()[0][:160]}"
        raise InputError(Problem(str(place), what, allowed="a GGUF file of an architecture that transformers reads")) from error  # fmt: skip
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    told = json.loads(config.to_json_string(use_diff=False))
    told |= _beside(place, told)
    named = {name: getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "pad")}
    return {
        "config": told, "tokenizer": backend.to_str(),
        "chat": tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else "",
        "specials": {name: value for name, value in named.items() if isinstance(value, str)},
    }  # fmt: skip


def _beside(place: Path, told: dict[str, Any]) -> dict[str, Any]:
    """What transformers leaves out: the size of a head, and what each frequency of the positions is divided by."""
    from gguf import GGUFReader

    reader, out = GGUFReader(place), dict[str, Any]()
    size = next((field for name, field in reader.fields.items() if name.endswith(".attention.key_length")), None)
    if size is not None:
        out["head_dim"] = int(size.contents())
    found = next((part.data for part in reader.tensors if part.name == "rope_freqs.weight"), None)
    if found is not None and not (found == 1).all():
        factors = [float(value) for value in found]
        out["rope_parameters"] = {**(told.get("rope_parameters") or {}), "rope_type": "factors", "factors": factors}
    return out


def weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Return the weights of a file of Llama's layout in float32, under transformers' names.

    Of Llama itself llama.cpp keeps the rows of queries and keys so that the pairs which positions turn stand side by side:
    they are put back to halves.
    """
    import torch
    from gguf import GGUFReader
    from gguf.quants import dequantize

    heads = checkpoint.config["num_attention_heads"]
    keys = checkpoint.config.get("num_key_value_heads") or heads
    try:
        parts = {part.name: torch.from_numpy(dequantize(part.data, part.tensor_type).copy()) for part in GGUFReader(checkpoint.path).tensors}  # fmt: skip
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError) as error:
        what = f"its weights cannot be read: {str(error).splitlines()[0][:160]}"
        raise InputError(Problem(str(checkpoint.path), what, fix="download the file again")) from error
    out: dict[str, Tensor] = {}
    for name, value in parts.items():
        stem, _, what = name.rpartition(".")
        if stem in WHOLE:
            out[f"{WHOLE[stem]}.{what}"] = value
            continue
        if not stem.startswith("blk."):
            continue  # rope_freqs: the configuration has them
        _, number, part = stem.split(".", 2)
        if part in ("attn_q", "attn_k") and checkpoint.config.get("model_type") in SIDE_BY_SIDE:
            count = heads if part == "attn_q" else keys
            value = value.view(count, -1, 2, value.shape[-1]).transpose(1, 2).reshape(value.shape)
        if part not in LAYER:
            raise InputError(Problem(str(checkpoint.path), f"its part {name} does not belong to Llama's layout", fix="give its Hugging Face folder"))  # fmt: skip
        out[f"model.layers.{number}.{LAYER[part]}.{what}"] = value
    return {name: value.contiguous() for name, value in out.items()}
