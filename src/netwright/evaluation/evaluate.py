"""Evaluate a trained network on validation and test rows, beside baselines fitted on the same rows. n rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import torch

from netwright.data import leakage
from netwright.data.leakage import Learnt
from netwright.data.splits import UNLABELLED, Parts, grouped
from netwright.data.table import Table
from netwright.evaluation import calibration
from netwright.evaluation import metrics as measure
from netwright.evaluation.baselines import Rows as BaselineRows
from netwright.evaluation.baselines import compare
from netwright.evaluation.calibration import Trust
from netwright.events import say, say_rows
from netwright.inference.model import Answers, Model, compared, joined
from netwright.kinds.base import Target, kind_name, scored_as
from netwright.kinds.prompting import filled
from netwright.runtime.arrays import Arrays, take
from netwright.runtime.seeds import generator
from netwright.training import pipeline
from netwright.training.pipeline import Project, Work
from netwright.training.processes import World

BASELINE_ROWS = 300_000  # what a baseline learns of more rows hardly shows in the third digit (assumed)
MOST_COMPARED = 1_000_000  # training rows among which measuring rows are looked for


def learnt(work: Work, table: Table) -> Learnt | None:
    """The rows that a network learnt, by which rows that measure it are told; None where they are alike by chance, or too many."""
    fitted = work.fitted
    names = fitted.columns or fitted.told_by  # a text that is written from nothing tells rows apart itself
    if len(work.learnt) > MOST_COMPARED or not leakage.telling(table.frame.select(names)):
        return None
    return Learnt.of(fitted.told(table.take(work.learnt)), by_content=fitted.naming_files)


def measured(work: Work, table: Table, model: Model, known: Learnt | None) -> tuple[dict[str, Any], pl.DataFrame]:
    """Metrics on validation and test rows beside the baselines', and the predictions for the test rows.

    `known`: the rows that were learnt; those of them that measure are said.
    """
    out: dict[str, Any] = {}
    shown = work.parts.test if len(work.parts.test) else work.parts.validation
    found: Answers = {}
    for name in ("validation", "test"):
        rows = work.parts[name]
        if not len(rows):
            out[name] = {}
            continue
        write = name == "test" or not len(work.parts.test)
        found = work.held if name == "validation" and work.held else _answered(work, rows, model, write=write)
        if name == "validation":
            model.trust = _learnt(work, rows, found)
        found = model.trusted(found)
        weight = None if work.weight is None else work.weight[rows]
        targets = {key: take(arrays, rows) for key, arrays in work.targets.items()}
        out[name] = model.measured(targets, found, weight)
    if not len(shown):
        say("warning", "measure.none", "no test or validation rows: the network's quality is unknown")
        return {**out, "baseline": {}}, pl.DataFrame()
    _say_shared(work, table, shown)
    if known is not None and not all(kind.needs == "stimulus" for kind in work.fitted.targets.values()):
        known.say_among(table.take(shown), work.fitted)
    out["baseline"] = _baselines(work, table, shown)
    out["trust"] = _checked(work, work.parts.test, found if len(work.parts.test) else None, model)
    _say_verdict(out, work, "test" if len(work.parts.test) else "validation")
    return out, model.decode(table.take(shown), found)


def learn(work: Work, model: Model) -> None:
    """Calibrate a trained model on its validation rows, if there are any."""
    held = work.parts.validation
    if len(held):
        model.trust = _learnt(work, held, work.held or _answered(work, held, model, write=False))


def _answered(work: Work, rows: np.ndarray, model: Model, *, write: bool) -> Answers:
    return work.judged(model.network, model.plan, rows, write=write)


def _learnt(work: Work, rows: np.ndarray, found: Answers) -> dict[str, Trust]:
    """Calibration fitted on the validation rows, by target key; what is used is an event."""
    out = {}
    for key, kind in work.fitted.targets.items():
        truth, answer, weight = _plain(work, key, rows, found[key])
        out[key] = learned = calibration.fit(kind, truth, answer, weight, work.recipe.trust)
        if learned.temperature != 1.0:
            text = f"probabilities are calibrated (temperature {learned.temperature:.2f}): validation log-loss"
            text += f" {learned.log_loss_before:.3f} becomes {learned.log_loss_after:.3f}"
            say("choice", "trust.temperature", f"{kind.columns[0]}: {text}", value=learned.temperature)
        if learned.threshold is not None:
            text = (
                f"the second class is predicted from a probability of {learned.threshold:.3f}, the best threshold for"
            )
            say("choice", "trust.threshold", f"{kind.columns[0]}: {text} {learned.metric}", value=learned.threshold)
    return out


def _plain(work: Work, key: str, rows: np.ndarray, found: dict[str, np.ndarray]) -> Any:
    """Truth, answer and weight of rows that have a target: class numbers, or values in the network's own scale."""
    kind, target = work.fitted.targets[key], take(work.targets[key], rows)
    weight = None if work.weight is None else work.weight[rows]
    here = np.flatnonzero(~kind.absent(target))
    return kind.scaled_truth(take(target, here)), {name: array[here] for name, array in found.items()}, None if weight is None else weight[here]  # fmt: skip


def _checked(work: Work, rows: np.ndarray, found: Answers | None, model: Model) -> dict[str, Any]:
    """The calibration and its coverage on the test rows, by target."""
    out = {}
    for key, kind in work.fitted.targets.items():
        learned = model.trust.get(key, calibration.Trust())
        truth, answer = np.zeros(0), {}
        if found is not None:
            truth, answer, _ = compared(kind, take(work.targets[key], rows), found[key], None)
        out[kind.columns[0]] = checked = calibration.found(kind, truth, answer, learned)
        if checked["coverage"]:
            c = checked["coverage"]
            what = f"of prediction sets ({c['size']:.2f} classes on average)" if kind.answer == "one_of" else f"of intervals ({c['size']:.4g} wide on average)"  # fmt: skip
            text = f"{c['found']:.1%} {what} contain the truth on test rows; target {c['stated']:.0%}"
            say("result", "trust.coverage", f"{kind.columns[0]}: {text}", **c)
    return out


def _baselines(work: Work, table: Table, shown: np.ndarray) -> dict[str, Any]:
    """The baselines' metrics on the rows that measure, by target where there are several, then by baseline."""
    columns = {name: kind_name(kind) for kind in work.fitted.inputs.values() for name in kind.columns}
    columns |= {name: "text" for kind in work.fitted.targets.values() for name in kind.prompted}
    out: dict[str, Any] = {}
    for key, kind in work.fitted.targets.items():
        target = kind.columns[0]
        truths = {}
        parts = []
        validation = work.parts.validation[:0] if work.held else work.parts.validation  # learnt, they choose no variant
        learnt = work.learnt if table.splits is None else work.learnt[table.splits[work.learnt] != UNLABELLED]
        for rows in (learnt, validation, shown):
            here = _few(rows[~kind.absent(take(work.targets[key], rows))])
            weight = None if work.weight is None else work.weight[here]
            truth, _, _ = compared(kind, take(work.targets[key], here), {"value": np.zeros(len(here))}, weight)
            pixels = {
                block.columns[0]: take(work.inputs[name], here)
                for name, block in work.fitted.inputs.items()
                if block.signal == "grid"
            }
            parts.append(BaselineRows(table.frame[here].select(list(columns)), truth, weight, pixels))  # type: ignore[arg-type]
            truths[len(parts)] = (truth, weight)
        seed, asked = work.recipe.training.seed or 0, kind.answer if kind.answer != "other" else scored_as(kind)
        tried = compare(*parts, columns=columns, target=asked, classes=kind.class_count, seed=seed)
        truth, weight = truths[3]
        out[target] = {}
        for name, result in tried.items():
            if result["answer"] is not None:
                out[target][name] = {
                    **measure.measure(scored_as(kind), truth, result["answer"], weight=weight, seed=seed),
                    "seconds": round(result["seconds"], 3),
                }
    return out if len(out) > 1 else next(iter(out.values()))


def _say_shared(work: Work, table: Table, shown: np.ndarray) -> None:
    """Report test texts that also occur in the training texts: on those memorization is measured."""
    for key, kind in work.fitted.targets.items():
        if kind.needs != "stimulus":
            continue
        known, held = (_told(kind, table, take(work.targets[key], rows), rows) for rows in (_few(work.learnt), shown))
        found = leakage.shared(known, held)
        name = kind.columns[0]
        if found.any():
            text = f"{name}: {found.sum():,} of {len(found):,} test texts also occur, whole or in part, in the training texts"
            say_rows("text.contamination", text, table.named(shown[found]), of=len(found))
        else:
            say(
                "notice",
                "text.contamination",
                f"{name}: no test text occurs in the training texts",
                of=len(found),
            )


def _told(kind: Target, table: Table, target: Arrays, rows: np.ndarray) -> list[str]:
    """What a generating network is given of rows: their inputs, or without inputs the texts themselves."""
    if kind.prompted:
        return [filled(row, kind.prompted) for row in table.frame[rows].select(kind.prompted).iter_rows(named=True)]
    return list(kind.truth(target))


def _few(rows: np.ndarray) -> np.ndarray:
    """At most BASELINE_ROWS of the rows, before anything is gathered of them; said where some are left."""
    if len(rows) <= BASELINE_ROWS:
        return rows
    text = f"baselines see {BASELINE_ROWS:,} of {len(rows):,} rows, drawn at random, to bound their time and memory"
    say("notice", "baseline.rows", text, rows=BASELINE_ROWS, of=len(rows))
    return np.sort(generator(0, "baseline").choice(rows, BASELINE_ROWS, replace=False))


def _say_verdict(metrics: dict[str, Any], work: Work, part: str) -> None:
    """Say the result beside the best baseline's, and plainly when the network loses."""
    several = len(work.fitted.targets) > 1
    for kind in work.fitted.targets.values():
        target = kind.columns[0]
        found = metrics[part][target] if several else metrics[part]
        asked = work.recipe.trust.threshold  # who names a purpose is told how well it is served
        name = asked if asked is not None and asked in found else measure.headline(scored_as(kind), found)
        ours = found[name]
        theirs = metrics["baseline"][target] if several else metrics["baseline"]
        rivals = {
            rival: values[name] for rival, values in theirs.items() if values.get(name, {}).get("value") is not None
        }
        text = f"{target}: {name} {_interval(ours)} on {part} rows"
        if rivals and ours["value"] is not None:
            sign = 1 if measure.metric(scored_as(kind), name, kind.class_count).better == "higher" else -1
            best = max(rivals, key=lambda rival: sign * rivals[rival]["value"])
            value = rivals[best]["value"]
            worst, top = sorted((sign * ours["low"], sign * ours["high"]))
            if worst > sign * value:
                text += f"; better than the best baseline, {best} ({value:.3f})"
            elif top < sign * value:
                text += (
                    f"; WORSE than the best baseline, {best} ({value:.3f}): use that instead, or try another --model"
                )
            else:
                text += f"; about as good as the best baseline, {best} ({value:.3f})"
        if rivals and asked == name:
            text += "; baselines use a threshold of 0.5"
        say(
            "result",
            "verdict",
            text,
            target=target,
            metric=name,
            **{k: v for k, v in ours.items() if k in ("value", "low", "high")},
        )


def _interval(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return f"not defined ({value.get('reason', '')})"
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def cross_validated(
    described: Project, parts: Parts, model: Model, work: Work, module: torch.nn.Module | None
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Train once more for each fold; every row is answered by the network that never saw it."""
    folds = work.recipe.split.folds or 0
    found: list[Answers] = []
    rows: list[np.ndarray] = []
    tried: list[dict[str, Any]] = []
    seed, column = work.recipe.split_seed, work.recipe.split.group
    groups = grouped(described.table, column) if column else None
    for number, fold in enumerate(parts.folds(folds, described.classes, seed=seed, groups=groups), 1):
        say("step", "fold", f"fold {number} of {folds}: {len(fold.train):,} rows train, {len(fold.test):,} test")
        part = pipeline.prepare_rows(described, fold)
        network, _, _ = pipeline.train(
            part, plan=model.plan, kept=None, module=copy.deepcopy(module), world=World(), ready=lambda plan: None
        )
        fold = part.parts
        own = Model(network, part.fitted, part.recipe, model.plan)
        learn(part, own)
        answered = own.trusted(_answered(part, fold.test, own, write=True))
        found.append(
            {key: part.fitted.targets[key].rebased(answered[key], kind) for key, kind in work.fitted.targets.items()}
        )
        rows.append(fold.test)
        tried.append(_baselines(part, described.table, fold.test))
    learn(work, model)
    every = np.concatenate(rows)
    targets = {key: take(arrays, every) for key, arrays in work.targets.items()}
    together = joined(found)
    weight = None if work.weight is None else work.weight[every]
    metrics = {
        "validation": {},
        "test": model.measured(targets, together, weight),
        "baseline": _mean(tried),
        "trust": _checked(work, every, together, model),
        "folds": folds,
    }
    _say_verdict(metrics, work, "test")
    order = np.argsort(every)
    return metrics, model.decode(
        described.table.take(every[order]),
        {key: {name: a[order] for name, a in arrays.items()} for key, arrays in together.items()},
    )


def _mean(trees: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over folds of trees of numbers; what is not a number in each fold is None."""
    out: dict[str, Any] = {}
    for key, value in trees[0].items():
        values = [tree.get(key) for tree in trees]
        if isinstance(value, dict):
            out[key] = _mean([item for item in values if isinstance(item, dict)])
        else:
            known = [item for item in values if isinstance(item, int | float)]
            out[key] = float(np.mean(known)) if len(known) == len(values) else None
    return out
