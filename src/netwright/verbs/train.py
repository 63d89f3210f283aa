"""Train: from rows to a run folder with a trained, measured network."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

import netwright
from netwright import measure, project
from netwright.arrays import take
from netwright.baselines import Rows as BaselineRows
from netwright.baselines import compare
from netwright.choose import family_settings
from netwright.errors import InputError, Interrupted, Problem
from netwright.events import listening, say
from netwright.model import Answers, Model, answers, compared, joined, kind_name
from netwright.plan import Plan
from netwright.project import Project, Work
from netwright.recipe import Recipe, validate
from netwright.recipe_file import read_recipe, to_yaml
from netwright.run import VERSION, Run, replacing, write_json, write_text
from netwright.sources.table import Table
from netwright.splitting import Parts
from netwright.training.world import World

HEADLINE = {"category": "accuracy", "number": "r2", "labels": "f1_micro"}


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
        return _resumed(Path(resume), data, module, world)
    declared = declare(data, target=target, model=model, recipe=recipe, settings=settings)
    if data is None and declared.data is None:
        raise InputError(Problem("DATA", "no data is named", fix="give a file, as in netwright train reviews.csv --target stars"))
    if "family" in declared.model:
        family_settings(declared.model)  # before any row is read
    with ExitStack() as stack:
        run = _new_run(data if data is not None else declared.data, output) if world.rank == 0 else None
        if run is not None:
            stack.enter_context(listening(run.log))
        table = project.read(declared, declared.data if data is None else data)
        if run is not None:
            _write_about(run, table, "training")
        return _trained(declared, table, run, None, module, world)


def declare(
    data: Any,
    *,
    target: str | list[str] | tuple[str, ...] | None,
    model: Any,
    recipe: str | Path | Recipe | None,
    settings: Mapping[str, Any] | None,
) -> Recipe:
    """Return the recipe that the arguments of `train` declare. Raises `InputError` with all problems."""
    base = read_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    values = base.model_dump(exclude_unset=True) if base is not None else {}
    _merge(values, dict(settings or {}))
    if isinstance(data, str | Path):
        values["data"] = str(data)
    if target is not None:
        values["target"] = target if isinstance(target, str) else tuple(target)
    if isinstance(model, torch.nn.Module):
        values["model"] = {"family": "module", "name": type(model).__name__}
    elif isinstance(model, Mapping):
        values["model"] = {**_as_model(values), **model}
    elif model is not None:
        values["model"] = {**_as_model(values), **_named(str(model))}
    return validate(Recipe, values)


def _as_model(values: dict[str, Any]) -> dict[str, Any]:
    given = values.get("model") or {}
    return {"family": given} if isinstance(given, str) else dict(given)


def _named(model: str) -> dict[str, Any]:
    """A family's name as settings; the folder of a run as that run's family and where to start from."""
    if not (Path(model) / "run.json").exists():
        return {"family": model}
    run = Run.open(model)
    return {**read_recipe(run.recipe).model, "start": model}


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _new_run(data: Any, output: str | Path | None) -> Run:
    if output is not None:
        return Run.create(Path(output))
    name = re.sub(r"[^\w.-]+", "-", Path(data).resolve().name.split(".")[0]) if isinstance(data, str | Path) else "table"
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    say("choice", "output", f"run folder: {folder}")
    return Run.create(folder)


def _write_about(run: Run, table: Table, state: str) -> None:
    write_json(run.about, {
        "version": VERSION, "netwright": netwright.__version__, "torch": torch.__version__, "state": state, "source": table.name,
        "fingerprint": table.fingerprint, "rows": len(table),
    })  # fmt: skip


def _resumed(folder: Path, data: Any, module: torch.nn.Module | None, world: World) -> Model:
    run = Run.open(folder)
    about = run.read(run.about)
    if about["state"] == "done":
        say("result", "run.done", f"{folder} is complete: nothing is left to train")
        return netwright.load(folder, module=module)
    if not run.recipe.exists():
        raise InputError(Problem(str(folder), "was stopped before its recipe was written", fix="delete it and train again"))
    recipe = read_recipe(run.recipe)
    if recipe.data is None and data is None:
        raise InputError(Problem("data", f"{folder} was trained on data in memory", fix="give it again: netwright.train(data, resume=...)"))
    with listening(run.log):
        table = project.read(recipe, recipe.data if recipe.data is not None else data)
        if table.fingerprint != about["fingerprint"]:
            raise InputError(Problem(
                str(recipe.data or "data"), f"has changed since {folder} was begun", allowed="the same content, byte for byte",
                fix=f"put it back, or begin anew, or go on from its weights: netwright train DATA --model {folder}",
            ))  # fmt: skip
        plan = Plan.model_validate(run.read(run.plan)) if run.plan.exists() else None
        return _trained(recipe, table, run, plan, module, world)


def _trained(recipe: Recipe, table: Table, run: Run | None, plan: Plan | None, module: torch.nn.Module | None, world: World) -> Model:
    """Divide, prepare, train, measure, save."""
    start = Run.open(recipe.model["start"]) if recipe.model.get("start") else None
    if start is not None:
        recipe = _taken_over(recipe, start)
    described = project.describe_rows(recipe, table)
    parts = project.divide(described)
    folds = recipe.split.folds
    if folds:
        everything = np.sort(np.concatenate([parts.train, parts.test]))
        parts_for_run = Parts(everything, parts.validation, np.zeros(0, np.int64))
    else:
        parts_for_run = parts
    work = project.prepare_rows(described, parts_for_run, start=start)
    if run is not None:
        write_text(run.recipe, to_yaml(work.recipe, work.reasons))
        write_json(run.kinds, work.fitted.to_json())
    untrained = copy.deepcopy(module)  # the folds' networks must not start from weights that have seen all rows
    try:
        network, plan, history = project.train(work, plan=plan, kept=run.checkpoint if run else None, module=module, world=world, ready=_keep_plan(run))
    except KeyboardInterrupt:
        if run is None:
            raise
        raise Interrupted(str(run.folder), f"netwright train --resume {run.folder}") from None
    model = Model(network, work.fitted, work.recipe, plan, run)
    if run is None:
        return model
    _save_weights(run, network)
    if folds:
        metrics, predictions = _cross_validated(described, parts, work, plan, untrained, folds)
    else:
        metrics, predictions = _measured(work, described.table, model)
    metrics["history"] = history
    write_json(run.metrics, metrics)
    write_text(run.predictions, predictions.write_csv())
    _write_about(run, table, "done")
    say("result", "run.saved", f"saved in {run.folder}", folder=str(run.folder))
    return model


def _keep_plan(run: Run | None) -> Any:
    """Return what writes the plan once it is chosen, before step 1."""
    return (lambda plan: write_json(run.plan, plan.model_dump(mode="json"))) if run is not None else (lambda plan: None)


def _taken_over(recipe: Recipe, start: Run) -> Recipe:
    """The recipe with the columns' settings of the run that it goes on from."""
    theirs = read_recipe(start.recipe)
    say("choice", "model.start", f"goes on from {start.folder}: its kinds, vocabularies and weights are taken over")
    return recipe.model_copy(update={"columns": theirs.columns, "inputs": theirs.inputs, "heads": {**theirs.heads, **recipe.heads}})


def _save_weights(run: Run, network: torch.nn.Module) -> None:
    state = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    with replacing(run.weights) as temporary:
        save_file(state, temporary, metadata={"netwright": netwright.__version__})


def _measured(work: Work, table: Table, model: Model) -> tuple[dict[str, Any], pl.DataFrame]:
    """Metrics on validation and test rows beside the baselines', and the predictions for the test rows."""
    out: dict[str, Any] = {}
    shown = work.parts.test if len(work.parts.test) else work.parts.validation
    found: Answers = {}
    for name in ("validation", "test"):
        rows = work.parts[name]
        if not len(rows):
            out[name] = {}
            continue
        found = answers(model.network, {key: take(arrays, rows) for key, arrays in work.inputs.items()}, len(rows), model.plan)
        weight = None if work.weight is None else work.weight[rows]
        targets = {key: take(arrays, rows) for key, arrays in work.targets.items()}
        out[name] = model.measured(targets, found, weight)
    if not len(shown):
        say("warning", "measure.none", "no rows are left to measure on: nothing is known of how good the network is")
        return {**out, "baseline": {}}, pl.DataFrame()
    out["baseline"] = _baselines(work, table, shown)
    _say_verdict(out, work, "test" if len(work.parts.test) else "validation")
    return out, model.decode(table.take(shown), found)


def _baselines(work: Work, table: Table, shown: np.ndarray) -> dict[str, Any]:
    """The baselines' metrics on the rows that measure, by target where there are several, then by baseline."""
    columns = {name: kind_name(kind) for kind in work.fitted.inputs.values() for name in kind.columns}
    out: dict[str, Any] = {}
    for key, kind in work.fitted.targets.items():
        target = kind.columns[0]
        truths = {}
        parts = []
        for rows in (work.parts.train, work.parts.validation, shown):
            here = rows[~kind.absent(take(work.targets[key], rows))]
            weight = None if work.weight is None else work.weight[here]
            truth, _, _ = compared(kind, take(work.targets[key], here), {"value": np.zeros(len(here))}, weight)
            pixels = {block.columns[0]: take(work.inputs[name], here) for name, block in work.fitted.inputs.items() if kind_name(block) == "image"}
            parts.append(BaselineRows(table.frame[here].select(list(columns)), truth, weight, pixels))  # type: ignore[arg-type]
            truths[len(parts)] = (truth, weight)
        seed = work.recipe.training.seed or 0
        tried = compare(*parts, columns=columns, target=kind_name(kind), classes=project.class_count(kind), seed=seed)
        truth, weight = truths[3]
        out[target] = {}
        for name, result in tried.items():
            if result["answer"] is not None:
                out[target][name] = {**measure.measure(kind_name(kind), truth, result["answer"], weight=weight, seed=seed), "seconds": round(result["seconds"], 3)}
    return out if len(out) > 1 else next(iter(out.values()))


def _say_verdict(metrics: dict[str, Any], work: Work, part: str) -> None:
    """Say the result beside the best baseline's, and plainly when the network loses."""
    several = len(work.fitted.targets) > 1
    for kind in work.fitted.targets.values():
        name, target = HEADLINE[kind_name(kind)], kind.columns[0]
        ours = (metrics[part][target] if several else metrics[part])[name]
        theirs = metrics["baseline"][target] if several else metrics["baseline"]
        rivals = {rival: values[name] for rival, values in theirs.items() if values[name]["value"] is not None}
        text = f"{target}: {name} {_interval(ours)} on {part} rows"
        if rivals and ours["value"] is not None:
            best = max(rivals, key=lambda rival: rivals[rival]["value"])
            value = rivals[best]["value"]
            if ours["low"] > value:
                text += f"; better than the best baseline, {best} ({value:.3f})"
            elif ours["high"] < value:
                text += f"; WORSE than the best baseline, {best} ({value:.3f}): use that instead, or try another --model"
            else:
                text += f"; about as good as the best baseline, {best} ({value:.3f})"
        say("result", "verdict", text, target=target, metric=name, **{k: v for k, v in ours.items() if k in ("value", "low", "high")})


def _interval(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return f"not defined ({value.get('reason', '')})"
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _cross_validated(
    described: Project, parts: Parts, work: Work, plan: Plan, module: torch.nn.Module | None, folds: int
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Train once more for each fold; every row is answered by the network that never saw it."""
    found: list[Answers] = []
    rows: list[np.ndarray] = []
    tried: list[dict[str, Any]] = []
    for number, fold in enumerate(parts.folds(folds, described.classes, seed=work.recipe.training.seed or 0), 1):
        say("step", "fold", f"fold {number} of {folds}: {len(fold.train):,} rows train, {len(fold.test):,} test")
        part = project.prepare_rows(described, fold)
        network, _, _ = project.train(part, plan=plan, kept=None, module=copy.deepcopy(module), world=World(), ready=lambda plan: None)
        fold = part.parts
        found.append(answers(network, {key: take(arrays, fold.test) for key, arrays in part.inputs.items()}, len(fold.test), plan))
        rows.append(fold.test)
        tried.append(_baselines(part, described.table, fold.test))
    every = np.concatenate(rows)
    model = Model(network, work.fitted, work.recipe, plan)
    targets = {key: take(arrays, every) for key, arrays in work.targets.items()}
    together = joined(found)
    weight = None if work.weight is None else work.weight[every]
    metrics = {"validation": {}, "test": model.measured(targets, together, weight), "baseline": _mean(tried), "folds": folds}
    _say_verdict(metrics, work, "test")
    order = np.argsort(every)
    return metrics, model.decode(described.table.take(every[order]), {key: {name: a[order] for name, a in arrays.items()} for key, arrays in together.items()})


def _mean(trees: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over folds of trees of numbers; what is not a number in each fold is None."""
    out: dict[str, Any] = {}
    for key, value in trees[0].items():
        values = [tree.get(key) for tree in trees]
        if isinstance(value, dict):
            out[key] = _mean([item for item in values if isinstance(item, dict)])
        else:
            out[key] = float(np.mean(values)) if all(isinstance(item, int | float) for item in values) else None
    return out
