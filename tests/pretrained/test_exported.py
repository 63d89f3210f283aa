"""A checkpoint that was adapted is exported with its own tokens, and the folder or file is what the run is."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import checkpoints
import pytest

import netwright as nw
from netwright import pretrained
from netwright.errors import InputError
from netwright.export.proven import export

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
CHAT = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"  # fmt: skip


def folder(place: Path, kind: str, *, chat: bool = False) -> Path:
    """A decoder with byte pairs and marks of its own, and a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    checkpoints.folder(place, kind, lm=True)
    found = Tokenizer(models.BPE())
    found.pre_tokenizer, found.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)  # fmt: skip
    found.train_from_iterator([" ".join(checkpoints.WORDS)] * 4, trainer)
    found.save(str(place / "tokenizer.json"))
    settings: dict[str, Any] = {"eos_token": "<|endoftext|>"}
    (place / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": CHAT} if chat else settings))
    return place


def rows() -> dict[str, list[Any]]:
    texts = [f"the film is {word} and {other}" for word in checkpoints.WORDS[:8] for other in checkpoints.WORDS[8:14]]
    return {"text": texts}


@pytest.mark.parametrize("to", ["transformers", "gguf"])
@pytest.mark.parametrize(
    ("kind", "how"), [("llama", "lora"), ("qwen2", "full"), ("qwen3", "lora"), ("mistral", "full")]
)
def test_an_adapted_checkpoint_is_exported(kind: str, how: str, to: str, tmp_path: Path) -> None:
    """Through transformers, and back into a network of ours: the same weights."""
    place = folder(tmp_path / kind, kind)
    settings = {"model": {"adapt": how}, "columns": {"text": "text"}, "training": {"epochs": 1}}
    model = nw.train(rows(), target="text", model=place, output=tmp_path / "run", settings=settings)
    if kind == "qwen3" and to == "gguf" and find_spec("llama_cpp") is None:
        # transformers' loader, which then checks the file, takes all heads to be of 128 values
        with pytest.raises(InputError, match="cannot read it"):
            export(tmp_path / "run", to=to, stored="f32", output=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    found = export(tmp_path / "run", to=to, stored="f32", output=tmp_path / "out")
    assert found["wrong"] == [] and found["greedy_equal"] == found["greedy"]
    back = pretrained.opened(tmp_path / "out" / "model.gguf" if to == "gguf" else tmp_path / "out")
    assert back.layout == "llama" and back.tokenizer
    from netwright.training.checkpoint_start import writer

    there = writer(str(back.path))
    (one,), (two,) = (each.generate(["the film"]) for each in (model, there))
    assert one.tokens[:8] == two.tokens[:8]


def test_a_chat_folder_ends_where_the_run_ends(tmp_path: Path) -> None:
    """Its ends are both marks, its template gives our tokens."""
    from transformers import AutoTokenizer, GenerationConfig

    place = folder(tmp_path / "llama", "llama", chat=True)
    said = [{"messages": [{"role": "user", "content": f"the {word}"}, {"role": "assistant", "content": "good film"}]} for word in checkpoints.WORDS]  # fmt: skip
    settings = {"model": {"adapt": "lora"}, "training": {"epochs": 1}}
    model = nw.train(said, target="messages", model=place, output=tmp_path / "run", settings=settings)
    export(tmp_path / "run", to="transformers", output=tmp_path / "out")
    assert GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id == [0, 2]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    asked = [{"role": "user", "content": "the plot"}]
    theirs = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    from netwright.nn.heads.text.settings import SamplingParams

    assert theirs == model._generator.asked([asked], SamplingParams())[1].prompts[0]


def test_what_a_file_cannot_name_is_refused(tmp_path: Path) -> None:
    """Words are none that a GGUF file has; the folder of transformers holds them."""
    place = checkpoints.folder(tmp_path / "llama", "llama", lm=True)
    settings = {"model": {"adapt": "full"}, "columns": {"text": "text"}, "training": {"epochs": 1}}
    nw.train(rows(), target="text", model=place, output=tmp_path / "run", settings=settings)
    with pytest.raises(InputError, match="a GGUF file cannot name its pretrained tokenizer"):
        export(tmp_path / "run", to="gguf", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert export(tmp_path / "run", to="transformers", output=tmp_path / "hf")["wrong"] == []


def test_a_checkpoint_too_large_is_refused_with_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netwright.pretrained import fits

    place = checkpoints.folder(tmp_path / "llama", "llama", lm=True)
    held = pretrained.opened(place)
    assert held.count == sum(value.numel() for value in held.weights().values())
    monkeypatch.setattr(fits, "left", lambda: 10 * held.count)
    settings = {"model": {"adapt": "full"}, "columns": {"text": "text"}, "training": {"epochs": 1}}
    with pytest.raises(InputError, match=r"weights take .* GB in float32.*--adapt lora"):
        nw.train(rows(), target="text", model=place, output=tmp_path / "run", settings=settings)
