"""A run loaded: predict and evaluate. Serving, explaining and exporting go through the same `predict`. n rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from netwright import registry
from netwright.data import readers
from netwright.data.encode import SLICE
from netwright.data.leakage import Learnt
from netwright.data.schema import Fitted
from netwright.data.stream import Stream
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.evaluation import metrics as measure
from netwright.evaluation.calibration import Trust
from netwright.events import Event, listening, quiet, say_rows, say_together
from netwright.inference import batching, embeddings
from netwright.inference.generation import Generator, Text
from netwright.kinds.base import Target, cells, kind_name, scored_as
from netwright.nn import driver, lora, quantization
from netwright.nn.batch import Lists, Rows, tensors
from netwright.nn.heads.text.settings import SamplingParams
from netwright.nn.network import Network, build, head_settings
from netwright.recipe import Execution, Read, Recipe, validate
from netwright.recipe.files import read_recipe
from netwright.runtime.arrays import Arrays, Ragged, take
from netwright.runtime.plan import Plan
from netwright.runtime.run import Run
from netwright.training import defaults, packer

Answers = dict[str, dict[str, np.ndarray]]
WRITTEN_AT_ONCE = 128  # rows that are written side by side: more gain little, and their caches take memory
LIGHT = 16  # times as many rows a call where a row takes a few operations: three times as fast (docs/dev/log.md)
READ_AT_ONCE = 32  # texts that are read side by side
LOGITS = 2**26  # of these texts' tokens, in all: 256 MB


class Model:
    """A trained network with all it needs to answer: `nw.train` and `nw.load` return one."""

    def __init__(
        self, network: Network, fitted: Fitted, recipe: Recipe, plan: Plan, run: Run | None = None, trust: dict[str, Trust] | None = None
    ) -> None:  # fmt: skip
        self.network, self.fitted, self.recipe, self.plan, self.run = network.eval(), fitted, recipe, plan, run
        self.trust = trust or {}

    def __repr__(self) -> str:
        return f"Model({', '.join(self.fitted.columns)} -> {', '.join(self.targets)})"

    def _repr_html_(self) -> str:  # the report stands above the model: it is found by its name, as rooms are
        return registry.find("report", "summary").of_model(self)

    @property
    def targets(self) -> list[str]:
        """The target columns."""
        return [kind.columns[0] for kind in self.fitted.targets.values()]

    @property
    def metrics(self) -> dict[str, Any]:
        """What the training measured: `metrics.json`."""
        assert self.run is not None, "a model that was never saved has no metrics file"
        return self.run.read(self.run.metrics)

    def answers(self, encoded: dict[str, Arrays], count: int) -> Answers:
        """Return the heads' arrays for encoded rows, by target key, calibrated and with intervals or sets."""
        if not self.fitted.columns:
            where = self.run.folder if self.run else "RUN"
            what = "a language model has no inputs to predict from"
            raise InputError(Problem(f"{where}", what, fix=f"netwright generate {where} 'the beginning of a text'"))
        return self.trusted(answers(self.network, encoded, count, self.plan))

    def trusted(self, found: Answers) -> Answers:
        """Apply what was learnt of the validation rows to the heads' arrays."""
        return {key: self.trust[key].apply(answer) if key in self.trust else answer for key, answer in found.items()}

    def predict(self, data: Any, *, read: Read | None = None) -> pl.DataFrame:
        """Return a row of predictions for each row of `data` (a path, a frame, a list of dicts, arrays), in its order.

        Columns: `id`; the target itself where `data` has it; `TARGET_predicted`; `p_CLASS` for each class (with several
        targets `p_TARGET_CLASS`); `TARGET_set`, the classes that hold the truth as often as `trust.coverage` says, or
        `TARGET_low` and `TARGET_high`. Raises `InputError` where an input column is missing or a value cannot be read.
        """
        return pl.concat(self.predictions(data, read=read))

    def predictions(self, data: Any, *, read: Read | None = None) -> Iterator[pl.DataFrame]:
        """Yield what `predict` returns, some hundred thousand rows at a time: of many millions all take gigabytes."""
        yield from self.parts(readers.streamed(data, settings=read or self.recipe.read))

    def parts(self, stream: Stream, *, first: int = 0) -> Iterator[pl.DataFrame]:
        """Yield what `predict` returns of a stream's rows from `first` on, SLICE rows at a time."""
        self.fitted.require(list(stream.schema), stream.name)
        fitted, targets = self.fitted, set(self.targets)
        names = [name for name in stream.schema if name in targets or name in fitted.columns]
        if len(stream) <= SLICE:
            table = stream.part(0, SLICE, names)
            yield self.decode(table, self.answers(fitted.encode(table), len(table)))
            return
        heard: list[Event] = []
        with ThreadPoolExecutor(1) as ahead:  # the next rows are read and encoded while these are answered
            coming = ahead.submit(_encoded_part, fitted, stream, first, names)
            for at in range(first, len(stream), SLICE):
                part, encoded, said = coming.result()
                heard += said
                if at + SLICE < len(stream):
                    coming = ahead.submit(_encoded_part, fitted, stream, at + SLICE, names)
                yield self.decode(part, self.answers(encoded, len(part)))
        say_together(heard)

    def generate(self, prompts: Any, *, sampling: SamplingParams | Mapping[str, Any] | None = None) -> list[Text]:
        """Return what is written after each prompt, or after one: `[text.text for text in model.generate(["One day"])]`.

        A prompt is a text, for conversations also a list of messages, and where there are several input columns a dict of
        their values. Raises `InputError` where the model writes no text, or a prompt has no room.
        """
        one = not isinstance(prompts, list) or (prompts and isinstance(prompts[0], dict) and "content" in prompts[0])
        several = [prompts] if one else prompts
        with precisely(self.plan):
            return self._generator.texts(several, _sampling(sampling))

    def stream(self, prompt: Any, *, sampling: SamplingParams | Mapping[str, Any] | None = None) -> Iterator[str]:
        """Yield what is written after a prompt, as it comes, whole characters only."""
        with precisely(self.plan):
            yield from self._generator.stream(prompt, _sampling(sampling))

    @cached_property
    def _generator(self) -> Generator:
        return Generator(self.network, self.fitted, self.plan.device)

    def embed(self, data: Any, *, read: Read | None = None) -> pl.DataFrame:
        """Return a frame of `id` and `vector` for each row of `data`: D float32 of length 1, alike for rows that mean alike.

        Of pairs the input's half, or the other one where only that is there. Raises `InputError` where an input column is
        missing.
        """
        table = readers.read(data, settings=read or self.recipe.read)
        fitted = self.fitted
        if not fitted.columns:
            where = self.run.folder if self.run else "RUN"
            fix = "embed by a pretrained checkpoint, or by a run that reads columns"
            raise InputError(Problem(str(where), "a language model has no input columns to embed", fix=fix))
        for kind in fitted.targets.values() if self.network.paired else ():
            fitted = replace(fitted, targets={})
            ((own,), (other,)) = (fitted.columns, kind.columns)
            if own not in table.columns and other in table.columns:
                table = replace(table, frame=table.frame.select(pl.col(other).alias(own)))
        with precisely(self.plan):
            found = embeddings.vectors(self.network, self.fitted, fitted.encode(table), len(table))
        return pl.DataFrame({"id": table.ids(), "vector": pl.Series(found, dtype=pl.Array(pl.Float32, found.shape[1]))})

    def nearest(self, queries: Any, data: Any, *, count: int = 5) -> pl.DataFrame:
        """Return the rows of `data` whose vectors are nearest to each query's: `query`, `rank`, `id`, `cosine`.

        `queries` and `data`: rows as `predict` takes them.
        """
        asked, kept = self.embed(queries), self.embed(data)
        places, cosines = embeddings.nearest(asked["vector"].to_numpy(), kept["vector"].to_numpy(), count)
        k = places.shape[1]
        return pl.DataFrame({
            "query": np.repeat(asked["id"].to_numpy(), k), "rank": np.tile(np.arange(1, k + 1), len(places)),
            "id": kept["id"].to_numpy()[places.ravel()], "cosine": cosines.ravel(),
        })  # fmt: skip

    def bare(self) -> Network:
        """Return a network like this one's, untrained, with nothing in it of how it was adapted."""
        with precisely(self.plan):
            network = assemble(self.recipe, self.fitted, bare=True)
        return network.double() if self.plan.precision == "float64" else network

    def decode(self, table: Table, found: Answers) -> pl.DataFrame:
        """Return answers as columns beside the rows' ids and, where they are known, the targets."""
        columns = [pl.DataFrame(table.id_column())]
        for key, kind in self.fitted.targets.items():
            name = kind.columns[0]
            if name in table.columns:
                columns.append(table.frame.select(name))
            columns.append(
                kind.decode(
                    kind.located(
                        found[key], {name: cells(table.frame[name]) for name in kind.beside if name in table.columns}
                    ),
                    prefix=f"{name}_" if len(self.fitted.targets) > 1 else "",
                )
            )
        return pl.concat(columns, how="horizontal")

    def evaluate(self, data: Any, *, read: Read | None = None) -> dict[str, Any]:
        """Return {"metrics": {NAME: {"value", "low", "high"}}, "rows": n} on rows that have the target.

        With several targets the metrics are keyed by target. `low` and `high` bound a 95 % bootstrap interval. Rows that
        the network learnt are said (`rows.repeated`): on those it is memory that is measured.
        """
        table = readers.read(data, settings=read or self.recipe.read)
        targets = self.fitted.encode_targets(table)
        lost = self.fitted.unusable(targets)
        if lost.any():
            say_rows("target.unknown", "rows without a usable target are skipped", table.named(np.flatnonzero(lost)))
        if self.run is not None and self.run.learnt.exists():
            Learnt.read(self.run.learnt).say_among(table, self.fitted)
        encoded = self.fitted.encode(table)
        found = self.trusted(judged(self.network, self.fitted, encoded, targets, self.plan, write=True))
        return {"metrics": self.measured(targets, found, None), "rows": int((~lost).sum())}

    def measured(self, targets: dict[str, Arrays], found: Answers, weight: np.ndarray | None) -> dict[str, Any]:
        """Return the metrics of answers against encoded targets (by target where there are several)."""
        out = {}
        for key, kind in self.fitted.targets.items():
            truth, answered, weighed = compared(kind, targets[key], found[key], weight)
            if not len(truth):
                raise InputError(
                    Problem(kind.columns[0], "no row has a known value to compare with", fix="give rows that have it")
                )
            out[kind.columns[0]] = measure.measure(
                scored_as(kind), truth, answered, weight=weighed, seed=self.recipe.training.seed or 0
            )
        return out if len(out) > 1 else next(iter(out.values()))


def _sampling(sampling: SamplingParams | Mapping[str, Any] | None) -> SamplingParams:
    """How to write, given as such or by its settings' names. Raises `InputError` with each one that is wrong."""
    return (
        sampling
        if isinstance(sampling, SamplingParams)
        else validate(SamplingParams, dict(sampling or {}), where="sampling")
    )


def _encoded_part(
    fitted: Fitted, stream: Stream, first: int, names: list[str]
) -> tuple[Table, dict[str, Arrays], list[Event]]:
    """Some rows of a stream, encoded, and what was said of them."""
    heard: list[Event] = []
    with quiet(), listening(heard):
        table = stream.part(first, SLICE, names)
        return table, fitted.encode(table), heard


def answers(
    network: Network, encoded: dict[str, Arrays], count: int, plan: Plan, *, only: Iterable[str] | None = None
) -> Answers:
    """Return the heads' arrays for encoded rows, `rows_a_call` at a time, by target key; `only`: of these targets."""
    network.eval()
    keys = list(network.heads if only is None else only)
    writes = bool(set(keys) & set(encoded)) and not network.paired
    with precisely(plan):
        rows = Rows({key: tensors(arrays) for key, arrays in encoded.items()}, {}, count=count)

        def work(chosen: torch.Tensor) -> Answers:
            return driver.answer(network, on(rows, chosen, plan.device), only=keys)

        lengths = _lengths(rows, keys)
        if lengths is None:
            size = plan.rows_a_call * (LIGHT if network.trunk.light else 1)
            order = list(torch.arange(count).split(size)) if count else []
            parts = [work(chosen) for chosen in order]
        elif writes:
            order = batching.of_like_lengths(lengths, min(plan.rows_a_call, WRITTEN_AT_ONCE), batching.ELSEWHERE)
            parts = [work(chosen) for chosen in order]
        else:
            most = batching.tokens(lengths, plan.device, network.trunk.out.width)
            order = batching.of_like_lengths(lengths, plan.rows_a_call, most)
            parts = batching.each(order, work, device=plan.device)
    return _in_order(parts, order)


def _in_order(parts: list[Answers], calls: list[torch.Tensor]) -> Answers:
    """The answers of all calls, in the rows' own order."""
    found, order = joined(parts), torch.cat(calls) if calls else torch.zeros(0, dtype=torch.long)
    if torch.equal(order, torch.arange(len(order))):
        return found
    back = order.argsort().numpy()
    return {key: {name: a[back] for name, a in arrays.items()} for key, arrays in found.items()}


def judged(
    network: Network, fitted: Fitted, inputs: dict[str, Arrays], targets: dict[str, Arrays], plan: Plan, *, write: bool
) -> Answers:
    """Return answers to be measured against encoded targets.

    Of texts: how much the truth surprises the network, and with `write` what it writes itself, where it is given inputs.
    """
    count = len(next(iter(next(iter(targets.values())).values())))
    texts = {key for key, kind in fitted.targets.items() if kind.needs == "stimulus"}
    asked = [key for key in fitted.targets if key not in texts or (write and _is_asked(fitted, key))]
    found = answers(network, inputs, count, plan, only=asked) if asked else {}
    if texts:
        blocks = {key: arrays for key, arrays in inputs.items() if key in fitted.inputs}
        read = read_truth(network, blocks, {key: targets[key] for key in texts}, count, plan)
        found |= {key: {**fitted.targets[key].in_unit(found.get(key, {})), **read[key]} for key in texts}
    return found


def _is_asked(fitted: Fitted, key: str) -> bool:
    """Whether a text answers inputs: what a language model writes from nothing is compared with no truth."""
    return bool(fitted.inputs or fitted.targets[key].prompted)


def _lengths(rows: Rows, keys: Iterable[str]) -> torch.Tensor | None:
    """(n,) how many tokens the rows' prompts or texts have; None where they have none."""
    prompts = [part for key in keys if isinstance(part := rows.inputs.get(key, {}).get("ids"), Lists)]
    texts = [block["ids"] for block in rows.inputs.values() if "ids" in block and "weights" not in block]
    lists = prompts[:1] or [part for part in texts if isinstance(part, Lists)]
    return torch.stack([part.lengths.cpu() for part in lists]).sum(0) if lists else None


def read_truth(
    network: Network, encoded: dict[str, Arrays], targets: dict[str, Arrays], count: int, plan: Plan
) -> Answers:
    """Return how much written targets surprise the network: {"nats", "tokens", "bytes"} (n,) each, by target key.

    nats are Σ -ln p over a row's counted tokens. A text longer than the context is read in pieces.
    """
    network.eval()
    out: Answers = {}
    with precisely(plan), torch.no_grad():
        for key, arrays in targets.items():
            whole = tensors({name: array for name, array in arrays.items() if isinstance(array, Ragged)})
            head: Any = network.heads[key]
            block, row = packer.pieces(whole, head.kind.length)
            inputs = {name: tensors(part) for name, part in encoded.items()}
            rows = Rows(inputs, {}, count=count)
            ids, nats, tokens = block["ids"], torch.zeros(count, dtype=torch.float64), torch.zeros(count)
            assert isinstance(ids, Lists)
            for chosen in batching.of_like_lengths(ids.lengths, READ_AT_ONCE, max(1, LOGITS // head.kind.width)):
                batch = on(rows, row[chosen], plan.device)
                shown, goal = head.teach(
                    {name: part.take(chosen).to(plan.device) for name, part in block.items()}, None
                )  # type: ignore[union-attr]
                signal, after = network.trunk.step(network.read(batch), shown)
                losses = head.loss(signal, goal, after).double() * goal.weight.double()
                nats.index_add_(0, row[chosen], losses.cpu())
                tokens.index_add_(0, row[chosen], goal.weight.cpu().float())
            out[key] = {"nats": nats.numpy(), "tokens": tokens.double().numpy(), "bytes": arrays["bytes"]}  # type: ignore[dict-item]
    return out


@contextmanager
def precisely(plan: Plan | Execution) -> Iterator[None]:
    """Within the block torch's default precision is the plan's: float64 where it says so, else float32.

    Numbers too small for their format (subnormal ones) count as 0: processors take a hundred times longer for them, and
    an LSTM's first epochs were 14 times slower (docs/dev/log.md).
    """
    previous, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64 if plan.precision == "float64" else torch.float32)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)  # a later training in this process measures for itself
        torch.set_default_dtype(previous)


def on(rows: Rows, chosen: torch.Tensor, device: str) -> Any:
    """Return a batch of rows on a device."""
    batch = rows.take(chosen)
    if device != "cpu":
        for block in batch.inputs.values():
            for name, part in block.items():
                block[name] = part.to(device)
    return batch


def joined(parts: list[Answers]) -> Answers:
    """Join the answers of several calls, in order."""
    return (
        {key: {name: np.concatenate([part[key][name] for part in parts]) for name in parts[0][key]} for key in parts[0]}
        if parts
        else {}
    )


def compared(
    kind: Target, target: Arrays, found: dict[str, np.ndarray], weight: np.ndarray | None
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray | None]:
    """Return truth, answer and weight as metrics take them, of the rows that have a target, in the target's own unit."""
    here = np.flatnonzero(~kind.absent(target))
    found = {name: array[here] for name, array in found.items()}
    return kind.truth(take(target, here)), kind.in_unit(found), None if weight is None else weight[here]


def load(folder: str | Path, *, module: torch.nn.Module | None = None) -> Model:
    """Return the model of a run folder. `module`: the user's own network, where the run holds one's weights.

    Raises `InputError` where the folder is no run, is not finished, or was made by a newer version.
    """
    run = Run.open(folder)
    fitted = Fitted.from_json(run.read(run.kinds))
    if not run.weights.exists():
        raise InputError(Problem(str(folder), "this run is not complete", fix=f"netwright train --resume {folder}"))
    recipe = read_recipe(run.recipe)
    plan = Plan.model_validate(run.read(run.plan))
    # runs made before LoRA's matrices were merged hold them by themselves
    form, state = run.read(run.about).get("weights"), lora.merged(stored(run.weights))
    with precisely(plan):
        network = assemble(recipe, fitted, module, bare=True)
    if plan.precision == "float64":
        network = network.double()
    if form == "int4":
        state = quantization.unpacked(state)
    elif form is not None:
        quantization.convert(network, form, empty=True)
    fill(network, state, where=str(run.weights))
    plan = plan.model_copy(update={"device": plan.device if _is_there(plan.device) else "cpu"})
    kept = run.read(run.trust) if run.trust.exists() else {}  # older runs have none
    return Model(network.to(plan.device), fitted, recipe, plan, run, {key: Trust(**item) for key, item in kept.items()})


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return predictions as a CSV file can hold them: lists and objects as JSON texts."""
    lists = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    texts = [
        pl.Series(name, [json.dumps(item, ensure_ascii=False) for item in frame[name].to_list()]) for name in lists
    ]
    return frame.with_columns(texts)


def stored(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a file. Raises `InputError` where it is damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        fix = "restore it from a copy, or train again"
        raise InputError(Problem(str(path), f"this file is damaged: {error}", fix=fix)) from error


def fill(network: torch.nn.Module, state: dict[str, torch.Tensor], *, where: str) -> None:
    """Give a network its weights. Raises `InputError` where they are another network's."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n")[1:2] or [str(error)]
        what = f"these weights do not fit this network: {first[0].strip().rstrip('.')}"
        raise InputError(
            Problem(where, what, fix="give the recipe and the module that they were trained with")
        ) from error


def assemble(recipe: Recipe, fitted: Fitted, module: torch.nn.Module | None = None, *, bare: bool = False) -> Network:
    """Return the untrained network of a full recipe and fitted kinds; `bare`: not yet made ready to be adapted."""
    heads = {
        key: head_settings(kind_name(kind), recipe.heads.get(kind.columns[0], {}), where=f"heads.{kind.columns[0]}")
        for key, kind in fitted.targets.items()
    }
    family = defaults.family_settings(recipe.model)
    network = build(family, fitted.inputs, fitted.targets, heads, module)
    if not bare:
        lora.prepare(network, family.adapt)
    return network


def _is_there(device: str) -> bool:
    if device.startswith("cuda"):
        return torch.cuda.is_available()
    return device == "cpu" or (device == "mps" and torch.backends.mps.is_available())
