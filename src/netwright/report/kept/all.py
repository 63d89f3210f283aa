"""All that a training writes down for its report, and the report itself: the one call at a training's end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from netwright.inference.model import Model, on, precisely
from netwright.nn.batch import Rows, tensors
from netwright.report.kept.cost import cost
from netwright.report.kept.profile import profile
from netwright.report.kept.texts import texts
from netwright.report.kept.words import worst_words
from netwright.report.kept.worst import worst, worst_pairs
from netwright.report.page import build
from netwright.report.page.found import Found
from netwright.runtime.arrays import take
from netwright.runtime.run import Run, write_json, write_text
from netwright.training.pipeline import Project, Work

if TYPE_CHECKING:
    from netwright.report.kept.clock import Clock

SOME = 4
"""Rows whose operations are counted."""


def report(run: Run, project: Project, work: Work, model: Model, clock: Clock) -> None:
    """Write `profile.json`, `worst.json`, `cost.json` and `report.html` of a run whose metrics and predictions are written.

    Raises `InputError` where there is no room.
    """
    write_json(run.profile, profile(project.described, work.parts, work.fitted))
    found = Found.read(run)
    places = _predicted(run, project, work)
    wrong = worst(found.answers, project.table, places, work.inputs, work.fitted)
    wrong["targets"] |= worst_words(found.said_of_words, project.table, places)
    wrong["targets"] |= worst_pairs(found, project.table, places, work.fitted)
    write_json(run.worst, wrong)
    said = texts(model, work, project.table, work.parts.test if len(work.parts.test) else work.parts.validation)
    if said:
        write_json(run.texts, said)
    few = work.parts.train[:SOME]
    with precisely(model.plan):
        blocks = {key: tensors(take(arrays, few)) for key, arrays in work.inputs.items()}
        some = on(Rows(blocks, {}, count=len(few)), torch.arange(len(few)), model.plan.device)
        spent = cost(run, model.network, some, clock, found.metrics["history"], len(work.parts.train))
    write_json(run.cost, spent)
    write_text(run.report, build.page(replace(found, worst=wrong, cost=spent, texts=said, held=found.answers)))


def _predicted(run: Run, project: Project, work: Work) -> np.ndarray:
    """The places in the table of the rows of `predictions.csv`: the test rows, else the validation rows; all of folds."""
    if not work.recipe.split.folds:
        return work.parts.test if len(work.parts.test) else work.parts.validation
    place = {name: row for row, name in enumerate(project.table.ids())}
    return np.array([place[name] for name in pl.read_csv(run.predictions, columns=["id"])["id"].to_list()])
