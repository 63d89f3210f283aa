"""Distill: a small network taught by a large one, on the rows that the large one was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.export.parity import rows as rows_of
from netwright.model import Model, load
from netwright.recipe_file import read_recipe
from netwright.run import Run, write_json
from netwright.sources.table import Table
from netwright.verbs.stopwatch import SCORED, fastest
from netwright.verbs.train import train


def distill(
    run: str | Path,
    *,
    into: str,
    data: Any = None,
    unlabelled: str | Path | None = None,
    output: str | Path | None = None,
    settings: dict[str, Any] | None = None,
) -> Model:
    """Train the family `into` (mlp, transformer:tiny) on a run's rows, with that run's answers beside the truth.

    `data`: the rows; left out, the run's own source. `unlabelled`: a file of more rows, whose truth is not known; the run's
    answers stand in its place. The split is the run's, so that the teacher has not learnt the rows that
    the student is measured on. What both score and how fast both are stands in the student's `distilled.json`. Raises
    `InputError` where the run's rows are gone, or its answers cannot be taught.
    """
    opened = Run.open(run)
    recipe = read_recipe(opened.recipe)
    source = recipe.data if data is None else data
    if source is None:
        raise InputError(Problem("DATA", f"{run} was trained on data in memory", fix="name the rows"))
    family, _, size = into.partition(":")
    model: dict[str, Any] = {"family": family}
    if size:
        model |= SIZES.get(size) or {"size": size}
    given = {
        "target": recipe.target, "leave_out": recipe.leave_out, "weight": recipe.weight, "read": recipe.read.model_dump(),
        "split": recipe.split.model_copy(update={"seed": recipe.split_seed}).model_dump(), "teacher": str(run), "inputs": recipe.inputs,
        "unlabelled": None if unlabelled is None else str(unlabelled),
        "columns": {name: {"kind": recipe.columns[name]["kind"]} for name in recipe.columns if "kind" in recipe.columns[name]},
    }  # fmt: skip
    place = output or f"{str(run).rstrip('/')}-{family}"
    student = train(source, model=model, output=place, settings={**given, **(settings or {})})
    assert student.run is not None
    found = _beside(load(run), student, rows_of(student, None, most=SCORED))
    write_json(student.run.folder / "distilled.json", found)
    say("result", "distill.saved", _sentence(found), folder=str(student.run.folder))
    return student


SIZES = {"tiny": {"width": 32, "depth": 1}, "small": {"width": 64, "depth": 2}}


def _beside(teacher: Model, student: Model, rows: Table) -> dict[str, Any]:
    """Weights, metrics on rows that neither learnt, and rows a second of both."""
    out: dict[str, Any] = {"rows": len(rows)}
    for name, model in (("teacher", teacher), ("student", student)):
        out[name] = {
            "weights": sum(weight.numel() for weight in model.network.parameters()), "metrics": model.evaluate(rows)["metrics"],
            "rows_a_second": fastest(model, rows),
        }  # fmt: skip
    return out


def _sentence(found: dict[str, Any]) -> str:
    one, two = found["teacher"], found["student"]
    faster = two["rows_a_second"] / one["rows_a_second"]
    flat = {
        name: value["value"]
        for name, value in two["metrics"].items()
        if isinstance(value, dict) and value.get("value") is not None
    }
    scores = [
        f"{name} {value:.4g} (teacher {one['metrics'][name]['value']:.4g})" for name, value in list(flat.items())[:2]
    ]
    return f"{', '.join(scores)} on {found['rows']:,} rows; {faster:.1f} times the teacher's rows a second, {two['weights']:,} weights for {one['weights']:,}"
