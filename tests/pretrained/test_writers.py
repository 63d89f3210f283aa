"""Checkpoints of transformers that write: the same logits, the same greedy text alone and among others, kept and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import checkpoints
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

import netwright as nw
from netwright.errors import InputError
from netwright.nn.heads.text.settings import SamplingParams

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
BY_THEM = ["gpt2", "gemma", "gemma2", "phi", "gpt_neox", "opt"]
STILL = {"training": {"epochs": 1, "steps": 1, "learning_rate": 1e-12}}


def pairs() -> dict[str, list[str]]:
    """A word, and the sentence that it stands for."""
    words = [word for word in checkpoints.WORDS if word.isalpha()]
    asked = [f"{a} {b}" for a in words[:10] for b in words[10:16]]
    return {"asked": asked, "told": [f"the film is {text} and {text}" for text in asked]}


def theirs(place: Path, kind: str) -> Any:
    """The network as transformers loads it."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    from netwright.pretrained.weights import quietly

    with quietly():
        form = AutoModelForSeq2SeqLM if kind in checkpoints.READERS else AutoModelForCausalLM
        return form.from_pretrained(place).eval()


@pytest.mark.parametrize("kind", BY_THEM)
def test_a_decoder_goes_on_as_transformers_does(kind: str, tmp_path: Path) -> None:
    """Greedy text after prompts of unlike length, with its cache, is what transformers' own network says word by word."""
    place = checkpoints.folder(tmp_path / kind, kind, lm=True)
    rows = pairs()
    settings = {"model": {"adapt": "full"}, "columns": {"asked": "text", "told": "text"}, **STILL}
    nw.train(rows, target="told", model=place, output=tmp_path / "run", settings=settings)
    again = nw.load(tmp_path / "run")
    network = theirs(place, kind)
    prompts = ["good", "very good film of stars", "dull cast"]
    generator: Any = again.generate(prompts, sampling=SamplingParams(max_tokens=6))
    for prompt, found in zip(prompts, generator, strict=True):
        (alone,) = again.generate([prompt], sampling=SamplingParams(max_tokens=6))
        assert found.tokens == alone.tokens
        assert abs(found.log_probability - alone.log_probability) < 1e-4
        kind_ = next(iter(again.fitted.targets.values()))
        start = kind_.documents(pl.DataFrame({"asked": [prompt]}), answer=True)[0][0].tolist()  # type: ignore[attr-defined]
        with torch.no_grad():
            for token in found.tokens:
                logits = network(input_ids=torch.tensor([start])).logits[0, -1]
                logits[kind_.marks_apart_from_ends] = -torch.inf  # type: ignore[attr-defined]
                assert int(logits.argmax()) == token, kind
                start.append(token)


@pytest.mark.parametrize("kind", checkpoints.READERS)
def test_an_encoder_decoder_writes_of_what_it_reads(kind: str, tmp_path: Path) -> None:
    """The answer's loss and the greedy text are transformers' own, for texts of unlike length side by side."""
    place = checkpoints.folder(tmp_path / kind, kind, lm=True)
    rows = pairs()
    settings = {"columns": {"asked": "text", "told": "text"}, **STILL}
    nw.train(rows, target="told", model=place, output=tmp_path / "run", settings=settings)
    model, network, tokenizer = nw.load(tmp_path / "run"), theirs(place, kind), checkpoints.tokenizer(kind)
    asked = ["good", "very good film of stars", "dull cast"]
    found = model.generate(asked, sampling=SamplingParams(max_tokens=6))
    target: Any = next(iter(model.fitted.targets.values()))
    with torch.no_grad():
        for text, answer in zip(asked, found, strict=True):
            ids, written = torch.tensor([tokenizer.encode(text).ids]), list(target.opening)
            for token in answer.tokens:
                logits = network(input_ids=ids, decoder_input_ids=torch.tensor([written])).logits[0, -1]
                logits[target.marks_apart_from_ends] = -torch.inf
                assert int(logits.argmax()) == token, kind
                written.append(token)
    beams = model.generate(asked, sampling=SamplingParams(max_tokens=6, beams=3))
    assert all(b.log_probability >= a.log_probability - 1e-5 for a, b in zip(found, beams, strict=True) if len(a.tokens) == len(b.tokens))  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "how"), [("gpt2", "lora"), ("gemma", "lora"), ("t5", "lora"), ("gpt2", "top:1"), ("bart", "full")]
)
def test_it_learns_and_is_kept(kind: str, how: str, tmp_path: Path) -> None:
    """The loss falls; what was learnt is loaded again; LoRA puts nothing beside what answers tokens."""
    place = checkpoints.folder(tmp_path / kind, kind, lm=True)
    rows = pairs()
    settings = {
        "model": {"adapt": how}, "columns": {"asked": "text", "told": "text"}, "training": {"epochs": 6, "learning_rate": 0.01},
    }  # fmt: skip
    model = nw.train(rows, target="told", model=place, output=tmp_path / "run", settings=settings)
    losses = [epoch["loss"] for epoch in model.metrics["history"]]
    assert losses[-1] < losses[0] - 0.02, losses
    again = nw.load(tmp_path / "run")
    prompts = rows["asked"][:3]
    assert [text.tokens for text in again.generate(prompts)] == [text.tokens for text in model.generate(prompts)]
    adapter = tmp_path / "run" / "adapter" / "adapter_model.safetensors"
    assert adapter.exists() == (how == "lora")
    assert not adapter.exists() or not any("lm_head" in name for name in load_file(adapter))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("bert", {}, "a decoder or encoder-decoder does"),
        ("gpt2", {"model": {"adapt": "frozen"}}, "leaves nothing to train"),
    ],
)
def test_what_cannot_write_is_said(kind: str, settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / kind, kind)
    with pytest.raises(InputError, match=said):
        nw.train(pairs(), target="told", model=place, output=tmp_path / "run", settings={"columns": {"told": "text"}, **settings})  # fmt: skip


@pytest.mark.parametrize("kind", ["gpt2", "gemma2", "t5", "bart"])
def test_a_checkpoint_writes_as_it_is(kind: str, tmp_path: Path) -> None:
    """Without any training; an encoder-decoder of a text that it reads."""
    from netwright.training.checkpoint_start import writer

    place = checkpoints.folder(tmp_path / kind, kind, lm=True)
    model, network, tokenizer = writer(str(place)), theirs(place, kind), checkpoints.tokenizer(kind)
    (found,) = model.generate(["the film is good"], sampling=SamplingParams(max_tokens=5))
    target: Any = next(iter(model.fitted.targets.values()))
    ids = tokenizer.encode("the film is good").ids
    written = list(target.opening) if kind in checkpoints.READERS else ids
    with torch.no_grad():
        for token in found.tokens:
            given = {"decoder_input_ids": torch.tensor([written]), "input_ids": torch.tensor([ids])}
            logits = network(**(given if kind in checkpoints.READERS else {"input_ids": torch.tensor([written])})).logits[0, -1]  # fmt: skip
            logits[target.marks_apart_from_ends] = -torch.inf
            assert int(logits.argmax()) == token
            written = [*written, token]
