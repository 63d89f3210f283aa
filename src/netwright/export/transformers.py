"""A folder that transformers, vLLM and llama.cpp's tools load: config.json, model.safetensors, the tokenizer's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from netwright.errors import absent
from netwright.export import llama
from netwright.export.side import Side, written
from netwright.inference.model import Model
from netwright.kinds.tokenizing import ANSWER, BEGIN, SPECIAL
from netwright.pretrained.weights import quietly

EXTRA = "export"
TYPES = ("f32", "f16")
FILE = "config.json"

refuse = llama.refuse


def write(model: Model, folder: Path, stored: str) -> None:
    """Write the folder's files."""
    _, kind = written(model)
    dtype = {"f32": torch.float32, "f16": torch.float16}[stored]
    weights = {name: value.to(dtype) for name, value in llama.weights(model).items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    name = {"f32": "float32", "f16": "float16"}[stored]
    config = llama.config(model)
    _json(folder / "config.json", {**config, "dtype": name, "torch_dtype": name})
    marks = ("bos_token_id", "eos_token_id", "pad_token_id")
    _json(folder / "generation_config.json", {mark: config[mark] for mark in marks})
    _json(folder / "tokenizer.json", json.loads(kind.tokenizer) if kind.names else tokenizer_json(kind.tokenizer))
    named = {"bos_token": config["bos_token_id"], "eos_token": kind.stops[0], "pad_token": kind.pad}
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: kind.reader.id_to_token(number) for name, number in named.items() if number is not None}, "model_max_length": kind.length, "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    if template := chat_template(kind):
        settings["chat_template"] = template
    _json(folder / "tokenizer_config.json", settings)


def tokenizer_json(content: str) -> dict[str, Any]:
    """Return a tokenizer.json by which a text begins with its mark."""
    tokenizer = json.loads(content)
    begin = {"SpecialToken": {"id": SPECIAL[BEGIN], "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {SPECIAL[BEGIN]: {"id": SPECIAL[BEGIN], "ids": [BEGIN], "tokens": [SPECIAL[BEGIN]]}},
    }  # fmt: skip
    return tokenizer


def chat_template(kind: Any) -> str:
    """Return the Jinja template of conversations; of texts that answer texts, one by which a user's words are the input."""
    if kind.conversation:
        return kind.template
    if kind.prompt:
        begin, answer = (json.dumps(kind.names.get(SPECIAL[mark], SPECIAL[mark])) for mark in (BEGIN, ANSWER))
        return f"{{{{ {begin} + messages[-1]['content'] + {answer} }}}}"
    return ""


def load(folder: Path) -> Side:
    """Return the folder as transformers reads it. Raises `InputError` where transformers is not there."""
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise absent("transformers", EXTRA, where="netwright export --to transformers") from error
    with quietly():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return Theirs(model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True))


class Theirs:
    """transformers as a side."""

    name = "transformers"

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    def encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]

    def logits(self, tokens: list[int]) -> np.ndarray:
        with torch.no_grad():
            return self.model(input_ids=torch.tensor([tokens])).logits[0].float().numpy()

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        asked = torch.tensor([tokens])
        with torch.no_grad():
            out = self.model.generate(
                asked, attention_mask=torch.ones_like(asked), max_new_tokens=count, do_sample=False
            )
        return out[0, len(tokens) :].tolist()


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
