"""The pipeline: a table is split, encoded, trained on and measured. Verbs join these steps. n rows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from netwright import pretrained
from netwright.data import describe, readers, schema, splits
from netwright.data.describe import Described
from netwright.data.encode import SLICE
from netwright.data.schema import Fitted
from netwright.data.splits import Parts
from netwright.data.table import Table
from netwright.errors import InputError, Problem, counted
from netwright.evaluation import calibration
from netwright.evaluation import metrics as measure
from netwright.events import quiet, say, say_rows
from netwright.inference.model import Answers, assemble, compared, fill, judged, precisely, stored
from netwright.kinds.base import Input, kind_name, scored_as
from netwright.kinds.infer import target_class
from netwright.kinds.language import Language, written
from netwright.nn import lora
from netwright.nn.batch import Block, Lists, Rows, tensors
from netwright.nn.network import KNOWN, Network, head_settings, sizes_of
from netwright.nn.trunks.family import Family
from netwright.pretrained import fits
from netwright.recipe import Recipe, Split
from netwright.runtime.arrays import Arrays, take
from netwright.runtime.plan import Plan
from netwright.runtime.run import Run
from netwright.runtime.seeds import generator, seed_for
from netwright.training import checkpoint, checkpoint_start, defaults, distillation, packer
from netwright.training import frozen as features
from netwright.training.autotune import choose as choose_plan
from netwright.training.autotune import device_of, within
from netwright.training.loop import Data, Loop, Score
from netwright.training.processes import World

HEAD_FIRST = {
    "learning_rate": 0.003,
    "epochs": 20,
    "patience": 4,
    "schedule": "cosine",
    "warmup": 0.0,
    "steps": None,
    "optimizer": "adamw",
}
JUDGED = 2_000  # validation rows of texts that choose the best weights


@dataclass(frozen=True)
class Project:
    """The schema of a table, its rows' weights, and the codes of its first category target (n,).

    `answers`: what a teacher answers its rows, where that is known.
    """

    recipe: Recipe
    described: Described
    weight: np.ndarray | None
    classes: np.ndarray | None
    answers: Answers | None = None

    @property
    def table(self) -> Table:
        """The rows that have a target."""
        return self.described.table


@dataclass(frozen=True)
class Work:
    """Data fitted and encoded for one split.

    `held`: what the network answered on the validation rows, kept by a training that went on to learn from them.
    """

    recipe: Recipe
    reasons: dict[str, str]
    family: Family
    fitted: Fitted
    parts: Parts
    inputs: dict[str, Arrays]
    targets: dict[str, Arrays]
    weight: np.ndarray | None
    held: Answers = field(default_factory=dict)

    @property
    def learnt(self) -> np.ndarray:
        """The rows that the network learns from: with `refit` the validation rows too, once they have chosen."""
        if not self.recipe.training.refit:
            return self.parts.train
        return np.sort(np.concatenate([self.parts.train, self.parts.validation]))

    def judged(self, network: Network, plan: Plan, rows: np.ndarray, *, write: bool) -> Answers:
        """Return the network's answers on these rows, to be measured; `write`: texts are written too, not only read."""
        inputs = {key: take(arrays, rows) for key, arrays in self.inputs.items()}
        targets = {key: take(arrays, rows) for key, arrays in self.targets.items()}
        return judged(network, self.fitted, inputs, targets, plan, write=write)


def read(recipe: Recipe, data: Any) -> Table:
    """Read the recipe's data, with its separate validation and test files where it names some."""
    table = readers.read(data, settings=recipe.read)
    say(
        "step",
        "data.read",
        f"{table.name}: {counted(len(table), 'row')}, {counted(len(table.columns), 'column')}",
        rows=len(table),
        fingerprint=table.fingerprint,
    )
    for name, path in (("validation", recipe.split.validation_data), ("test", recipe.split.test_data)):
        if path is None:
            continue
        other = readers.read(path, settings=recipe.read)
        other.require([column for column in table.columns if column != recipe.weight], setting=f"split.{name}_data")
        say("step", "data.read", f"{other.name}: {counted(len(other), 'row')} for {name}")
        table = splits.joined(table, other, name)
    if recipe.unlabelled is not None:
        table = splits.joined(table, distillation.answered(recipe, table), splits.UNLABELLED)
    return table


def describe_rows(recipe: Recipe, table: Table) -> Project:
    """Decide the columns' kinds."""
    described = describe.describe(table, recipe)
    weight = describe.weights(described.table, recipe)
    category = next(
        (column.name for column in described.targets if target_class(column.kind or "").answer == "one_of"), None
    )
    classes = None
    if category is not None:
        classes = _numbered(described.table.frame[category])
    return Project(recipe, described, weight, classes)


def _numbered(column: pl.Series) -> np.ndarray:
    """(n,) int32: the number of each value among all values in their order, from 1; 0 where it is missing."""
    parts = [column.slice(at, SLICE) for at in range(0, len(column), SLICE)]  # as texts they are copies
    values = pl.concat([part.cast(pl.String).unique() for part in parts]).unique().drop_nulls().sort()
    numbers = range(1, len(values) + 1)
    found = [part.cast(pl.String).replace_strict(values, numbers, default=0, return_dtype=pl.Int32) for part in parts]
    return np.concatenate([part.fill_null(0).to_numpy() for part in found])


def divide(project: Project) -> Parts:
    """Divide the project's rows."""
    return splits.divide(project.table, project.recipe.split, project.classes, seed=project.recipe.split_seed)


def with_lessons(project: Project, parts: Parts) -> tuple[Project, Parts]:
    """Return the project with rows made of the training rows behind its own, if it asks for some, and its teacher's answers
    to all; what is made trains."""
    recipe = project.recipe
    if recipe.made and recipe.teacher is None:
        fix = "netwright distill RUN --into mlp --made 30000"
        raise InputError(Problem("made", "there is no teacher to label augmented rows", fix=fix))
    if not recipe.made:
        return project, parts
    if recipe.split.folds:
        raise InputError(Problem("split.folds", "folds cannot be combined with augmented rows", fix="name a share: --split.test 0.2"))  # fmt: skip
    made, found = distillation.more(recipe, project.table, parts.train)
    n = len(project.table)
    table = splits.joined(project.table, made, splits.UNLABELLED)
    described = replace(project.described, table=table)
    parts = replace(parts, train=np.concatenate([parts.train, np.arange(n, len(table))]))
    return replace(project, described=described, weight=describe.weights(table, recipe), answers=found), parts


def prepare_rows(project: Project, parts: Parts, *, start: Run | None = None) -> Work:
    """Choose what is open, fit the kinds on the training rows, encode all rows.

    `start`: a run to go on from, whose kinds and family are taken over.
    """
    recipe = project.recipe
    facts = describe.facts(project.described, len(parts.train))
    family, reasons = defaults.family(recipe, facts)
    training, why = defaults.training(recipe, family, facts)
    reasons |= why
    if start is None:
        fitted, settings = schema.fit(project.described, family, parts.train)
    else:
        fitted, settings = Fitted.from_json(start.read(start.kinds)), recipe.columns
    for kind in fitted.targets.values():
        calibration.check(kind, recipe.trust)
        if training.metric is not None:  # named wrongly, it is refused before anything is encoded
            measure.metric(scored_as(kind), training.metric, classes=kind.class_count)
    inputs, targets = fitted.encode(project.table), fitted.encode_targets(project.table)
    _say_cuts(project.table, family, fitted.inputs, {key: inputs[key] for key in fitted.inputs})
    parts = _without_unknown(project.table, fitted, targets, parts)
    if recipe.teacher is not None:
        found = distillation.answers(recipe, project.table) if project.answers is None else project.answers
        targets = distillation.taught(fitted.targets, targets, recipe.teacher, found)
    heads = {
        kind.columns[0]: head_settings(kind_name(kind), {**family.brings_head(kind.needs), **recipe.heads.get(kind.columns[0], {})}, where=f"heads.{kind.columns[0]}").model_dump(mode="json")
        for kind in fitted.targets.values()
    }  # fmt: skip
    split, more = _filled(recipe, splits.own(project.table))
    reasons |= more
    full = recipe.model_copy(update={
        "inputs": tuple(name for name in fitted.columns if name not in recipe.target), "columns": settings, "heads": heads, "model": family.model_dump(mode="json"), "training": training,
        "split": split,
    })  # fmt: skip
    return Work(full, reasons, family, fitted, parts, inputs, targets, project.weight)


def _say_cuts(table: Table, family: Family, kinds: dict[str, Input], inputs: dict[str, Arrays]) -> None:
    """Say which rows a family cuts because several of its columns enter it together."""
    found = {key: kinds[key].lengths(arrays) for key, arrays in inputs.items()}
    lost, text = family.cuts({key: lengths for key, lengths in found.items() if lengths is not None})
    if lost is not None and lost.any():
        say_rows("text.cut", text, table.named(np.flatnonzero(lost)), kind="warning")


def _filled(recipe: Recipe, rows: int) -> tuple[Split, dict[str, str]]:
    """The split with the shares and the seed that were used, and why."""
    split, seed = recipe.split, recipe.split_seed
    shares = dict(zip(("validation", "test"), splits.shares(split, rows), strict=True))
    used = {**dict.fromkeys(shares, f"{rows:,} rows"), "seed": "as training.seed"}
    chosen = {name: value for name, value in {**shares, "seed": seed}.items() if getattr(split, name) is None}
    return split.model_copy(update=chosen), {f"split.{name}": used[name] for name in chosen}


def _without_unknown(table: Table, fitted: Fitted, targets: dict[str, Arrays], parts: Parts) -> Parts:
    """Leave out rows whose targets all turned out to be unusable (a class that no training row has)."""
    absent = fitted.unusable(targets)
    if not absent.any():
        return parts
    if absent[parts.train].all():
        names = ", ".join(kind.columns[0] for kind in fitted.targets.values())
        fix = "name another --target, or its kind with --columns.NAME.kind"
        raise InputError(Problem(f"target {names}", "no training row has a value that can be read", fix=fix))
    say_rows("target.unknown", "rows with an unusable target are left out", table.named(np.flatnonzero(absent)))
    return Parts(*(part[~absent[part]] for part in (parts.train, parts.validation, parts.test)))


def start_network(work: Work, plan: Plan, module: torch.nn.Module | None) -> tuple[Network, Data]:
    """Return the seeded network and the rows as tensors, both on the plan's device."""
    network = _begun(work, plan, module)
    return network, _rows(work, network, plan)


def _begun(work: Work, plan: Plan, module: torch.nn.Module | None) -> Network:
    """The seeded network on the plan's device."""
    torch.manual_seed(seed_for(work.recipe.training.seed or 0, "weights"))
    start = work.family.start
    held = pretrained.opened(start) if start and pretrained.is_one(start) else None
    if held is not None:
        fits.check(held, learns=1.0 if work.family.adapt is None or work.family.adapt.how in ("full", "head") else 0.0)
    network = assemble(work.recipe, work.fitted, module, bare=bool(start))
    if held is not None:
        if work.family.digest not in (None, held.digest):
            what = "is not the checkpoint this run was started from"
            raise InputError(Problem(str(held.path), what, fix="put the first one back, or begin a new run"))
        checkpoint_start.begin_with(network, held)
    elif start:
        fill(network, lora.merged(_starting_weights(Run.open(start))), where=start)
    if start:
        lora.prepare(network, work.family.adapt)
    elif work.recipe.teacher is not None:
        distillation.begin(network, work.fitted.inputs, work.inputs, work.recipe.teacher)
    if plan.precision == "float64":
        network = network.double()
    return network.to(plan.device)


def _rows(work: Work, network: Network, plan: Plan) -> Data:
    """The rows that a network learns from, as tensors on the plan's device, what its heads are taught among them."""
    paired = [key for key, kind in work.fitted.targets.items() if kind.needs == "pair"]
    there = [key for key in (KNOWN, *work.fitted.inputs, *paired) if key in work.inputs]
    blocks = {key: tensors(work.inputs[key], plan.device) for key in there}
    targets = {key: tensors(arrays, plan.device) for key, arrays in work.targets.items()}
    weight = None if work.weight is None else torch.from_numpy(work.weight).to(plan.device)
    shares = {
        key: float(work.recipe.heads[kind.columns[0]].get("share", 1.0)) for key, kind in work.fitted.targets.items()
    }
    train = torch.from_numpy(work.parts.train)
    (key, kind), *more = work.fitted.targets.items()
    text = written(work.fitted.targets.values())
    if text is not None and text is kind and not work.fitted.inputs and not more and not text.whole:
        return _texts(work, key, text, targets[key], weight, train)
    rows = Rows(blocks, targets, weight, count=_count(work.targets))
    network.teach(rows, train.to(plan.device))
    return Data(rows, train, shares)


def _texts(
    work: Work, key: str, kind: Language, block: Block, weight: torch.Tensor | None, train: torch.Tensor
) -> Data:
    """The rows of a language model: texts packed into blocks, or pieces of at most the context's length."""
    train = train.to(block["ids"].offsets.device)  # type: ignore[union-attr]
    if work.recipe.training.pack:
        rows: Rows = packer.Packed(key, block, train, kind.length, weight)
    else:
        known: Block = {name: part.take(train) for name, part in block.items() if isinstance(part, Lists)}
        cut, row = packer.pieces(known, kind.length)
        rows = Rows({}, {key: cut}, None if weight is None else weight[train][row], count=len(row))
    return Data(rows, torch.arange(len(rows)), {})


def _starting_weights(run: Run) -> dict[str, torch.Tensor]:
    """The weights of a run to go on from: the finished ones, else the best of its checkpoint."""
    if run.weights.exists():
        return stored(run.weights)
    if not run.checkpoint.exists():
        raise InputError(
            Problem(str(run.folder), "this run has no weights yet", fix=f"netwright train --resume {run.folder}")
        )
    tree = checkpoint.load(run.checkpoint)
    return tree["best"] or tree["network"]


def _count(arrays: dict[str, Arrays]) -> int:
    return len(next(iter(next(iter(arrays.values())).values())))


def train(
    work: Work,
    *,
    plan: Plan | None,
    kept: Path | None,
    module: torch.nn.Module | None,
    world: World,
    ready: Callable[[Plan], None],
    watch: Callable[[Score], Score] = lambda score: score,
) -> tuple[Network, Plan, list[dict[str, float]]]:
    """Train a network on the work's training rows; return it with the best weights, the plan and the history.

    `ready` is told the plan before step 1; `watch` may wrap the validation score.
    """
    settings, fresh = work.recipe.training, copy.deepcopy(module)
    with precisely(plan or work.recipe.plan):
        frozen = work.family.adapt is not None and work.family.adapt.how == "frozen"
        fixed, reads = None, list[Network]()  # of a pretrained network that stays as it is: what read the rows goes on
        first = Plan(device=device_of((plan or work.recipe.plan).device, world)[0], threads=torch.get_num_threads())
        if frozen or kept is None or not kept.exists():  # of a resumed training the head has learnt already

            def read() -> Network:
                network = _begun(work, first, None)
                if frozen:
                    reads.append(network)
                return network

            fixed = features.known(work, read)
        if frozen:
            work, fixed = fixed or work, None
        # what the plan was chosen with goes on: a checkpoint takes long to read, and trials change copies alone
        begun: dict[tuple[str, str], tuple[Network, Data]] = {}

        def make(trial: Plan) -> tuple[Network, Data]:
            where = trial.device, trial.precision
            if where not in begun:
                again = reads and where == (first.device, first.precision)
                network = reads.pop() if again else _begun(work, trial, module)
                begun[where] = network, _rows(work, network, trial)
            return begun[where]

        if plan is None:
            plan = choose_plan(work.recipe.plan, make, settings, world)
        ready(plan)
        settings = within(settings, plan)
        torch.set_num_threads(plan.threads)
        network, data = make(plan)
        if fixed is not None:
            _led(fixed, network, plan, world)
        sizes = sizes_of(network)
        say(
            "step",
            "network",
            f"{type(work.family).model_fields['family'].default} with {sum(sizes.values()):,} weights{_learning(network)}",
            **sizes,
        )
        score = _score(work, network, plan)
        loop = Loop(network, data, score and watch(score), settings, plan, kept=kept, world=world)
        history = loop.run()
        if score is not None and settings.refit:
            network = _refitted(work, network.eval(), plan, loop.at.best_epoch + 1, module=fresh, world=world)
    return network.eval(), plan, history


def _learning(network: Network) -> str:
    """How many of the weights learn, where not all do."""
    fixed = sum(weight.numel() for weight in network.parameters() if not weight.requires_grad)
    total = sum(weight.numel() for weight in network.parameters())
    return f", of which {total - fixed:,} learn" if fixed else ""


def _led(work: Work, network: Network, plan: Plan, world: World) -> None:
    """Train what is new on the fixed features that `work` holds, and give it to the network that is to learn as a whole."""
    settings = work.recipe.training.model_copy(update=HEAD_FIRST)
    say("step", "training.head", "Training the head first; pretrained weights frozen.")
    lead, data = start_network(work, plan, None)
    score = _score(work, lead, plan)
    with quiet():
        Loop(
            lead,
            data,
            score,
            settings,
            plan.model_copy(update={"record": False, "compile": False}),
            kept=None,
            world=world,
        ).run()
    state = {name: value for name, value in lead.state_dict().items() if not name.startswith("trunk.inner.")}
    network.load_state_dict(state, strict=False)


def _refitted(
    work: Work, network: Network, plan: Plan, epochs: int, *, module: torch.nn.Module | None, world: World
) -> Network:
    """Keep a network's answers on the validation rows; train anew, on these rows too, for as many epochs as were best.

    Nothing of it is in a checkpoint: it is for few rows, and an interrupted one is done again, with the same bits.
    """
    rows = work.parts.validation
    work.held.update(work.judged(network, plan, rows, write=False))
    every = work.learnt
    text = f"refitting for {counted(epochs, 'epoch')}, with the {counted(len(rows), 'validation row')}"
    say("step", "training.refit", text, epochs=epochs, rows=len(rows))
    settings = work.recipe.training.model_copy(update={"epochs": epochs, "patience": 0})
    again, data = start_network(replace(work, parts=Parts(every, every[:0], every[:0])), plan, module)
    Loop(again, data, None, settings, plan, kept=None, world=world).run()
    return again


def _score(work: Work, network: Network, plan: Plan) -> Score | None:
    """The score on the validation rows that selects the best weights."""
    rows = _fixed(work.parts.validation, work.fitted)
    if not len(rows):
        asked = work.recipe.training.metric
        more = f"; training.metric {asked} is not looked at" if asked else ""
        say("notice", "validation.none", f"no validation rows: keeping the weights with the lowest training loss{more}")
        return None
    truths = {key: compared_later(work, key, rows) for key in work.fitted.targets}
    asked = work.recipe.training.metric
    names = {key: asked or measure.selects(scored_as(kind)) for key, kind in work.fitted.targets.items()}
    metrics = {
        key: measure.metric(scored_as(kind), names[key], classes=kind.class_count)
        for key, kind in work.fitted.targets.items()
    }
    single = len(metrics) == 1
    name = next(iter(names.values())) if single else f"mean of {', '.join(dict.fromkeys(names.values()))}"
    first = next(iter(metrics.values()))

    def compute() -> float:
        found = work.judged(network, plan, rows, write=False)
        scores = []
        for key, kind in work.fitted.targets.items():
            truth, answered, weight = truths[key](found[key])
            if not len(truth):  # of several targets, one may have no value on these rows
                continue
            value = measure.score(scored_as(kind), names[key], truth, answered, weight)
            # targets in unlike units are compared in deviations
            scale = 1.0 if single or metrics[key].relative else kind.deviation
            scores.append(value / scale if metrics[key].better == first.better else -value / scale)
        return float(np.mean(scores))

    return Score(compute, name, first.better)


def _fixed(rows: np.ndarray, fitted: Fitted) -> np.ndarray:
    """The validation rows; of texts that are written at most JUDGED, always the same, which is said."""
    if len(rows) <= JUDGED or not any(kind.needs == "stimulus" for kind in fitted.targets.values()):
        return rows
    text = f"the best weights are selected on a fixed sample of {JUDGED:,} of the {len(rows):,} validation rows"
    say("notice", "validation.some", text, rows=JUDGED, of=len(rows))
    return np.sort(generator(0, "judge").choice(rows, JUDGED, replace=False))


def compared_later(work: Work, key: str, rows: np.ndarray) -> Any:
    """Return a function from an answer's arrays to (truth, answer, weight) on these rows."""
    kind, target = work.fitted.targets[key], take(work.targets[key], rows)
    weight = None if work.weight is None else work.weight[rows]
    return lambda found: compared(kind, target, found, weight)
