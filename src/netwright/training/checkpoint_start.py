"""Pretrained checkpoints as a start: their weights in a network, and models of them as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch

from netwright import pretrained
from netwright.data import describe, schema
from netwright.data.describe import Described
from netwright.data.schema import Fitted
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import quiet
from netwright.inference.model import Model, assemble, fill
from netwright.kinds.infer import check_options, infer, input_class, target_class
from netwright.nn.network import Network, build, head_settings
from netwright.nn.trunks.family import Adapt, Family
from netwright.nn.trunks.pretrained.net import Net as Pretrained
from netwright.nn.trunks.pretrained.settings import Settings as Pretraining
from netwright.nn.trunks.pretrained.settings import of_llama
from netwright.nn.trunks.pretrained.writer import Net as Writer
from netwright.nn.trunks.transformer import llama
from netwright.pretrained import fits
from netwright.recipe import Recipe
from netwright.runtime.plan import Plan

READS = {"vision": "image"}  # the kind of column that a checkpoint reads, by its role; others read text


def begin_with(network: Network, held: pretrained.Checkpoint) -> None:
    """Give a network a checkpoint's weights. Raises `InputError` where they are another network's."""
    if isinstance(network.trunk, Writer):
        network.trunk.take(held.weights(writes=True))
        return
    state = held.weights()
    if isinstance(network.trunk, Pretrained):
        network.trunk.take(state)
        return
    (key,) = network.heads
    depth = len(network.trunk.layers)  # type: ignore[arg-type]
    found = llama.taken(state, depth, key)
    table = f"heads.{key}.table.weight"
    if held.config.get("tie_word_embeddings"):
        found.pop(f"heads.{key}.readout.weight", None)
    elif f"heads.{key}.readout.weight" not in found:  # a bare network without its answering table
        raise InputError(Problem(str(held.path), "lacks the output layer (lm_head)", fix="take the whole checkpoint"))
    own = network.state_dict()
    if found[table].shape != own[table].shape:
        what = f"its embedding has {found[table].shape[0]:,} rows, and config.json says {own[table].shape[0]:,}"
        raise InputError(Problem(str(held.path), what, fix="download the checkpoint again"))
    fill(network, found, where=str(held.path))


def untrained(checkpoint: str, table: Table, inputs: tuple[str, ...] | None) -> Model:
    """Return a model of a pretrained checkpoint as it is, which embeds a table's columns and answers nothing.

    `inputs`: the columns that it reads; left out, all of the sort that it reads. Raises `InputError` where there are none.
    """
    family = Pretraining(start=checkpoint)
    kind = READS.get(family.checkpoint().role, "text")
    names = list(inputs or table.columns)
    table.require(names, setting="--inputs")
    with quiet():
        asked = {"kind": kind} if inputs else {}
        found = [infer(table.frame[name], asked, "input", declared=table.declared.get(name)) for name in names]
    own = [column for column in found if column.kind == kind]
    if not own:
        raise InputError(
            Problem(
                "--inputs",
                f"no column is of kind {kind}, which this checkpoint reads",
                allowed=", ".join(table.columns),
            )
        )
    described = Described(table, tuple(own), (), {})
    family = family.filled(describe.facts(described, len(table)))
    fitted, _ = schema.fit(described, family, np.arange(len(table)))
    fits.check(family.checkpoint(), learns=0.0)
    network = build(family, fitted.inputs, {}, {})
    begin_with(network, family.checkpoint())
    recipe = Recipe(inputs=tuple(fitted.columns), model=family.model_dump(mode="json"))
    return Model(network.eval(), fitted, recipe, Plan(threads=torch.get_num_threads()))


def writer(checkpoint: str, *, length: int | None = None) -> Model:
    """Return a model of a pretrained checkpoint as it is, which writes: conversations where it has a chat template.

    An encoder-decoder writes of a text that it reads. `length`: tokens that it sees at once, at most those it was trained
    on. Raises `InputError` where it writes nothing.
    """
    held = pretrained.opened(checkpoint)
    if held.role not in ("decoder", "encoder_decoder"):
        what = f"a {held.config.get('model_type', held.layout)} network writes no text"
        raise InputError(
            Problem(checkpoint, what, allowed="a decoder or an encoder-decoder", fix="netwright embed reads with it")
        )
    reads = held.role == "encoder_decoder"
    name = "messages" if held.chat and not reads else "text"
    family = _that_writes(held, checkpoint, name, reads=reads)
    most = int(held.config.get("max_position_embeddings") or held.config.get("n_positions") or 2048)
    given = {**family.brings_target("stimulus"), "length": min(length or most, most)}
    options = check_options(name, given, f"columns.{name}", "target")
    chats = bool(held.chat) and not reads
    value: Any = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] if chats else "a"
    with quiet():
        kind = target_class(name).fit(pl.DataFrame({"answer" if reads else name: [value]}), options)
        inputs = {}
        if reads:
            brought = check_options("text", schema.known("text", family.brings("sequence")), "columns.text", "input")
            inputs["text"] = input_class("text").fit(pl.DataFrame({"text": ["a"]}), brought)
    target = kind.columns[0]
    head = head_settings(name, family.brings_head("stimulus"), where=f"heads.{target}").model_dump(mode="json")
    recipe = Recipe(target=(target,), heads={target: head}, model=family.model_dump(mode="json"))
    fitted = Fitted(inputs, {"target_1": kind}, {})
    fits.check(held, learns=0.0)
    network = assemble(recipe, fitted, bare=True)
    begin_with(network, held)
    return Model(network.eval(), fitted, recipe, Plan(threads=torch.get_num_threads()))


def _that_writes(held: pretrained.Checkpoint, checkpoint: str, target: str, *, reads: bool) -> Family:
    if held.layout == "llama":
        return of_llama(held.config, start=checkpoint, adapt={"how": "full"})
    facts = describe.facts_of(1, ["text"] if reads else [], [target])
    return Pretraining(start=checkpoint, adapt=Adapt(how="full")).filled(facts)
