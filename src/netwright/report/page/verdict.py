"""The verdict: a target's headline score beside the best baseline's, as one sentence.

The rule is the one by which the training says it: the network is better where the best baseline lies below its
interval, worse where it lies above, else about as good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from netwright.evaluation import metrics
from netwright.kinds.base import scored_as
from netwright.kinds.infer import target_class
from netwright.report import kinds
from netwright.report.page.found import Found
from netwright.report.page.html import cut
from netwright.report.page.written import named, score, share

Standing = Literal["better", "same", "worse", "alone", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """How a target's answers stand: `metric` with its `value`, `low` and `high`, and the best baseline's."""

    target: str
    kind: str
    metric: str
    ours: dict[str, Any]
    rival: str
    theirs: float | None
    standing: Standing
    part: str
    count: int


def verdict(found: Found, target: str) -> Verdict:
    """Return the verdict on a target's answers."""
    told = [event["data"] for event in found.said("verdict") if event["data"].get("target") == target]
    metric = told[-1]["metric"] if told else ""
    ours: dict[str, Any] = found.measured(target).get(metric) or {"value": None, "low": None, "high": None}
    tried = {name: (values.get(metric) or {}).get("value") for name, values in found.baselines(target).items()}
    known = {name: value for name, value in tried.items() if value is not None}
    sign = sign_of(found.kind(target), metric)
    rival = max(known, key=lambda name: sign * known[name]) if known else ""
    theirs = known.get(rival)
    if ours["value"] is None:
        standing: Standing = "unknown"
    elif theirs is None:
        standing = "alone"
    else:
        least, most = sorted(sign * float(ours[end]) for end in ("low", "high"))
        standing = "better" if least > sign * theirs else "worse" if most < sign * theirs else "same"
    answered = found.answers.get(target) or found.said_of_words.get(target) or found.cosines.get(target, ())
    return Verdict(
        target,
        found.kind(target),
        metric,
        ours,
        rival,
        theirs,
        standing,
        "" if found.metrics.get("folds") else found.part,
        len(answered) or (found.profile.get("rows") or {}).get(found.part, 0),  # texts are not read back
    )


def sign_of(kind: str, metric: str) -> int:
    """Return 1 where more is better, -1 where less is."""
    scored = scored_as(target_class(kind))
    known = {**metrics.metrics_of(scored), **metrics.metrics_of(scored, 2)}
    return -1 if metric in known and known[metric].better == "lower" else 1


def sentence(told: Verdict) -> str:
    """Return the verdict in words."""
    if told.standing == "unknown":
        reason = told.ours.get("reason") or "there were no rows to measure on"
        return f"How good the answers for {cut(told.target, 60)} are is not known: {reason}."
    text = _achieved(told)
    theirs = f"{told.rival} ({shown(told.metric, told.theirs)})"
    if told.standing == "better":
        return f"{text}: better than the best baseline, {theirs}."
    if told.standing == "same":
        return f"{text}: about as good as the best baseline, {theirs}."
    if told.standing == "worse":
        return f"{text}. The baseline {theirs} does better: use that instead, or try another family."
    return f"{text}."


def _achieved(told: Verdict) -> str:
    where = f"{told.count:,} {told.part + ' ' if told.part else ''}row{'' if told.count == 1 else 's'}"
    general = (
        f"The network reaches {score(told.ours['value'])} for {cut(told.target, 60)} on {where} ({named(told.metric)})"
    )
    return kinds.of(told.kind).achieved(told, where) or general


def shown(metric: str, value: float | None) -> str:
    """Return a headline score: shares as percentages."""
    return share(value) if metric == "accuracy" else score(value)
