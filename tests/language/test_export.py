"""Exports: what another engine loads gives what the run gives, or nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from netwright.errors import InputError
from netwright.export import llama
from netwright.export.proven import export
from netwright.export.transformers import load
from netwright.inference.model import Model
from netwright.nn.heads.text.settings import SamplingParams
from netwright.nn.trunks.transformer.llama import taken


@pytest.mark.parametrize(
    ("to", "stored"),
    [("transformers", "f32"), ("transformers", "f16"), ("gguf", "f32"), ("gguf", "f16"), ("gguf", "q8")],
)
@pytest.mark.parametrize("run", ["poet", "talker"])
def test_an_export_stands_once_it_is_proven(
    to: str, stored: str, run: str, home: Path, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    request.getfixturevalue(run)
    place = home / "out" / f"{run}-{to}-{stored}"
    found = export(home / run, to=to, stored=stored, output=place)
    assert found["wrong"] == [] and found["rows"] > 5 and found["greedy"] > 5
    assert json.loads((place / "parity.json").read_text())["stored"] == stored
    if stored == "f32":
        assert "Converting" not in capfd.readouterr().err, "no bar of another library's is drawn"
        assert found["largest"] < 1e-4 and found["greedy_equal"] == found["greedy"]


def test_transformers_loads_it_and_its_chat_template_gives_our_tokens(talker: Model, home: Path) -> None:
    from transformers import AutoTokenizer

    place = home / "out" / "chat"
    export(home / "talker", to="transformers", output=place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    said = [{"role": "user", "content": "say 4"}]
    theirs = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert theirs == talker._generator.asked([said], SamplingParams())[1].prompts[0]
    assert tokenizer("say")["input_ids"][0] == talker._generator.kind.first


def test_weights_go_there_and_back(poet: Model, home: Path) -> None:
    found = taken(llama.weights(poet), 2, "target_1")
    state = poet.network.state_dict()
    assert set(found) == set(state)
    for name, value in found.items():
        assert torch.equal(value, state[name]), name


def test_gradients_equal_those_of_transformers(poet: Model, home: Path) -> None:
    place = home / "out" / "gradient"
    export(home / "poet", to="transformers", output=place)
    theirs = load(place).model.train()  # type: ignore[attr-defined]
    tokens = torch.tensor([[1, 20, 30, 40, 50, 60, 2]])
    theirs(input_ids=tokens, labels=tokens).loss.backward()
    network = poet.network
    network.zero_grad()
    shown = network.heads["target_1"].shown(tokens[:, :-1])
    signal, _ = network.trunk.step(network.trunk.read([]), shown)
    loss = torch.nn.functional.cross_entropy(network.heads["target_1"].logits(signal.values)[0], tokens[0, 1:])
    loss.backward()
    ours = network.heads["target_1"].table.weight.grad
    torch.testing.assert_close(ours, theirs.model.embed_tokens.weight.grad, atol=1e-5, rtol=1e-4)
    network.zero_grad()


def test_what_differs_leaves_nothing_and_is_named(poet: Model, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = llama.weights

    def spoilt(model: Model) -> dict[str, torch.Tensor]:
        found = whole(model)
        found["model.layers.0.mlp.down_proj.weight"] *= 1.01
        return found

    monkeypatch.setattr(llama, "weights", spoilt)
    place = home / "out" / "spoilt"
    with pytest.raises(InputError, match=r"logits differ by up to .*rows.jsonl:"):
        export(home / "poet", to="transformers", output=place)
    assert not place.exists()
    assert not [entry for entry in place.parent.iterdir() if entry.name.startswith(".")]


def test_what_a_format_cannot_hold_is_refused(home: Path, tmp_path: Path) -> None:
    from written_runs import pairs, texts, trained, written

    import netwright as nw

    encoder = trained(pairs(), "fr", tmp_path / "two", form="encoder_decoder", epochs=1)
    recurrent = trained(texts(), "text", tmp_path / "lstm", family="recurrent", epochs=1)
    data = written(texts(), tmp_path / "w.jsonl")
    settings = {"training": {"epochs": 1}, "columns": {"text": {"tokens": "words"}}}
    nw.train(
        data,
        target="text",
        model={"family": "transformer", "width": 32, "depth": 1, "heads": 2},
        output=tmp_path / "words",
        settings=settings,
    )
    for run, to, words in (
        (encoder, "transformers", "encoder"), (recurrent, "gguf", "transformer alone"), (None, "gguf", "byte pairs"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            export(run.run.folder if run else tmp_path / "words", to=to, output=tmp_path / "no")  # type: ignore[union-attr]
    assert export(tmp_path / "words", to="transformers", output=tmp_path / "yes")["wrong"] == []


def test_no_artefact_holds_a_pickle(poet: Model, talker: Model, home: Path) -> None:
    export(home / "poet", to="gguf", output=home / "out" / "scan")
    for path in home.rglob("*"):
        if path.is_file():
            head = path.read_bytes()[:4]
            assert not head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")), path


def test_wrong_names_are_said(poet: Model, home: Path) -> None:
    with pytest.raises(InputError, match="transformers"):
        export(home / "poet", to="transformer")
    with pytest.raises(InputError, match="f32, f16"):
        export(home / "poet", to="transformers", stored="q8")
