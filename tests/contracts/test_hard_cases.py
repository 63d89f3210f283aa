"""The contract's hard cases: each was found to hurt when it comes late. One loop and one driver serve them all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import torch.multiprocessing as mp
from doubles import ImageHead, SpanHead, TextHead, Uncached, concatenated, image_stem, text_stem
from torch import Tensor

from netwright.kinds.category import Input as CategoryInput
from netwright.kinds.category import Target as CategoryTarget
from netwright.kinds.number import Input as NumberInput
from netwright.kinds.number import Options
from netwright.kinds.number import Target as NumberTarget
from netwright.nn.batch import Batch, Lists, Rows
from netwright.nn.driver import answer
from netwright.nn.heads.category.net import Net as CategoryHead
from netwright.nn.heads.category.settings import Settings as CategorySettings
from netwright.nn.network import Network, build, head_settings
from netwright.nn.shapes import Shape, Want
from netwright.nn.signal import Memory, Signal
from netwright.nn.stems.category import Stem as CategoryStem
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.linear.settings import Settings as Linear
from netwright.nn.trunks.mlp.settings import Settings as Mlp
from netwright.nn.trunks.transformer.net import Net as Transformer
from netwright.nn.trunks.transformer.settings import Settings as TransformerSettings
from netwright.recipe import Training
from netwright.runtime.plan import Plan
from netwright.training.loop import Data, Loop
from netwright.training.processes import World

D, B, V = 32, 8, 20
TINY = TransformerSettings(width=D, depth=2, heads=4, dropout=0.0)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def fit(network: torch.nn.Module, rows: Rows, steps: int = 250, rate: float = 3e-3) -> float:
    """Train with the one loop; return the last loss."""
    settings = Training(epochs=steps, batch_size="all", optimizer="adamw", learning_rate=rate, seed=0)
    loop = Loop(network, Data(rows, torch.arange(len(rows)), {}), None, settings, Plan(), kept=None)
    loss = loop.run()[-1]["loss"]
    network.eval()
    return loss


def lists(tokens: Tensor) -> Lists:
    """Padded tokens (0: padding) as rows of unlike length."""
    return Lists(tokens[tokens != 0], torch.cat([torch.zeros(1, dtype=torch.long), (tokens != 0).sum(1).cumsum(0)]))


def words(rows: int, length: int) -> Tensor:
    return torch.randint(3, V, (rows, length))


def test_a_table_of_500_columns_is_one_block_and_is_learnt() -> None:
    frame = pl.DataFrame({f"x{k}": np.random.default_rng(k).normal(size=B) for k in range(500)})
    kind = NumberInput.fit(frame, Options(scale="robust"))
    label = CategoryTarget.fit(pl.DataFrame({"y": list("abcdabcd")}), CategoryInput.Options(kind="category"))
    values = torch.from_numpy(kind.encode(frame, str)["values"])  # type: ignore[arg-type]
    codes = torch.from_numpy(label.encode(pl.DataFrame({"y": list("abcdabcd")}), str)["codes"])  # type: ignore[arg-type]
    network = build(Mlp.tiny(), {"number": kind}, {"target_1": label}, {"target_1": CategorySettings()})
    assert list(network.stems) == ["number"]
    rows = Rows({"number": {"values": values}}, {"target_1": {"codes": codes}}, count=B)
    fit(network, rows, 100)
    probability = answer(network, rows.take(torch.arange(B)))["target_1"]["probability"]
    assert (probability.argmax(1) == codes[:, 0].numpy() - 2).all()


class TinyBert(Trunk):
    """A family that brings a pretrained trunk: transformers' own BERT, two text columns entering as one pair."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=V, hidden_size=D, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        self.bert = BertModel(config, add_pooling_layer=False)
        self.out = Shape("sequence", D)

    def read(self, signals: list[Signal]) -> Memory:  # type: ignore[override]
        column = torch.cat([torch.full((s.values.shape[1],), k) for k, s in enumerate(signals)])
        document = torch.cat([s.documents() for s in signals], 1)
        ids = torch.cat([s.values for s in signals], 1)  # token numbers: this family embeds them itself
        kinds = column.expand_as(ids)
        states = self.bert(input_ids=ids, token_type_ids=kinds, attention_mask=(document >= 0).long()).last_hidden_state
        return Memory(Signal(states, "sequence", column, document=document))


def test_a_span_of_one_of_two_text_columns_is_found_exactly_by_a_tiny_bert() -> None:
    from netwright.kinds.text import Input as TextInput
    from netwright.nn.stems.text import Stem as TextStem

    kind = TextInput(columns=("t",), tokens="words", vocabulary=V, length=64, lowercase=True)
    question, context = words(B, 6), words(B, 10)
    question[::2, 4:] = 0  # unlike lengths: the context must be found through `where`, not by counting
    context[1::2, 8:] = 0
    ends = torch.stack([torch.randint(0, 5, (B,)), torch.randint(5, 8, (B,))], 1)
    stems = {"question": TextStem(kind, Want("ids")), "context": TextStem(kind, Want("ids"))}
    network = Network(stems, TinyBert(), {"answer": SpanHead(D, about=1)})
    rows = Rows(
        {"question": {"ids": lists(question)}, "context": {"ids": lists(context)}}, {"answer": {"ends": ends}}, count=B
    )
    fit(network, rows, 150)
    assert torch.equal(answer(network, rows.take(torch.arange(B)))["answer"]["ends"], ends)


def language_model() -> tuple[Network, Tensor]:
    texts = words(4, LENGTH)
    network = Network({}, Transformer(TINY, [], 0), {"text": TextHead(text_stem(V, D))})
    fit(network, Rows({}, {"text": {"ids": texts}}, count=4))
    return network, texts


LENGTH = 8


def test_cached_decoding_equals_uncached_with_prompts_of_unlike_length() -> None:
    network, texts = language_model()
    prompts = [texts[k, :n].tolist() for k, n in enumerate((1, 3, 2, 5))]
    batch = Batch({}, {"text": {"ids": texts}})
    cached = answer(network, batch, given={"text": prompts})["text"]["ids"]
    plain = Network({}, network.trunk, {"text": Uncached(network.heads["text"].stem)})
    assert cached == answer(plain, batch, given={"text": prompts})["text"]["ids"]
    for row, prompt in enumerate(prompts):
        alone = answer(network, Batch({}, {"text": {"ids": texts[:1]}}), given={"text": [prompt]})["text"]["ids"][0]
        assert alone == cached[row]
        rest = texts[row, len(prompt) :].tolist()
        assert cached[row][: len(rest)] == rest, "it has learnt the texts"


def test_packed_documents_equal_unpacked_ones() -> None:
    network, texts = language_model()
    head = network.heads["text"]
    taught = [head.teach({"ids": texts[k : k + 1]}, None)[0] for k in range(3)]
    packed, _ = network.trunk.step(Memory(), concatenated(taught))
    apart = torch.cat([network.trunk.step(Memory(), one)[0].values for one in taught], 1)
    torch.testing.assert_close(packed.values, apart, atol=1e-5, rtol=0)


def test_text_to_text_with_padded_inputs_is_learnt_and_a_beam_may_select_rows() -> None:
    source, target = words(B, 6), words(B, LENGTH)
    source[::2, 4:] = 0
    stem = text_stem(V, D)
    network = Network({"text": stem}, Transformer(TINY, [stem.out], 0), {"target": TextHead(stem)})
    rows = Rows({"text": {"ids": lists(source)}}, {"target": {"ids": target}}, count=B)
    fit(network, rows)
    batch = rows.take(torch.arange(B))
    assert answer(network, batch)["target"]["ids"] == target.tolist()
    with torch.no_grad():
        memory = network.read(batch)
        chosen = torch.tensor([3, 3, 1])
        begin = network.heads["target"].embed(torch.ones(3, 1, dtype=torch.long))
        selected, _ = network.trunk.step(memory.select(chosen), begin)
        every, _ = network.trunk.step(memory, network.heads["target"].embed(torch.ones(B, 1, dtype=torch.long)))
    torch.testing.assert_close(selected.values, every.values[chosen], atol=1e-6, rtol=0)


def test_an_ensemble_lives_on_the_member_axis() -> None:
    kind = NumberInput.fit(pl.DataFrame({"x": np.arange(8.0)}), Options(scale="robust"))
    target = NumberTarget.fit(pl.DataFrame({"y": np.arange(8.0) ** 2}), Options())
    settings = Mlp(width=16, depth=2, members=4, dropout=0.0, activation="relu", embedding="none")
    network = build(
        settings, {"number": kind}, {"target_1": target}, {"target_1": head_settings("number", {}, where="h")}
    )
    x = torch.from_numpy(kind.encode(pl.DataFrame({"x": np.arange(8.0)}), str)["values"])  # type: ignore[arg-type]
    batch = Batch({"number": {"values": x}})
    memory = network.eval().read(batch)
    assert memory.inputs is not None and memory.inputs.values.shape == (8, 4, 16)
    members = network.heads["target_1"].readout(memory.inputs)[..., 0]  # (B, K)
    assert members.std(1).min() > 1e-3, "members differ"
    np.testing.assert_allclose(answer(network, batch)["target_1"]["value"], members.mean(1).detach().numpy(), rtol=1e-6)


def test_two_targets_of_different_kinds_share_one_trunk() -> None:
    x = pl.DataFrame({"x": np.random.default_rng(0).normal(size=B)})
    kind = NumberInput.fit(x, Options(scale="robust"))
    number = NumberTarget.fit(pl.DataFrame({"y": np.arange(8.0)}), Options())
    label = CategoryTarget.fit(pl.DataFrame({"z": list("abcdabcd")}), CategoryInput.Options(kind="category"))
    for family in (Mlp.tiny(), Linear()):
        heads = {
            "target_1": head_settings("number", {}, where="h"),
            "target_2": head_settings("category", {}, where="h"),
        }
        network = build(family, {"number": kind}, {"target_1": number, "target_2": label}, heads)
        values = torch.from_numpy(kind.encode(x, str)["values"])  # type: ignore[arg-type]
        wanted = torch.arange(8.0)[:, None]
        codes = torch.arange(8)[:, None].int() % 4 + 2
        codes[3] = 1  # this row has no category: it teaches the number alone
        rows = Rows(
            {"number": {"values": values}}, {"target_1": {"values": wanted}, "target_2": {"codes": codes}}, count=B
        )
        losses = network(rows.take(torch.arange(B)))
        assert losses["target_2"][1].tolist() == [1, 1, 1, 0, 1, 1, 1, 1]
        assert losses["target_1"][1] is None  # all rows have a number
        before = sum(
            float(each.detach().mean() if w is None else (each.detach() * w).sum() / w.sum())
            for each, w in losses.values()
        )
        assert fit(network, rows, 200, rate=1e-2) < before
    assert {"target_1", "target_2"} == set(answer(network, rows.take(torch.arange(B))))


def test_an_image_is_made_from_noise_as_its_category_asks() -> None:
    pictures = torch.full((3, 1, 8, 8), -1.0)
    pictures[0, :, :4], pictures[1, :, :, :4], pictures[2, :, 2:6, 2:6] = 1.0, 1.0, 1.0
    which = torch.arange(24) % 3
    kind = CategoryInput.fit(pl.DataFrame({"c": list("abc")}), CategoryInput.Options(kind="category"))
    stem = CategoryStem(kind, Want("sequence", D))
    network = Network({"category": stem}, Transformer(TINY, [stem.out], 0, causal=False), {"image": ImageHead(8, D)})
    rows = Rows({"category": {"codes": which[:, None].int() + 2}}, {"image": {"image": pictures[which]}}, count=24)
    fit(network, rows, 400)
    made = answer(network, rows.take(torch.arange(24)))["image"]["image"]
    nearest = (made[:, None] - pictures[None]).square().flatten(2).sum(2).argmin(1)
    assert (nearest == which).float().mean() > 0.9


def test_an_image_in_patches_joins_text_in_one_memory() -> None:
    pixels, text = torch.randint(0, 256, (B, 8, 8, 1), dtype=torch.uint8), words(B, 5)
    stems = {"image": image_stem(8, D), "text": text_stem(V, D)}
    label = CategoryTarget.fit(pl.DataFrame({"y": list("abababab")}), CategoryInput.Options(kind="category"))
    trunk = Transformer(TINY, [stem.out for stem in stems.values()], 0)
    head = CategoryHead(label, CategorySettings(), trunk.out, ready=False)
    network = Network(stems, trunk, {"y": head})
    codes = torch.tensor([2, 3] * 4)[:, None].int()
    rows = Rows({"image": {"pixels": pixels}, "text": {"ids": lists(text)}}, {"y": {"codes": codes}}, count=B)
    fit(network, rows, 80)
    assert (answer(network, rows.take(torch.arange(B)))["y"]["probability"].argmax(1) == codes[:, 0].numpy() - 2).all()


def _regression() -> tuple[Network, Rows]:
    torch.manual_seed(3)
    frame = pl.DataFrame({f"x{k}": np.random.default_rng(k).normal(size=24) for k in range(3)})
    kind = NumberInput.fit(frame, Options(scale="robust"))
    target = NumberTarget.fit(pl.DataFrame({"y": np.arange(24.0)}), Options())
    network = build(
        Mlp.tiny(), {"number": kind}, {"target_1": target}, {"target_1": head_settings("number", {}, where="h")}
    )
    values = torch.from_numpy(kind.encode(frame, str)["values"])  # type: ignore[arg-type]
    weight = torch.linspace(0.1, 2.0, 24)  # unlike weights: the loss must be divided by their global sum
    return network, Rows({"number": {"values": values}}, {"target_1": {"values": torch.randn(24, 1)}}, weight, count=24)


def _one_of_two(rank: int, folder: str, accumulate: int) -> None:
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE="2",
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(29600 + accumulate),
    )
    torch.set_num_threads(1)
    network, rows = _regression()
    settings = Training(
        epochs=4, batch_size=5, accumulate=accumulate, optimizer="adamw", learning_rate=1e-2, l2=0.01, seed=1
    )
    loop = Loop(network, Data(rows, torch.arange(24), {}), None, settings, Plan(), kept=None, world=World.joined())
    loop.run()
    if rank == 0:
        torch.save(network.state_dict(), Path(folder) / "weights.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_equal_one(tmp_path: Path, accumulate: int) -> None:
    mp.start_processes(_one_of_two, (str(tmp_path), accumulate), nprocs=2, start_method="spawn")
    theirs = torch.load(tmp_path / "weights.pt", weights_only=True)
    network, rows = _regression()
    settings = Training(
        epochs=4, batch_size=5, accumulate=accumulate, optimizer="adamw", learning_rate=1e-2, l2=0.01, seed=1
    )
    Loop(network, Data(rows, torch.arange(24), {}), None, settings, Plan(), kept=None).run()
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(theirs[name], weight, atol=1e-5, rtol=1e-4, msg=name)
