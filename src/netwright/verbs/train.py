"""Train: from rows to a run folder with a trained, measured network."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import netwright
from netwright import pretrained
from netwright.data.readers.address import address, shown
from netwright.data.schema import Fitted
from netwright.data.splits import Parts
from netwright.data.table import Table
from netwright.errors import InputError, Interrupted, Problem
from netwright.evaluation.evaluate import cross_validated, learnt, measured
from netwright.events import Event, listening, say
from netwright.inference.model import Model, flat, load
from netwright.kinds.language import written
from netwright.nn import lora
from netwright.nn.trunks.module.settings import Settings as Module
from netwright.recipe import Recipe
from netwright.recipe.files import read_recipe, to_yaml
from netwright.report.kept import all as kept_for_report
from netwright.report.kept.clock import Clock
from netwright.report.notebook import watching
from netwright.runtime.plan import Plan
from netwright.runtime.run import VERSION, Run, replacing, write_json, write_text
from netwright.training import checkpoint, peft, pipeline, selection
from netwright.training.defaults import family_settings
from netwright.training.pipeline import Project, Work
from netwright.training.processes import World
from netwright.training.resolve import declare

KEPT = 256  # rows that exports are proven by


@watching()
def train(
    data: Any = None,
    *,
    target: str | list[str] | tuple[str, ...] | None = None,
    model: str | Path | Mapping[str, Any] | torch.nn.Module | None = None,
    output: str | Path | None = None,
    recipe: str | Path | Recipe | None = None,
    resume: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Model:
    """Train a network that predicts the `target` columns of `data` from the others, measure it, and leave a run folder.

    `data`: a path, a pandas, polars or Arrow frame, a list of dicts, or (X, y) arrays. `model`: a family's name, a
    family's settings, the folder of a run to go on from, or a `torch.nn.Module`. `output`: the run folder (default
    `runs/NAME`). `recipe`: a recipe or the path of one, over which `settings` (as in the recipe, such as
    `{"training": {"epochs": 5}}`) take precedence. `resume`: the folder of a run that was interrupted; nothing else is
    needed with it but in-memory `data`.

    Raises `InputError` for whatever is wrong with data or settings, `Interrupted` after Ctrl-C.

    >>> model = train({"x": list(range(60)), "y": [3.0 * x for x in range(60)]}, target="y", model="linear",
    ...               output=getfixture("tmp_path") / "line", settings={"columns": {"x": "number"}})
    >>> round(model.predict([{"x": 100}])["y_predicted"][0])
    300
    """
    world = World.joined()
    module = model if isinstance(model, torch.nn.Module) else None
    if resume is not None:
        named = None if module is not None else model
        _alone(Path(resume), {"target": target, "model": named, "output": output, "recipe": recipe, **(settings or {})})
        return _resumed(Path(resume), data, module, world)
    declared = declare(data, target=target, model=model, recipe=recipe, settings=settings)
    if data is None and declared.data is None:
        raise InputError(
            Problem("DATA", "no data is named", fix="give a file, as in netwright train reviews.csv --target stars")
        )
    if "family" in declared.model and declared.model["family"] != selection.NAME:
        chosen = family_settings(declared.model)  # before any row is read
        if isinstance(chosen, Module) and module is None:
            fix = "netwright.train(data, model=your_module), or name a family, as in --model mlp"
            raise InputError(Problem("model.family", "a module of your own can only be given in Python", fix=fix))
    source = declared.data if data is None else data
    _free_folder(source, output)
    clock = Clock()
    with listening(said := []):
        table = pipeline.read(declared, source)
        clock.lap("reading")
        ready = _prepared(declared, table, clock)
    if world.rank:
        return _finished(ready, None, None, module, world)
    run = Run.create(_free_folder(source, output))  # another training may have begun in the meantime
    with run.alone(), _left(run, fresh=True), listening(run.log):
        _begun(run, table, ready, said)
        return _finished(ready, run, None, module, world)


@contextmanager
def _left(run: Run, *, fresh: bool) -> Iterator[None]:
    """When training ends early: print the command to resume, or delete a new run without a checkpoint."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(str(run.folder), f"netwright train --resume {run.folder}") from None
    except InputError:
        if fresh and not run.checkpoint.exists():
            run.clear()
        raise


def _alone(folder: Path, given: Mapping[str, Any]) -> None:
    """Raise `InputError` for what a resumed run cannot take: it ends as it was begun."""
    flat = [
        (name if not isinstance(value, Mapping) else f"{name}.{key}")
        for name, value in given.items()
        if value is not None
        for key in (value if isinstance(value, Mapping) else [""])
    ]
    named = list(dict.fromkeys(flat))
    if named:
        what = f"{', '.join(named)} cannot change when a run is resumed"
        fix = f"leave it out, or start a new run from its weights: netwright train DATA --model {folder}"
        raise InputError(Problem("--resume", what, fix=fix))


def _free_folder(data: Any, output: str | Path | None) -> Path:
    """The run folder: the one named, which must not exist, else the next free one in `runs`."""
    if output is not None:
        Run.refuse_existing(Path(output))
        return Path(output)
    name = re.sub(r"[^\w.-]+", "-", _source_name(data).split(".")[0])
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder


def _source_name(data: Any) -> str:
    """The name of a file, a folder, a database or a table."""
    place = address(data) if isinstance(data, str) else None
    if place is not None:
        return place.name
    if isinstance(data, str | Path):
        return Path(data).resolve().name
    return data.name if isinstance(data, Table) else "table"


def _write_about(run: Run, table: Table) -> None:
    write_json(
        run.about,
        {
            "version": VERSION,
            "netwright": netwright.__version__,
            "torch": torch.__version__,
            "state": "training",
            "source": table.name,
            "fingerprint": table.fingerprint,
            "rows": len(table),
        },
    )


def _resumed(folder: Path, data: Any, module: torch.nn.Module | None, world: World) -> Model:
    run = Run.open(folder)
    with nullcontext() if world.rank else run.alone():
        return _gone_on(run, data, module, world)


def _gone_on(run: Run, data: Any, module: torch.nn.Module | None, world: World) -> Model:
    folder, about = run.folder, run.read(run.about)
    if about["state"] == "done" and run.weights.exists():
        say("result", "run.done", f"{folder} is complete: nothing is left to train")
        return load(folder, module=module)
    recipe = read_recipe(run.recipe)
    if recipe.data is None and data is None:
        fix = "give it again: netwright.train(data, resume=...)"
        raise InputError(Problem("data", f"{folder} was trained on data in memory", fix=fix))
    source = recipe.data if data is None else data  # a file that was moved is named anew: its content decides
    clock = Clock()
    table = pipeline.read(recipe, source)
    clock.lap("reading")
    if table.fingerprint != about["fingerprint"]:
        fix = f"restore it, start over, or start from its weights: netwright train DATA --model {folder}"
        what = f"has changed since {folder} was started"
        place = shown(source) if isinstance(source, str | Path) else "data"
        raise InputError(Problem(place, what, allowed="the same content, byte for byte", fix=fix))
    plan = Plan.model_validate(run.read(run.plan)) if run.plan.exists() else None
    ready = _prepared(recipe, table, clock)
    with _left(run, fresh=False), listening(run.log):
        return _finished(ready, run, plan, module, world)


@dataclass(frozen=True)
class Ready:
    """All that stands before the first step: the rows described, divided, and encoded."""

    described: Project
    parts: Parts
    work: Work
    clock: Clock
    tried: list[selection.Try]


def _prepared(recipe: Recipe, table: Table, clock: Clock) -> Ready:
    named = recipe.model.get("start")
    start = Run.open(named) if named and not pretrained.is_one(named) else None
    if start is not None and (form := start.read(start.about).get("weights")):
        fix = "name the run that it was made of"
        raise InputError(Problem("model", f"the weights of {named} are {form} and cannot be trained", fix=fix))
    if start is not None and (words := _goes_on_writing(recipe, start)) is not None:
        recipe, start = words, None
    elif start is not None:
        recipe = _taken_over(recipe, start)
    described = pipeline.describe_rows(recipe, table)
    parts = pipeline.divide(described)
    clock.lap("finding the kinds, dividing the rows")
    own = parts
    if recipe.split.folds:  # the folds test; the network that is kept learns from those rows too
        own = Parts(np.sort(np.concatenate([parts.train, parts.test])), parts.validation, np.zeros(0, np.int64))
        text = (
            f"{recipe.split.folds} folds test every row once; the saved network is trained on {len(own.train):,} rows"
        )
        say("choice", "split.folds", f"{text}, with {len(own.validation):,} validation rows")
    tried: list[selection.Try] = []
    if selection.called(described):
        chosen, tried = selection.pick(described, own, World.joined())
        clock.lap("trying families")
        described = replace(described, recipe=chosen)
    described, own = pipeline.with_lessons(described, own)
    work = pipeline.prepare_rows(described, own, start=start)
    clock.lap("fitting the kinds, encoding the rows")
    for kind in work.fitted.targets.values():
        if kind.answer == "one_of" and len(kind.classes) < 2:
            held = (
                f"all {len(own.train):,} training rows are {kind.classes[0]!r}"
                if kind.classes
                else "no training row has a value"
            )
            fix = "give more rows, or split them differently: --split.column, --split.test 0 --split.validation 0"
            raise InputError(Problem(f"target {kind.columns[0]}", held, allowed="at least two classes", fix=fix))
    return Ready(described, parts, work, clock, tried)


def _begun(run: Run, table: Table, ready: Ready, said: list[Event]) -> None:
    """Write all that resuming needs."""
    write_text(run.recipe, to_yaml(ready.work.recipe, ready.work.reasons))
    write_json(run.kinds, ready.work.fitted.to_json())
    _write_about(run, table)
    for event in said:
        run.log(event)


def _finished(ready: Ready, run: Run | None, plan: Plan | None, module: torch.nn.Module | None, world: World) -> Model:
    """Train, measure, save."""
    work, untrained = ready.work, copy.deepcopy(module)  # the folds' networks must not start from trained weights
    kept = run.checkpoint if run is not None else None
    network, plan, history = pipeline.train(
        work, plan=plan, kept=kept, module=module, world=world, ready=_keep_plan(run, ready.clock)
    )
    ready.clock.lap("training")
    if run is not None:
        peft.write(run.folder / "adapter", network, work.family)
    lora.merge(network)
    model = Model(network, work.fitted, work.recipe, plan, run)
    if run is None:
        return model
    _save_weights(run, network)
    known = learnt(work, ready.described.table)
    if work.recipe.split.folds:
        metrics, predictions = cross_validated(ready.described, ready.parts, model, work, untrained)
    else:
        metrics, predictions = measured(work, ready.described.table, model, known)
    metrics["history"] = history
    if ready.tried:
        metrics["tried"] = [one.to_json() for one in ready.tried]
    write_json(run.trust, {key: trust.to_json() for key, trust in model.trust.items()})
    write_json(run.metrics, metrics)
    write_text(run.predictions, flat(predictions).write_csv())
    if known is not None:
        known.write(run.learnt)
    ready.clock.lap("measuring, fitting the baselines")
    _keep_texts(run, ready, work)
    write_json(run.about, {**run.read(run.about), "state": "done"})
    kept_for_report.report(run, ready.described, work, model, ready.clock)
    say("result", "run.saved", f"saved in {run.folder}; the report: {run.report}", folder=str(run.folder))
    return model


def _keep_texts(run: Run, ready: Ready, work: Work) -> None:
    """Of a run that writes: its tokenizer, and some rows that it never learnt, by which exports are proven."""
    text = written(work.fitted.targets.values())
    held = work.parts.test if len(work.parts.test) else work.parts.validation
    if text is not None and len(held):
        names = [*work.fitted.columns, *(kind.columns[0] for kind in work.fitted.targets.values())]
        with replacing(run.rows) as temporary:
            ready.described.table.frame[held[:KEPT]].select(names).write_ndjson(temporary)
        write_text(run.tokenizer, text.tokenizer)


def _keep_plan(run: Run | None, clock: Clock) -> Any:
    """Return what writes the plan once it is chosen, before step 1."""

    def keep(plan: Plan) -> None:
        clock.lap("choosing the plan")
        if run is not None:
            write_json(run.plan, plan.model_dump(mode="json"))

    return keep


def _goes_on_writing(recipe: Recipe, start: Run) -> Recipe | None:
    """The recipe where another text is to be written than the run was trained on: its tokenizer and context stay.

    None where the target is the same, or the run writes no text.
    """
    ours = written(Fitted.from_json(start.read(start.kinds)).targets.values())
    if ours is None or len(recipe.target) != 1 or recipe.target == (ours.columns[0],):
        return None
    say("choice", "model.start", f"starting from {start.folder}: using its tokenizer, context length and weights")
    own = {"tokenizer": str(start.tokenizer), "tokens": ours.tokens, "length": ours.length}
    (name,) = recipe.target
    return recipe.model_copy(update={"columns": {**recipe.columns, name: {**own, **recipe.columns.get(name, {})}}})


def _taken_over(recipe: Recipe, start: Run) -> Recipe:
    """The recipe with the columns' settings of the run that it goes on from."""
    theirs = read_recipe(start.recipe)
    if theirs.target != recipe.target:
        what = f"{', '.join(recipe.target) or 'none is named'}, but {start.folder} predicts {', '.join(theirs.target)}"
        raise InputError(Problem("target", what, fix=f"--target {','.join(theirs.target)}"))
    say("choice", "model.start", f"starting from {start.folder}: using its kinds, vocabularies and weights")
    split, heads = recipe.split, {**theirs.heads, **recipe.heads}
    if split.seed is None:  # what it learnt is not to measure now
        split = split.model_copy(update={"seed": theirs.split_seed})
    return recipe.model_copy(
        update={"columns": theirs.columns, "inputs": theirs.inputs, "heads": heads, "split": split}
    )


def _save_weights(run: Run, network: torch.nn.Module) -> None:
    state = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    checkpoint.write(run.weights, state, {"netwright": netwright.__version__})
