"""Training to write: packed as unpacked, going on from a run, resuming to the bit, what is said and refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from written_runs import chats, pairs, texts, trained, written

import netwright as nw
from netwright.errors import InputError
from netwright.kinds.written import Target as WrittenTarget
from netwright.nn.batch import Lists
from netwright.nn.heads.text.net import Net as Head
from netwright.nn.heads.text.settings import Settings as HeadSettings
from netwright.nn.network import Network
from netwright.nn.trunks.transformer.net import Net as Transformer
from netwright.nn.trunks.transformer.settings import Settings
from netwright.training import autotune
from netwright.training.packer import Packed, pieces

LENGTH = 16


def block(rows: list[list[int]]) -> dict[str, Lists]:
    offsets = torch.tensor([0, *np.cumsum([len(row) for row in rows])])
    values = torch.tensor([token for row in rows for token in row], dtype=torch.int32)
    first = torch.tensor([int(k > 0) for row in rows for k in range(len(row))], dtype=torch.uint8)
    return {"ids": Lists(values, offsets), "counted": Lists(first, offsets)}


def network() -> Network:
    torch.manual_seed(0)
    frame = pl.DataFrame({"t": ["some text"]})
    kind = WrittenTarget.fit(frame, WrittenTarget.Options(vocabulary=300, length=LENGTH))
    trunk = Transformer(Settings(width=32, depth=2, heads=4, key_heads=2, dropout=0.0), [], 0)
    return Network({}, trunk, {"t": Head(kind, HeadSettings(), trunk.out, ready=False)})


ROWS = [[1, *range(10 + k, 10 + k + n), 2] for k, n in enumerate((3, 9, 1, 12, 5, 7))]


def test_packed_texts_cost_what_they_cost_alone() -> None:
    net, held = network(), block(ROWS)
    packed = Packed("t", held, torch.arange(len(ROWS)), sum(map(len, ROWS)))  # one block that holds all
    with torch.no_grad():
        (losses, weight), alone = net(packed.take(torch.arange(len(packed))))["t"], 0.0
        total = float((losses * weight).sum())
        for row in ROWS:
            one = Packed("t", block([row]), torch.tensor([0]), len(row))
            one.begin(0, 0)
        for row in ROWS:
            shown, goal = net.heads["t"].teach(block([row]), None)
            signal, after = net.trunk.step(net.trunk.read([]), shown)
            alone += float((net.heads["t"].loss(signal, goal, after) * goal.weight).sum())
    assert total == pytest.approx(alone, rel=1e-5)


def test_every_counted_token_is_a_goal_once_an_epoch_whatever_the_blocks() -> None:
    packed = Packed("t", block(ROWS), torch.arange(len(ROWS)), LENGTH)
    wanted = sorted(token for row in ROWS for token in row[1:])
    for epoch in range(3):
        packed.begin(7, epoch)
        batch = packed.take(torch.arange(len(packed))).targets["t"]
        goals = batch["ids"][:, 1:][batch["counted"][:, 1:] > 0]  # type: ignore[index]
        assert sorted(goals.tolist()) == wanted


def test_how_texts_are_packed_depends_on_seed_and_epoch_alone() -> None:
    one, other = (Packed("t", block(ROWS), torch.arange(len(ROWS)), LENGTH) for _ in range(2))
    one.begin(1, 5)
    for epoch in (3, 4, 5):
        other.begin(1, epoch)
    assert torch.equal(one.tokens, other.tokens)
    other.begin(1, 6)
    assert not torch.equal(one.tokens, other.tokens)


def test_pieces_of_a_long_text_hold_each_goal_once() -> None:
    found, row = pieces(block(ROWS), 4)
    goals = [t for k in range(len(row)) for t in found["ids"].take(torch.tensor([k])).values.tolist()[1:]]
    assert sorted(goals) == sorted(token for one in ROWS for token in one[1:])
    assert int(found["ids"].lengths.max()) <= 5


def test_perplexity_and_bits_per_byte_are_those_of_the_loss(poet: nw.Model, home: Path) -> None:
    test = poet.metrics["test"]
    loss, perplexity = test["loss"]["value"], test["perplexity"]["value"]
    assert perplexity == pytest.approx(math.exp(loss))
    found = poet.evaluate(home / "poet" / "rows.jsonl")["metrics"]
    assert found["loss"]["value"] == pytest.approx(loss, abs=1e-5)
    held = pl.read_ndjson(home / "poet" / "rows.jsonl")["text"].to_list()
    tokens = sum(len(poet._generator.kind.reader.encode(text, add_special_tokens=False).ids) + 1 for text in held)
    size = sum(len(text.encode()) for text in held)
    assert found["bits_per_byte"]["value"] == pytest.approx(loss * tokens / math.log(2) / size, rel=1e-4)


def test_packed_training_learns_and_resumes_to_the_bit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(texts(), "text", home / "packed", pack=True, epochs=3)
    assert whole.metrics["history"][-1]["loss"] < whole.metrics["history"][0]["loss"]
    from netwright.training.loop import Loop

    end = Loop._end_epoch

    def stopped(self: Loop, began: float) -> None:
        end(self, began)
        if self.at.epoch == 2 and self.kept is not None:
            self._save(None)
            raise KeyboardInterrupt

    monkeypatch.setattr(Loop, "_end_epoch", stopped)
    with pytest.raises(KeyboardInterrupt):
        trained(texts(), "text", home / "cut", pack=True, epochs=3)
    monkeypatch.setattr(Loop, "_end_epoch", end)
    again = nw.train(resume=home / "cut")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_a_language_model_goes_on_as_an_assistant(poet: nw.Model, home: Path) -> None:
    data = written(chats(), home / "go-on.jsonl")
    model = nw.train(
        data, target="messages", model=str(home / "poet"), output=home / "go-on", settings={"training": {"epochs": 2}}
    )
    assert model._generator.kind.reader.get_vocab() == poet._generator.kind.reader.get_vocab()
    assert "tokenizer.json" in (home / "go-on" / "recipe.yaml").read_text()


def test_steps_bound_a_training(home: Path) -> None:
    rows = written(texts(), home / "steps.jsonl")
    settings = {"training": {"epochs": 50, "steps": 7, "batch_size": 16}}
    model = nw.train(
        rows,
        target="text",
        model={"family": "transformer", "width": 32, "depth": 1, "heads": 2},
        output=home / "steps",
        settings=settings,
    )
    assert len(model.metrics["history"]) == -(-7 // -(-52 // 16))


def test_measuring_texts_that_were_learnt_are_named(home: Path) -> None:
    rows = [*texts(40), *[{"text": "a text that stands here again and again"}] * 20]
    trained(rows, "text", home / "shared", epochs=1)
    said = [json.loads(line) for line in (home / "shared" / "events.jsonl").read_text().splitlines()]
    told = next(event for event in said if event["name"] == "text.contamination")
    assert told["kind"] == "warning" and told["data"]["count"] >= 2


@pytest.mark.parametrize(
    ("family", "settings", "words"),
    [
        ("mlp", {}, "does not write text"), ("linear", {}, "does not write text"),
        ("transformer", {"model": {"form": "encoder_decoder"}}, "needs inputs"),
        ("recurrent", {"training": {"pack": True}}, "keep them apart"), ("recurrent", {"model": {"both_ways": True}}, "both ways"),
        ("transformer", {"model": {"size": "gigantic"}}, "tiny, small, medium"),
    ],
)  # fmt: skip
def test_families_that_cannot_say_which_can(family: str, settings: dict, words: str, home: Path) -> None:
    rows = [{"text": row["text"]} for row in texts(30)]
    with pytest.raises(InputError, match=words):
        nw.train(rows, target="text", model=family, output=home / "refused", settings=settings)
    assert not (home / "refused").exists()


def test_a_number_and_a_category_may_stand_before_a_text(home: Path) -> None:
    rows = [{"n": k % 5, "c": "ab"[k % 2], "t": f"number {k % 5} of kind {'ab'[k % 2]}"} for k in range(80)]
    model = trained(rows, "t", home / "mixed", epochs=2)
    assert model.predict([{"n": 3, "c": "b"}])["t_predicted"].dtype == pl.String
    with pytest.raises(InputError, match="reads n, c"):
        model.generate("just a text")


def test_pairs_with_dropout_are_the_same_each_time(home: Path) -> None:
    one, other = (trained(pairs(30), "fr", home / name, epochs=2, dropout=0.1) for name in ("twice-1", "twice-2"))
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])


def test_texts_of_unlike_length_are_not_compiled_however_long_the_training(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(autotune, "WORTH_COMPILING", 0.0)
    for pack in (False, True):
        model = trained(texts(40), "text", home / f"uncompiled-{pack}", pack=pack, epochs=1, dropout=0.1)
        assert not model.plan.compile and "compile" in model.plan.reasons


def test_blocks_of_one_text_are_told_apart_from_none() -> None:
    """Where each block of a batch is of one text, its name is left out: the loss is what it is with the names."""
    from netwright.nn.batch import Lists
    from netwright.training.packer import Packed, alone

    lengths = torch.tensor([37, 12])
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    values = torch.arange(49) % 7
    rows = Packed(
        "text", {"ids": Lists(values, offsets), "counted": Lists(torch.ones(49), offsets)}, torch.arange(2), 8
    )
    for number in range(len(rows)):
        batch = rows.take(torch.tensor([number]))
        names = batch.targets["text"]["document"]
        assert isinstance(names, torch.Tensor)
        one = len(names.unique()) == 1
        assert ("document" not in alone(batch).targets["text"]) == one
        assert torch.equal(alone(batch).targets["text"]["ids"], batch.targets["text"]["ids"])  # type: ignore[arg-type]
    assert "document" in alone(rows.take(torch.arange(len(rows)))).targets["text"]
