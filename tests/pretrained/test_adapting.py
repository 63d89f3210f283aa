"""Each architecture is read, adapted in each way, kept and loaded again; LoRA merges, frozen parts stay, PEFT agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

import netwright as nw
from netwright import pretrained
from netwright.errors import InputError
from netwright.events import Event, listening
from netwright.inference.model import assemble
from netwright.nn import lora
from netwright.nn.trunks.narrow import Narrow
from netwright.nn.trunks.pretrained.net import joined, shortened

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
SHORT = {"training": {"epochs": 2, "learning_rate": 0.003}}


def trained(place: Path, checkpoint: Path, how: str = "full", data: Any = None, **more: Any) -> nw.Model:
    """A short run on reviews."""
    settings = {**SHORT, "model": {"adapt": how}, **more}
    return nw.train(
        data or checkpoints.reviews(), target="label", model=checkpoint, output=place / "run", settings=settings
    )


@pytest.mark.parametrize("kind", list(checkpoints.TEXTS))
def test_a_checkpoint_gives_the_states_that_transformers_gives(kind: str, tmp_path: Path) -> None:
    """Vectors of texts are the mean (or last) of the states that AutoModel gives for the same tokens."""
    from transformers import AutoModel

    from netwright.pretrained.weights import quietly
    from netwright.verbs.embed import embed

    place = checkpoints.folder(tmp_path / kind, kind)
    texts = ["the film is good", "a plot", "not very well and not bad"]
    found = embed(place, {"text": texts, "other": [1, 2, 3]}, inputs="text")["vector"].to_numpy()
    tokenizer = checkpoints.tokenizer(kind)
    with quietly(), torch.no_grad():
        model: Any = AutoModel.from_pretrained(place).eval()
        model = model.get_encoder() if kind in checkpoints.READERS else model
        for text, vector in zip(texts, found, strict=True):
            states = model(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
            wanted = states[-1] if kind in checkpoints.DECODERS else states.mean(0)
            wanted = wanted / wanted.norm()
            assert np.abs(wanted.numpy() - vector).max() < 1e-4, kind


@pytest.mark.parametrize("kind", list(checkpoints.IMAGES))
def test_images_go_through_a_checkpoint(kind: str, tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / kind, kind)
    pixels = (np.random.default_rng(0).random((24, 32, 32, 3)) * 255).astype("uint8")
    pixels[::2, :16] = 0
    images = pl.Series(pixels.tolist(), dtype=pl.Array(pl.UInt8, (32, 32, 3)))
    data = pl.DataFrame({"image": images, "label": ["a", "b"] * 12})
    model = nw.train(
        data, target="label", model=place, output=tmp_path / "run", settings={**SHORT, "model": {"adapt": "frozen"}}
    )
    again = nw.load(tmp_path / "run").predict(data)
    assert model.predict(data).equals(again)


@pytest.mark.parametrize("how", ["frozen", "head", "top:1", "full", "lora"])
def test_what_is_adapted_and_what_stays(how: str, tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / "bert", "bert")
    held = pretrained.opened(place).weights()
    model = trained(tmp_path, place, how)
    assert model.predict(checkpoints.reviews()).equals(nw.load(tmp_path / "run").predict(checkpoints.reviews()))
    state = {
        name.removeprefix("trunk.inner.net."): value for name, value in lora.merged(model.network.state_dict()).items()
    }
    moved = {name for name, value in held.items() if name in state and not torch.equal(state[name], value)}
    if how == "frozen":
        assert not moved
    elif how == "top:1":
        assert moved and all("layer.1." in name or "pooler" in name for name in moved)
    elif how == "lora":
        assert moved and all(name.endswith("weight") and state[name].ndim == 2 for name in moved)
    else:
        assert {"embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight"} <= moved


def test_features_are_computed_once(tmp_path: Path) -> None:
    """A frozen network reads each row once, whatever the epochs."""
    place = checkpoints.folder(tmp_path / "bert", "bert")
    said: list[Event] = []
    with listening(said):
        model = trained(tmp_path, place, "frozen", training={"epochs": 5})
    assert [event.data["rows"] for event in said if event.name == "features"] == [60]
    assert len(model.metrics["history"]) == 5


def test_lora_merges_and_reloads(tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / "bert", "bert")
    model = trained(tmp_path, place, "lora", training={"epochs": 4, "learning_rate": 0.01})
    assert not list(lora.loras(model.network)), "what is kept is a plain network"
    network = assemble(model.recipe, model.fitted)  # with the matrices beside its maps
    adapter = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    held = pretrained.opened(place).weights()
    with torch.no_grad():
        for name, part in lora.loras(network):
            own = name.removeprefix("trunk.inner.net.")
            part.base.weight.copy_(held[f"{own}.weight"])  # type: ignore[operator]
            part.A.copy_(adapter[f"base_model.model.{own}.lora_A.weight"])
            part.B[0].copy_(adapter[f"base_model.model.{own}.lora_B.weight"])
            x = torch.randn(5, part.A.shape[1])
            bare = dict(model.network.named_modules())[name].weight
            assert (part(x) - part.base(x) - x @ (bare - held[f"{own}.weight"]).T).abs().max() < 1e-5
    assert sorted(file.name for file in (tmp_path / "run" / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_weights_in_eight_bits_give_the_products_and_gradients_of_their_floats() -> None:
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(7, 5), torch.randn(3, 2, 7, requires_grad=True)
    narrow = Narrow(linear)
    assert narrow.eighths.dtype == torch.int8
    assert (narrow.weight - linear.weight).abs().max() <= linear.weight.abs().amax() / 127 / 2 * 1.001
    wide = narrow.wide()
    torch.testing.assert_close(narrow(x), wide(x))
    (one,) = torch.autograd.grad(narrow(x).square().sum(), x)
    (other,) = torch.autograd.grad(wide(x).square().sum(), x)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("kind", "maps"), [("bert", "attention"), ("llama", "all")])
def test_lora_learns_beside_weights_in_eight_bits(kind: str, maps: str, tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / kind, kind)
    adapt = {"how": "lora", "maps": maps, "bits": 8}
    seen: list[int] = []
    merge = lora.merge

    def watched(network: Any) -> None:
        held = [part for part in network.modules() if isinstance(part, Narrow)]
        left = [part for part in network.trunk.body.modules() if isinstance(part, torch.nn.Linear) and not part.weight.requires_grad]  # fmt: skip
        seen.append(len(held))
        assert not left, "no map that stays is held as floats"
        x = {name: torch.randn(4, part.weight.shape[1]) for name, part in lora.loras(network) if not part.turned}
        wanted = {name: part(x[name]) for name, part in lora.loras(network) if name in x}
        merge(network)
        plain = dict(network.named_modules())
        assert all((plain[name](x[name]) - wanted[name]).abs().max() < 1e-5 for name in x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora, "merge", watched)
        model = trained(tmp_path, place, model={"adapt": adapt})
    assert seen and seen[0] > 0
    assert not [part for part in model.network.modules() if isinstance(part, Narrow)]
    rows = {"text": checkpoints.reviews()["text"]}
    again = nw.load(tmp_path / "run").predict(rows)
    assert again.equals(model.predict(rows))


@pytest.mark.parametrize("maps", ["all", "attention", "queries_values"])
def test_peft_loads_the_adapter_and_gives_the_same(maps: str, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    from netwright.pretrained.weights import quietly

    place = checkpoints.folder(tmp_path / "llama", "llama", lm=True)
    rows = [{"messages": [{"role": "user", "content": "what film"}, {"role": "assistant", "content": f"the film is {'good' if i % 2 else 'bad'}"}]} for i in range(24)]  # fmt: skip
    settings = {
        "model": {"adapt": {"how": "lora", "rank": 4, "maps": maps}},
        "training": {"epochs": 2, "learning_rate": 0.02},
    }
    model = nw.train(rows, target="messages", model=place, output=tmp_path / "run", settings=settings)
    ids = torch.tensor([[4, 6, 7, 8, 20, 11]])
    head: Any = next(iter(model.network.heads.values()))
    from netwright.nn.signal import Memory

    with torch.no_grad(), quietly():
        ours = head.logits(model.network.trunk.step(Memory(), head.shown(ids))[0].values)
        base = AutoModelForCausalLM.from_pretrained(place)
        before = base(input_ids=ids).logits
        theirs = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter"))(input_ids=ids).logits
    assert (ours - theirs).abs().max() < 1e-4
    assert (before - theirs).abs().max() > 1e-4, "the adapter changes something"


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "llama3"])
def test_llamas_layout_is_computed_as_transformers_computes_it(kind: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from netwright.nn.signal import Memory
    from netwright.pretrained.weights import quietly

    place = checkpoints.folder(tmp_path / kind, kind, lm=True)
    rows = {
        "text": [
            f"the film is {word} and {other}" for word in checkpoints.WORDS[:8] for other in checkpoints.WORDS[8:14]
        ]
    }
    settings = {
        "model": {"adapt": "frozen"},
        "columns": {"text": "text"},
        "training": {"epochs": 1, "steps": 1, "learning_rate": 1e-12},
    }
    model = nw.train(rows, target="text", model=place, output=tmp_path / "run", settings=settings)
    head: Any = next(iter(model.network.heads.values()))
    ids = torch.randint(4, 30, (3, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), quietly():
        ours = head.logits(model.network.trunk.step(Memory(), head.shown(ids))[0].values)
        theirs = AutoModelForCausalLM.from_pretrained(place)(input_ids=ids).logits
    assert type(model.network.trunk).__module__.startswith("netwright.nn.trunks.transformer")
    assert (ours - theirs).abs().max() < 1e-4


def test_two_texts_enter_as_a_pair() -> None:
    """[CLS] a [SEP] b [SEP], the second of another type; the longest loses its end where there is no room."""
    from netwright.nn.signal import Signal

    first, second = torch.tensor([[11, 12, 13], [11, 0, 0]]), torch.tensor([[21, 22], [21, 22]])
    signals = [
        Signal(first, "sequence", document=torch.tensor([[0, 0, 0], [0, -1, -1]])), Signal(second, "sequence", document=torch.zeros(2, 2, dtype=torch.long)),
    ]  # fmt: skip
    marks = pretrained.Marks((2,), (3,), (3,), typed=True)
    tokens, real, later, places = joined(signals, marks, 32)
    assert tokens.tolist() == [[2, 11, 12, 13, 3, 21, 22, 3], [2, 11, 3, 21, 22, 3, 0, 0]]
    assert real.sum(1).tolist() == [8, 6] and later.tolist() == [[0] * 5 + [1] * 3, [0] * 3 + [1] * 3 + [0] * 2]
    assert places[1].tolist() == [[5, 6], [3, 4]]
    assert joined(signals, marks, 7)[0].tolist()[0] == [2, 11, 12, 3, 21, 22, 3]
    assert shortened(torch.tensor([[3, 9], [2, 2]]), 8).tolist() == [[3, 5], [2, 2]]


def test_pairs_that_are_cut_are_said(tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / "bert", "bert")
    rows = {"a": ["the film is good"] * 30, "b": ["a plot"] * 29 + ["not very " * 20], "label": ["x", "y"] * 15}
    said: list[Event] = []
    with listening(said):
        trained(tmp_path, place, data=rows, model={"adapt": "frozen", "length": 24}, columns={"a": "text", "b": "text"})
    cut = [event for event in said if event.name == "text.cut"]
    assert any("together" in event.text and event.data["count"] == 1 for event in cut), [event.text for event in cut]


def test_words_are_answered_by_a_pretrained_network(tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / "bert", "bert")
    words = [checkpoints.WORDS[i % 7 : i % 7 + 5] for i in range(40)]
    rows = [{"words": line, "tags": ["X" if word in ("film", "plot") else "O" for word in line]} for line in words]
    model = nw.train(rows, target="tags", model=place, output=tmp_path / "run", settings=SHORT)
    assert [len(tags) for tags in model.predict(rows)["tags_predicted"].to_list()] == [len(line) for line in words]


def test_a_run_is_resumed_with_the_same_bits(tmp_path: Path) -> None:
    """Also where the head learns first: that part is done by then."""
    place = checkpoints.folder(tmp_path / "bert", "bert")
    pl.DataFrame(checkpoints.reviews()).write_csv(tmp_path / "rows.csv")
    whole = trained(tmp_path, place, "head", data=tmp_path / "rows.csv", training={"epochs": 3})
    import shutil

    run = tmp_path / "run"
    other = tmp_path / "other"
    shutil.copytree(run, other)
    # as it was when it was stopped: no weights, the state says training
    for name in ("model.safetensors", "metrics.json"):
        (other / name).unlink()
    import json

    about = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**about, "state": "training"}))
    again = nw.train(resume=other)
    for (name, one), two in zip(whole.network.state_dict().items(), again.network.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_unlike_rates_by_depth(tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / "bert", "bert")
    model = trained(tmp_path, place, model={"adapt": {"how": "full", "decay": 0.5}})
    rates = model.network.rates
    assert rates["trunk.inner.net.encoder.layer.1.attention.self.query.weight"] == 0.5
    assert rates["trunk.inner.net.encoder.layer.0.attention.self.query.weight"] == 0.25
    assert rates["trunk.inner.net.embeddings.word_embeddings.weight"] == 0.125


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"how": "top:9"}, "top:9 of a network of 2 blocks"),
        ({"how": "lora", "rank": 900}, "900 is above the width"),
        ({"how": "half"}, "'half' is none of frozen"),
        ({"how": "full", "bits": 8}, "bits 8 is for weights that stay"),
        ({"how": "lora", "bits": 4}, "adapt.bits"),
    ],
)
def test_what_cannot_be_adapted_is_said(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    place = checkpoints.folder(tmp_path / "bert", "bert")
    with pytest.raises(InputError, match=said):
        trained(tmp_path, place, model={"adapt": settings})


def test_maps_that_cannot_be_held_in_eight_bits_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be held in 8 bits"):
        trained(tmp_path, checkpoints.folder(tmp_path / "gpt2", "gpt2"), model={"adapt": {"how": "lora", "bits": 8}})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("learns", [[True], [True, False, True], [True, True]])
def test_lora_added_in_place_is_its_formula(learns: list[bool], bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers and gradients, of maps that are several in one too, and where the inputs learn nothing."""
    torch.manual_seed(0)
    sizes = [6, 4, 5][: len(learns)]
    base = torch.nn.Linear(7, sum(sizes), bias=bias).requires_grad_(False)
    part = lora.Lora(base, 3, 5.0, sizes, learns)
    for pair in part.B:
        torch.nn.init.normal_(pair)
    given = torch.randn(2, 4, sum(sizes))
    for x in (torch.randn(2, 4, 7, requires_grad=True), torch.randn(2, 4, 7)):
        found = []
        for whole in (True, False):
            if not whole:
                monkeypatch.setattr(lora.Lora, "_as_one", lambda self, x: False)
            y = part(x)
            wanted = [weight for weight in (x, part.A, *part.B) if weight.requires_grad]
            found.append([y, *torch.autograd.grad(y, wanted, given)])
        monkeypatch.undo()
        for mine, theirs in zip(*found, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
