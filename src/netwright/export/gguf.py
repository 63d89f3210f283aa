"""A GGUF file, as llama.cpp and what is built on it load it: weights in F32, F16 or Q8_0, the tokenizer inside.

llama.cpp turns neighbouring values by the rotary angles where transformers turns halves, so the rows of queries and keys
are put in its order, as its own converter does. D width, h heads, d = D / h.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from netwright.errors import InputError, Problem, absent
from netwright.export import llama
from netwright.export.side import Side, written
from netwright.export.transformers import Theirs, chat_template
from netwright.inference.model import Model
from netwright.nn.trunks.transformer.net import frequencies
from netwright.pretrained.weights import quietly

EXTRA = "export"
TYPES = ("f32", "f16", "q8")
FILE = "model.gguf"
_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}  # fmt: skip
_WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}  # fmt: skip


def refuse(model: Model) -> str | None:
    """Llama's layout, and byte pairs: the format has no words and no single characters."""
    if reason := llama.refuse(model):
        return reason
    _, kind = written(model)
    if kind.tokens != "bpe":
        return (
            f"its tokens are {kind.tokens}, and a GGUF file holds byte pairs (--columns.{kind.columns[0]}.tokens bpe)"
        )
    content = json.loads(kind.tokenizer)
    if content["model"].get("type") != "BPE" or _cuts(content) is None:
        return "a GGUF file cannot name its pretrained tokenizer; --to transformers holds every one"
    return None


def _cuts(content: dict[str, Any]) -> str | None:
    """llama.cpp's name of how a tokenizer cuts texts before pairs of bytes are joined; None where it has none."""
    pre = content.get("pre_tokenizer") or {}
    parts = pre.get("pretokenizers", [pre])
    kinds = [part.get("type") for part in parts]
    if not kinds or kinds[-1] != "ByteLevel":
        return None
    if kinds == ["ByteLevel"]:
        return "gpt-2" if parts[0].get("use_regex", True) else None
    if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
        return "smollm"
    pattern = str(parts[0].get("pattern", {}).get("Regex", "")) if kinds == ["Split", "ByteLevel"] else ""
    if r"\p{N}{1,3}" in pattern and "(?i:" in pattern:
        return "llama-bpe"
    return "qwen2" if r"|\p{N}|" in pattern and "(?i:" in pattern else None


def write(model: Model, folder: Path, stored: str) -> None:
    """Write model.gguf. Raises `InputError` where the package gguf is not there."""
    try:
        import gguf
    except ImportError as error:
        raise absent("gguf", EXTRA, where="netwright export --to gguf") from error
    settings, (_, kind) = llama.config(model), written(model)
    writer = gguf.GGUFWriter(folder / FILE, settings["model_type"])
    writer.add_name(Path(model.run.folder).name if model.run else "netwright")
    writer.add_vocab_size(settings["vocab_size"])
    writer.add_context_length(settings["max_position_embeddings"])
    writer.add_embedding_length(settings["hidden_size"])
    writer.add_block_count(settings["num_hidden_layers"])
    writer.add_feed_forward_length(settings["intermediate_size"])
    writer.add_rope_dimension_count(settings["head_dim"])
    writer.add_rope_freq_base(settings["rope_theta"])
    writer.add_head_count(settings["num_attention_heads"])
    writer.add_head_count_kv(settings["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(settings["rms_norm_eps"])
    types = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16, "q8": gguf.LlamaFileType.MOSTLY_Q8_0}  # fmt: skip
    writer.add_file_type(types[stored])
    _add_tokenizer(writer, kind)
    writer.add_key_length(settings["head_dim"])
    writer.add_value_length(settings["head_dim"])
    if scaling := model.recipe.model.get("rotary_scaling"):
        plain, rate = (frequencies(settings["head_dim"], settings["rope_theta"], told) for told in (None, scaling))
        writer.add_tensor("rope_freqs.weight", (plain / rate).numpy())
    for name, value in llama.weights(model).items():
        array = _ordered(name, value.numpy(), settings)
        kind_of = _stored(gguf, stored, array)
        writer.add_tensor(_named(name), gguf.quants.quantize(array, kind_of), raw_dtype=kind_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any, kind: Any) -> None:
    """The vocabulary, its merges, marks and the chat template."""
    import gguf

    content = json.loads(kind.tokenizer)
    by_number = sorted(kind.reader.get_vocab().items(), key=lambda item: item[1])
    special = {token["content"] for token in content.get("added_tokens", []) if token.get("special")}
    types = [gguf.TokenType.CONTROL if name in special else gguf.TokenType.NORMAL for name, _ in by_number]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cuts(content) or "gpt-2")
    writer.add_token_list([name for name, _ in by_number])
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    if kind.starts:
        writer.add_bos_token_id(kind.starts[0])
    writer.add_eos_token_id(kind.stops[-1])  # of a conversation the one that ends an answer
    writer.add_pad_token_id(kind.pad)
    writer.add_add_bos_token(bool(kind.starts))
    if template := chat_template(kind):
        writer.add_chat_template(template)


def _named(name: str) -> str:
    if name in _WHOLE:
        return _WHOLE[name]
    _, _, number, rest = name.split(".", 3)
    stem, _, what = rest.rpartition(".")
    return f"blk.{number}.{_NAMES[stem]}.{what}"


def _ordered(name: str, array: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Rows of queries and keys so that values turned together are neighbours: (h, 2, d/2) -> (h, d/2, 2)."""
    if settings["model_type"] != "llama":  # of others llama.cpp turns halves
        return array
    heads = {"q_proj": settings["num_attention_heads"], "k_proj": settings["num_key_value_heads"]}
    count = next((number for part, number in heads.items() if part in name), None)
    if count is None:
        return array
    rows, width = array.shape
    return array.reshape(count, 2, rows // count // 2, width).swapaxes(1, 2).reshape(rows, width)


def _stored(gguf: Any, stored: str, array: np.ndarray) -> Any:
    """The type of one tensor: vectors stay float32; Q8_0 goes by blocks of 32, what does not divide stays F16."""
    if stored == "f32" or array.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    if stored == "q8" and array.shape[-1] % 32 == 0:
        return gguf.GGMLQuantizationType.Q8_0
    return gguf.GGMLQuantizationType.F16


def load(folder: Path) -> Side:
    """Return the file as llama.cpp reads it, or where its Python package is not there, as transformers does."""
    try:
        from llama_cpp import Llama  # pyright: ignore[reportMissingImports]
    except ImportError:
        return _by_transformers(folder)
    whole = {"type_k": 0, "type_v": 0}  # keys and values kept as float32, not in 16 bits
    with contextlib.redirect_stderr(io.StringIO()):  # its own remarks
        return LlamaCpp(Llama(str(folder / FILE), n_ctx=0, logits_all=True, verbose=False, **whole))


def _by_transformers(folder: Path) -> Side:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise absent("transformers", EXTRA, where="netwright export --to gguf") from error
    try:
        with quietly():
            model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32, local_files_only=True)  # fmt: skip
    except (RuntimeError, ValueError, KeyError) as error:
        what = f"transformers' loader, which would check it, cannot read it: {str(error).splitlines()[0][:160]}"
        fix = "pip install llama-cpp-python, which checks it itself, or --to transformers"
        raise InputError(Problem(str(folder), what, fix=fix)) from error
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=FILE, local_files_only=True)
    side = Theirs(model.eval(), tokenizer)
    side.name = "transformers' GGUF loader"
    return side


class LlamaCpp:
    """llama.cpp as a side."""

    name = "llama.cpp"

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def encode(self, text: str) -> list[int]:
        return self.engine.tokenize(text.encode(), add_bos=False, special=False)

    def logits(self, tokens: list[int]) -> np.ndarray:
        self.engine.reset()
        self.engine.eval(tokens)
        return np.array(self.engine.scores[: len(tokens)], np.float32)

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        out: list[int] = []
        self.engine.reset()
        self.engine.eval(tokens)
        for _ in range(count):
            best = int(np.argmax(self.engine.scores[self.engine.n_tokens - 1]))
            out.append(best)
            if best == self.engine.token_eos() or len(tokens) + len(out) >= self.engine.n_ctx():
                break
            self.engine.eval([best])
        return out
