"""`--model auto`: the families that fit are tried on a growing slice of the training rows, and the best one is kept.

Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943): all families on a few rows, the better half on four
times as many. All tries together are to take no longer than the training that follows: the family that is taken where
none is named begins, another is stopped soon after the slowest one before it had ended, and no round begins that would
break the rule.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netwright import registry
from netwright.data import describe
from netwright.data.splits import Parts
from netwright.errors import InputError
from netwright.evaluation import metrics
from netwright.events import quiet, say
from netwright.kinds.base import scored_as
from netwright.kinds.infer import target_class
from netwright.recipe import Recipe
from netwright.runtime.seeds import generator
from netwright.training import defaults, pipeline
from netwright.training.pipeline import Project
from netwright.training.processes import World
from netwright.training.state import Score

NAME = "auto"
SHARE, LEAST, MOST = 6, 600, 4000  # the first slice: a sixth of the rows, but at least and at most so many
MOST_OF_TABLE = 3500  # from 4,000 rows on a table's networks go through a whole schedule: three times as long
GROWTH = 4
FEW = 100  # rows to judge by, below which the luckiest of many families would win
VALIDATION = 4000  # validation rows that are looked at
LEAVE = 1.25  # seconds that every try may take
LOADED = ("sklearn.feature_extraction.text", "torch._dynamo")  # what the first of all tries would load: seconds
OWN = ("module", "layers", "pretrained")  # they need more than rows: a module, a stack, a checkpoint


@dataclass
class Try:
    """One family on one slice: its best validation score and its seconds; `stopped`: it was cut off."""

    family: str
    rows: int
    score: float
    seconds: float
    stopped: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a try without a score (it diverged, or was stopped before its first epoch's end) has None."""
        return {**vars(self), "score": self.score if np.isfinite(self.score) else None}


class _Enough(Exception):
    """A try has used up its time."""


def called(described: Project) -> bool:
    """Whether families are tried: where that is asked for, and for numbers of a table divided by time (then it is said).

    What grows with time a linear model follows beyond the last row that it learnt, and hidden layers do not (docs/dev/log.md).
    """
    recipe, columns = described.recipe, described.described
    if "family" in recipe.model or not recipe.split.time:
        return recipe.model.get("family") == NAME
    facts = describe.facts(columns, len(described.table))
    if not facts.table or any(target_class(column.kind or "").answer != "value" for column in columns.targets):
        return False
    why = "rows are split by time: families differ in how they extrapolate trends"
    say("choice", "model.family", f"family: {NAME}, because {why}; --model names another")
    return True


def pick(described: Project, parts: Parts, world: World) -> tuple[Recipe, list[Try]]:
    """Return the recipe with the family that did best, and all tries. Raises `InputError` where no family fits."""
    recipe = described.recipe
    facts = describe.facts(described.described, len(parts.train))
    alive = [name for name in registry.names("trunks") if name not in OWN and defaults.fits(name, facts)]
    judged = len(parts.validation) or len(parts.train) // 5
    if judged < FEW and len(alive) > 2:
        usual = [name for name in ("linear", "mlp", "convnet") if name in alive][:2]
        say(
            "notice",
            "auto.few",
            f"{NAME}: {judged} validation rows are too few to compare many families: trying {' and '.join(usual)}",
        )
        alive = usual
    first, _ = defaults.usual(facts)
    alive.sort(key=lambda name: name != first)  # its time is what the others are given
    scored = {scored_as(target_class(column.kind or "")) for column in described.described.targets}
    name = recipe.training.metric or metrics.selects(next(iter(scored))) if len(scored) == 1 else "score"
    n, tries = len(parts.train), []
    most = MOST_OF_TABLE if facts.table else MOST
    rows = n if len(alive) == 1 else min(n, max(LEAST, min(most, n // SHARE)))
    spent = 0.0
    for module in LOADED:  # or the first try would seem slow, and the others be given as much
        importlib.import_module(module)
    while len(alive) > 1:
        some, part = _only(described, _slice(parts, rows, recipe.training.seed or 0))
        slowest = 0.0  # of those that ended by themselves
        found: list[Try] = []
        better = "lower"
        for family in alive:
            limit = LEAVE + slowest if slowest else None
            result, better = _tried(some, part, family, limit, world)
            found.append(result)
            slowest = slowest if result.stopped else max(slowest, result.seconds)
            spent += result.seconds
            say("result", "auto.try", f"{NAME}: {family} on {rows:,} rows: {name} {result.score:.4g} in {result.seconds:.1f} s" + (" (stopped)" if result.stopped else ""), **result.to_json())  # fmt: skip
        found.sort(key=lambda one: one.score, reverse=better == "higher")
        tries += found
        alive = [one.family for one in found[: max(1, len(found) // 2)]]
        ahead = sum(one.seconds for one in found[: len(alive)]) * GROWTH
        if rows == n or spent + ahead > 0.8 * found[0].seconds * n / rows:
            alive = alive[:1]
        rows = min(n, rows * GROWTH)
    reason = f"the best of {len({one.family for one in tries})} families on {tries[-1].rows:,} rows" if tries else "the only family that fits"  # fmt: skip
    say(
        "choice",
        "auto",
        f"{NAME}: {alive[0]}, {reason}; its tries took {spent:.1f} s",
        tried=[one.to_json() for one in tries],
    )
    return recipe.model_copy(update={"model": {**recipe.model, "family": alive[0]}}), tries


def _slice(parts: Parts, rows: int, seed: int) -> Parts:
    """So many training rows, and validation rows to judge by, drawn once for all families."""
    random = generator(seed, NAME, rows)

    def some(part: np.ndarray, most: int) -> np.ndarray:
        return part if len(part) <= most else np.sort(random.choice(part, most, replace=False))

    if not len(parts.validation):  # there is none: a fifth of the slice judges
        drawn = random.permutation(parts.train)[:rows]
        cut = max(1, len(drawn) // 5)
        return Parts(np.sort(drawn[cut:]), np.sort(drawn[:cut]), np.zeros(0, np.int64))
    return Parts(some(parts.train, rows), some(parts.validation, VALIDATION), np.zeros(0, np.int64))


def _only(described: Project, parts: Parts) -> tuple[Project, Parts]:
    """Return a project of these rows alone, so that a try on a slice encodes no others, and the parts within it."""
    rows = np.sort(np.concatenate([parts.train, parts.validation]))
    weight, classes = (None if each is None else each[rows] for each in (described.weight, described.classes))
    own = Parts(np.searchsorted(rows, parts.train), np.searchsorted(rows, parts.validation), parts.test)
    held = replace(described.described, table=described.table.take(rows))
    return replace(described, described=held, weight=weight, classes=classes), own


def _tried(described: Project, parts: Parts, family: str, limit: float | None, world: World) -> tuple[Try, str]:
    """Train a family with its own defaults; stop it after `limit` seconds. Return the try, and which scores are better."""
    recipe = described.recipe
    training = recipe.training.model_copy(update={"refit": False, "minutes": None})  # minutes are for what is kept
    described = replace(described, recipe=recipe.model_copy(update={"model": {"family": family}, "training": training}))
    began, scores, better, stopped = time.perf_counter(), [], "lower", False

    def watched(score: Score) -> Score:
        nonlocal better
        better = score.better

        def compute() -> float:
            scores.append(score.compute())
            if limit is not None and time.perf_counter() - began > limit:
                raise _Enough
            return scores[-1]

        return Score(compute, score.name, score.better)

    with quiet():
        try:
            work = pipeline.prepare_rows(described, parts)
            pipeline.train(work, plan=None, kept=None, module=None, world=world, ready=lambda plan: None, watch=watched)
        except _Enough:
            stopped = True
        except InputError as error:  # this family cannot learn these rows (its loss diverged, say): others may
            say("notice", "auto.failed", f"{family}: {error}")
    worst = float("-inf") if better == "higher" else float("inf")
    known = [value for value in scores if np.isfinite(value)] or [worst]
    best = max(known) if better == "higher" else min(known)
    return Try(family, len(parts.train), best, time.perf_counter() - began, stopped), better
