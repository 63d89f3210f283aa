"""Checkpoints that cannot be read: each one clear message, and nothing half written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import checkpoints
import pytest
import torch
from safetensors.torch import load_file, save_file

import netwright as nw
from netwright import pretrained
from netwright.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A tiny BERT's folder."""
    return checkpoints.folder(tmp_path / "bert", "bert")


def without_weights(place: Path) -> None:
    (place / "model.safetensors").unlink()


def pickles_alone(place: Path) -> None:
    torch.save({}, place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()


def missing_shards(place: Path) -> None:
    (place / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    save_file({"a": torch.zeros(1)}, place / "model-00001-of-00002.safetensors")


def another_tokenizer(place: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({f"w{n}": n for n in range(900)}, unk_token="w0")).save(str(place / "tokenizer.json"))


def unknown_architecture(place: Path) -> None:
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(
        json.dumps({**config, "model_type": "zebra", "auto_map": {"AutoModel": "zebra.Zebra"}})
    )


def changed_weights(place: Path) -> None:
    digest = hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()
    (place / "SHA256SUMS").write_text(f"{digest}  model.safetensors\n")
    state = load_file(place / "model.safetensors")
    save_file(
        {name: value + 1 if value.is_floating_point() else value for name, value in state.items()},
        place / "model.safetensors",
    )


def no_tokenizer(place: Path) -> None:
    for file in [*place.glob("tokenizer*"), *place.glob("vocab*"), *place.glob("special_tokens*")]:
        file.unlink()


def another_width(place: Path) -> None:
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "hidden_size": config["hidden_size"] * 2}))


def truncated(place: Path) -> None:
    whole = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def lost_weights(place: Path) -> None:
    state = load_file(place / "model.safetensors")
    save_file({name: value for name, value in state.items() if "layer.1" not in name}, place / "model.safetensors")


def broken_config(place: Path) -> None:
    (place / "config.json").write_text("{")


def an_adapter(place: Path) -> None:
    (place / "model.safetensors").rename(place / "adapter_model.safetensors")
    (place / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_weights, "holds no weights"), (pickles_alone, "only as pickles"), (missing_shards, "1 of 2 parts of its weights are missing"),
        (another_tokenizer, "tokens up to number 899, and its embedding 300 rows"), (unknown_architecture, "no architecture 'zebra'; it brings code"),
        (changed_weights, "SHA256SUMS says"), (truncated, "damaged"), (lost_weights, "lacks 16 of its network's weights"),
        (broken_config, "cannot be read"), (an_adapter, "contains only an adapter"), (no_tokenizer, "has no tokenizer.json, and none can be made"),
        (another_width, "not of the shapes that config.json tells"),
    ],
)  # fmt: skip
def test_a_spoilt_checkpoint_is_refused(spoil: Callable[[Path], None], said: str, bert: Path, tmp_path: Path) -> None:
    spoil(bert)
    with pytest.raises(InputError, match=said):
        nw.train(
            checkpoints.reviews(),
            target="label",
            model=bert,
            output=tmp_path / "run",
            settings={"model": {"adapt": "full"}},
        )
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_changed_is_not_resumed(bert: Path, tmp_path: Path) -> None:
    import polars as pl

    pl.DataFrame(checkpoints.reviews()).write_csv(tmp_path / "rows.csv")
    nw.train(
        tmp_path / "rows.csv", target="label", model=bert, output=tmp_path / "run", settings={"training": {"epochs": 1}}
    )
    about = tmp_path / "run" / "run.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "state": "training"}))
    (tmp_path / "run" / "model.safetensors").unlink()
    checkpoints.folder(bert, "bert", seed=1)
    with pytest.raises(InputError, match="is not the checkpoint this run was started from"):
        nw.train(resume=tmp_path / "run")


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"x": [1.0, 2.0] * 10, "label": ["a", "b"] * 10}, "reads texts, and there is none"), ],
)  # fmt: skip
def test_rows_that_it_cannot_read(columns: dict[str, list[object]], said: str, bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        nw.train(columns, target="label", model=bert, output=tmp_path / "run")


def test_plain_weights_are_told_by_their_names(tmp_path: Path) -> None:
    from netwright.nn.trunks.pretrained import lite, resnet

    for name, net in (("efficientnet_lite0", lite.Net()), ("resnet18", resnet.Net(18)), ("resnet50", resnet.Net(50))):
        torch.save(net.state_dict(), tmp_path / f"{name}.pth")
        held = pretrained.opened(tmp_path / f"{name}.pth")
        assert held.layout == name and held.sight is not None and held.sight.size == 224
        assert set(held.weights()) == set(net.state_dict())
    torch.save({"what": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="belong to no network known here"):
        pretrained.opened(tmp_path / "other.pth")
    torch.save({"a": Path}, tmp_path / "code.pth")
    with pytest.raises(InputError, match="cannot be read as bare tensors"):
        pretrained.opened(tmp_path / "code.pth")


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.gguf", b"GGUF\x03\0\0\0" + b"\x05" * 30, "cannot be read as GGUF"), ("a.gguf", b"GGUF", "cannot be read as GGUF"),
    ("a.gguf", b"", "cannot be read as GGUF"), ("a.pth", b"abc", "cannot be read as bare tensors"),
    ("a.pth", b"", "cannot be read as bare tensors"), ("a.pth", b"PK\x03\x04" + b"\0" * 40, "cannot be read as bare tensors"),
])  # fmt: skip
def test_a_spoilt_file_is_refused(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        pretrained.opened(tmp_path / name)


def test_a_gguf_file_gives_the_weights_it_was_made_of(tmp_path: Path) -> None:
    """Our own export to GGUF, read back, is the run's weights; its queries and keys are put back in order."""
    pytest.importorskip("gguf")
    rows = {
        "text": [
            f"the film is {word} and {other}" for word in checkpoints.WORDS[:8] for other in checkpoints.WORDS[8:14]
        ]
    }
    settings = {
        "columns": {"text": {"kind": "text", "vocabulary": 300}},
        "model": {"width": 32, "depth": 2, "heads": 2},
        "training": {"epochs": 1},
    }
    nw.train(rows, target="text", model="transformer", output=tmp_path / "run", settings=settings)
    from netwright.export.proven import export

    export(tmp_path / "run", to="gguf", output=tmp_path / "gguf", stored="f32")
    export(tmp_path / "run", to="transformers", output=tmp_path / "hf")
    file = next((tmp_path / "gguf").glob("*.gguf"))
    one, two = pretrained.opened(file).weights(), pretrained.opened(tmp_path / "hf").weights()
    assert set(one) == set(two)
    assert all(torch.equal(one[name], two[name]) for name in one)
