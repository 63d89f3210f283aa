"""Distill: a small network taught by a large one, on the rows that the large one was trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from netwright.data.schema import Fitted
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import quiet, say
from netwright.export.parity import rows as rows_of
from netwright.inference.model import Model, load
from netwright.kinds.base import Input
from netwright.recipe.files import read_recipe
from netwright.runtime.run import Run, write_json
from netwright.training import selection
from netwright.training.defaults import family_settings
from netwright.verbs.stopwatch import SCORED, fastest
from netwright.verbs.train import train


def distill(
    run: str | Path,
    *,
    into: str | None = None,
    data: Any = None,
    unlabelled: str | Path | None = None,
    made: int | None = None,
    output: str | Path | None = None,
    settings: dict[str, Any] | None = None,
) -> Model:
    """Train the family `into` (mlp, if left out; transformer:tiny) on a run's rows, with that run's answers beside the truth.

    `data`: the rows; left out, the run's own source. `unlabelled`: a file of more rows, whose truth is not known; the run's
    answers stand in its place. `made`: how many rows it is to answer besides that are made of the training rows by changing
    their texts; left out, chosen by how many rows there are. The split is the run's, so that the teacher has not learnt the rows that
    the student is measured on. What both score and how fast both are stands in the student's `distilled.json`. Raises
    `InputError` where the run's rows are gone, or its answers cannot be taught.
    """
    if into is None:
        into = "mlp"
        say(
            "choice",
            "into",
            "into: mlp, because it keeps most of the teacher's gain at many times its speed (docs/dev/log.md); --into names another",
        )
    opened = Run.open(run)
    recipe = read_recipe(opened.recipe)
    kinds = Fitted.from_json(opened.read(opened.kinds)).inputs.values()
    source = recipe.data if data is None else data
    if source is None:
        raise InputError(Problem("DATA", f"{run} was trained on data in memory", fix="name the rows"))
    model = _student(into)  # looked at before anything is made for it
    family = model["family"]
    given = {
        "target": recipe.target, "leave_out": recipe.leave_out, "weight": recipe.weight, "read": recipe.read.model_dump(),
        "split": recipe.split.model_copy(update={"seed": recipe.split_seed}).model_dump(), "teacher": str(run), "inputs": recipe.inputs,
        "unlabelled": None if unlabelled is None else str(unlabelled), "made": _made(kinds, opened) if made is None else made,
        "columns": {name: {"kind": recipe.columns[name]["kind"]} for name in recipe.columns if "kind" in recipe.columns[name]},
    }  # fmt: skip
    if given["made"]:  # what stands as the truth of a made row is the teacher's answer too, without its doubts
        given["heads"] = {name: {"teacher_share": 0.9} for name in recipe.target}
    told = [kind for kind in kinds if kind.shared]
    if told and family in READ_TOKENS:
        model = {**READ_TOKENS[family], **model}
        why = "the teacher's embedding is better than n-grams from these rows"
        say(
            "choice",
            "tokens",
            f"{', '.join(kind.columns[0] for kind in told)}: read with the teacher's tokenizer, because {why}",
        )
        for kind in told:
            given["columns"][kind.columns[0]] |= {"tokens": "given", "tokenizer": str(run), **kind.cut}
    place = output or f"{str(run).rstrip('/')}-{family}"
    student = train(source, model=model, output=place, settings={**given, **(settings or {})})
    assert student.run is not None
    found = _beside(load(run), student, rows_of(student, None, most=SCORED))
    write_json(student.run.folder / "distilled.json", found)
    say("result", "distill.saved", _sentence(found), folder=str(student.run.folder))
    return student


def _student(into: str) -> dict[str, Any]:
    """The settings of the family that `into` names, of a size if it names one. Raises `InputError` where there is no such one."""
    family, _, size = into.partition(":")
    model: dict[str, Any] = {"family": family}
    if size:
        model |= SIZES.get(size) or {"size": size}
    if family != selection.NAME:
        family_settings(model)
    return model


READ_TOKENS = {
    "mlp": {"text": "tokens", "text_width": 128},
    "convnet": {},
    "recurrent": {},
    "transformer": {},
}  # by family that takes the teacher's tokens: how
ENOUGH = 70_000  # rows, with those that are made (docs/dev/log.md)
AGAIN = 20  # rows made of each at most (Tang et al. 2019, section 3.3)
SIZES = {"tiny": {"width": 32, "depth": 1}, "small": {"width": 64, "depth": 2}}


def _made(kinds: Iterable[Input], run: Run) -> int:
    """How many rows are made of the training rows, which is said."""
    if not any(kind.signal == "sequence" for kind in kinds):
        return 0
    rows = int(run.read(run.about)["rows"])
    count = min(AGAIN * rows, max(0, ENOUGH - rows))
    why = f"a teacher adds little on its own training rows, of which there are {rows:,}"
    say(
        "choice",
        "made",
        f"made: {count:,} rows of changed texts, because {why}; --made names another number",
        value=count,
    )
    return count


def _beside(teacher: Model, student: Model, rows: Table) -> dict[str, Any]:
    """Weights, metrics on rows that neither learnt, and rows a second of both."""
    out: dict[str, Any] = {"rows": len(rows)}
    for name, model in (("teacher", teacher), ("student", student)):
        with quiet():  # both said what they cut of these rows when they were trained on the others
            metrics = model.evaluate(rows)["metrics"]
        weights = sum(weight.numel() for weight in model.network.parameters())
        out[name] = {"weights": weights, "metrics": metrics, "rows_a_second": fastest(model, rows)}
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
    return f"{', '.join(scores)} on {found['rows']:,} rows; {faster:.1f} times the teacher's speed, {two['weights']:,} weights for {one['weights']:,}"
