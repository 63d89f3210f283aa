"""Tiny untrained checkpoints of many architectures, made from configurations: a folder each, as one takes them from a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from netwright.pretrained.weights import quietly

WORDS = [
    "the",
    "a",
    "film",
    "is",
    "was",
    "good",
    "bad",
    "fine",
    "poor",
    "dull",
    "great",
    "plot",
    "cast",
    "of",
    "and",
    "to",
    "in",
    "it",
    "not",
    "very",
    "ends",
    "well",
    "stars",
    "who",
    "what",
]
SMALL = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64}  # fmt: skip
TEXTS: dict[str, dict[str, Any]] = {
    "bert": SMALL,
    "roberta": {**SMALL, "type_vocab_size": 1, "pad_token_id": 1},
    "distilbert": {"vocab_size": 300, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 64},
    "deberta-v2": {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16, "pooler_hidden_size": 32},
    "modernbert": {**SMALL, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3, "global_attn_every_n_layers": 2, "local_attention": 16},
    "electra": {**SMALL, "embedding_size": 32},
    "albert": {**SMALL, "embedding_size": 16},
    "gpt2": {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "bos_token_id": 2, "eos_token_id": 3},
    "llama": {**SMALL, "num_key_value_heads": 1, "bos_token_id": 2, "eos_token_id": 3, "tie_word_embeddings": True},
    "mistral": {**SMALL, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": None, "bos_token_id": 2, "eos_token_id": 3, "tie_word_embeddings": False},
    "qwen2": {**SMALL, "num_key_value_heads": 1, "bos_token_id": 2, "eos_token_id": 3},
    "qwen3": {**SMALL, "num_key_value_heads": 1, "head_dim": 24, "bos_token_id": 2, "eos_token_id": 3, "tie_word_embeddings": True},
    "gemma2": {**SMALL, "num_key_value_heads": 1, "head_dim": 16, "bos_token_id": 2, "eos_token_id": 3, "sliding_window": 8},
    "phi": {**SMALL, "bos_token_id": 2, "eos_token_id": 3},
    "gpt_neox": {**SMALL, "bos_token_id": 2, "eos_token_id": 3},
    "opt": {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 48, "max_position_embeddings": 64, "word_embed_proj_dim": 32},
    "gemma": {**SMALL, "num_key_value_heads": 1, "head_dim": 16, "bos_token_id": 2, "eos_token_id": 3},
    "t5": {"vocab_size": 300, "d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0},
    "bart": {"vocab_size": 300, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64},
    "marian": {"vocab_size": 300, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64, "pad_token_id": 0, "decoder_start_token_id": 0},
}  # fmt: skip
IMAGES: dict[str, dict[str, Any]] = {
    "vit": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "image_size": 32, "patch_size": 8},
    "resnet": {"embedding_size": 16, "hidden_sizes": [32, 64], "depths": [1, 1], "num_channels": 3, "layer_type": "basic"},
    "convnext": {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2, "image_size": 32},
    "swin": {"embed_dim": 16, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2, "image_size": 32, "patch_size": 4},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320, "image_size": 32},
}  # fmt: skip
STRETCHED = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}  # fmt: skip
TEXTS["llama3"] = {**TEXTS["llama"], "head_dim": 8, "rope_parameters": STRETCHED}
DECODERS = ("gpt2", "llama", "llama3", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi", "gpt_neox", "opt")
READERS = ("t5", "bart", "marian")  # encoder-decoders


def tokenizer(kind: str) -> Any:
    """A word tokenizer with the special tokens of the architecture's sort."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {name: number for number, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    found = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    if kind not in DECODERS:
        found.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return found


def folder(place: Path, kind: str, *, seed: int = 0, lm: bool = False) -> Path:
    """Write a checkpoint of an architecture; `lm`: with the head that answers tokens."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.for_model("llama" if kind == "llama3" else kind, **(TEXTS | IMAGES)[kind])
    torch.manual_seed(seed)
    with quietly():
        whole = AutoModelForSeq2SeqLM if kind in READERS else AutoModelForCausalLM
        model = (whole if lm else AutoModel).from_config(config)
        for name, bias in model.named_parameters():
            if name.endswith("bias"):  # they begin at 0, which hides those that are left out
                torch.nn.init.normal_(bias, std=0.1)
        model.save_pretrained(place)
    if kind in TEXTS:
        tokenizer(kind).save(str(place / "tokenizer.json"))
        (place / "tokenizer_config.json").write_text(json.dumps({"eos_token": "[SEP]", "pad_token": "[PAD]"}))
    return place


def reviews(count: int = 60) -> dict[str, list[Any]]:
    """Rows whose label stands in their text."""
    texts = [
        f"the {WORDS[i % 7 + 10]} film is {'good' if i % 2 else 'bad'} and {WORDS[i % 5 + 12]}" for i in range(count)
    ]
    return {"text": texts, "label": ["yes" if i % 2 else "no" for i in range(count)]}
