"""Caveats: what the numbers of this run do not say."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from netwright.report.page.found import Found
from netwright.report.page.html import Content, cut, joined, tag
from netwright.report.page.verdict import verdict
from netwright.report.page.written import rows, score, share

TITLE = "Caveats"
PLACE = 100
FEW = 200
"""Test rows below which an interval is wide."""
RARE = 20
LOPSIDED = 0.9


def section(found: Found) -> Markup | None:
    """Return what one should know before believing the numbers; some of it holds for every run."""
    return tag("ul", [tag("li", tag("b", head, "."), " ", text) for head, text in told(found)], class_="caveats")


def told(found: Found) -> Iterator[tuple[str, Content]]:
    """Give the caveats that hold for this run, the gravest first."""
    yield from _measured(found)
    yield from _rows(found)
    yield from _targets(found)
    yield from _always(found)


def _measured(found: Found) -> Iterator[tuple[str, Content]]:
    if not found.part:
        yield "Nothing was measured", "There were no rows to measure on, so the network's quality is unknown."
        return
    for target in found.targets:
        held = verdict(found, target)
        if held.standing == "worse":
            yield (
                "A simpler method does better",
                f"The baseline {held.rival} beats the network on {cut(target, 60)}: use it, or try another family.",
            )
    if found.part == "validation":
        yield (
            "There is no test set",
            "The scores are those of the validation rows, on which the weights were selected, so they are optimistic.",
        )
    if found.metrics.get("folds"):
        yield (
            "The saved network was not measured itself",
            f"{found.metrics['folds']} networks like it were, each on rows it was not trained on; the saved one was trained on all rows.",
        )


def _rows(found: Found) -> Iterator[tuple[str, Content]]:
    count = max((len(answered) for answered in found.answers.values()), default=0)
    if 0 < count < FEW:
        yield (
            "Few rows were measured",
            f"{rows(count)} are few: the intervals are wide, and one row changes the scores.",
        )
    for target, answered in found.answers.items():
        perfect = len(answered) and answered.truth.ndim == 1 and answered.probability is not None
        if perfect and bool((answered.truth == answered.chosen).all()):  # Hanley & Lippman-Hand 1983: the rule of three
            most = share(min(1.0, 3 / len(answered)))
            text = f"{rows(len(answered)).capitalize()} without an error are not proof: up to {most} of new rows may still be wrong."
            yield f"No answer for {cut(target, 60)} was wrong", text
    for event in found.said("rows.repeated"):
        yield "Some test rows are also training rows", f"{event['text']}."
    how = found.said("split")
    divided = how[-1]["text"] if how else ""
    if "at random" in divided or "seeded" in divided:
        dates = [name for kind in found.kinds.inputs.values() for name in kind.columns if kind.moment]
        late = (
            [
                f"{cut(dates[0], 60)} is a date: ",
                tag("code", f"--split.time {cut(dates[0], 60)}"),
                " measures on the latest rows. ",
            ]
            if dates
            else None
        )
        yield "The split is random", joined([
            "New rows may differ more from the training rows than the test rows do. ", late,
            "If rows belong together (one patient, one customer), ", tag("code", "--split.group"), " keeps them in one part.",
        ])  # fmt: skip
    lost = sum(event["data"].get("count", 0) for event in found.said("target.missing", "read.bad_rows"))
    if lost:
        yield "Some rows are missing", f"{rows(lost)} had no target or could not be read, and do not count."


def _targets(found: Found) -> Iterator[tuple[str, Content]]:
    for target, answered in found.answers.items():
        where = f" of {cut(target, 60)}" if len(found.targets) > 1 else ""
        if answered.probability is None or not len(answered):
            continue
        counts = (
            (answered.truth == 1).sum(0)
            if answered.truth.ndim == 2
            else [(answered.truth == k).sum() for k in range(len(answered.classes))]
        )
        rare = [cut(answered.classes[k], 40) for k, number in enumerate(counts) if number < RARE]
        if rare:
            named = ", ".join(rare[:5]) + (f" and {len(rare) - 5:,} more" if len(rare) > 5 else "")
            what = "labels" if answered.truth.ndim == 2 else "classes"
            yield (
                f"Rare {what}{where}",
                f"Fewer than {RARE} test rows have {named}: their own scores are little more than chance.",
            )
        if answered.truth.ndim == 1 and max(counts) / len(answered) >= LOPSIDED:
            yield (
                f"One class is most of the rows{where}",
                f"{share(max(counts) / len(answered))} of them: accuracy says little; see balanced accuracy and the confusion matrix.",
            )
        ece = found.measured(target).get("ece") or {}
        if ece.get("low") is not None and ece["low"] > 0.05:
            yield (
                f"The probabilities are off{where}",
                f"By {score(ece['value'])} on average (ECE): trust the ranking of rows more than the percentages.",
            )


def _always(found: Found) -> Iterator[tuple[str, Content]]:
    if found.setting("weight"):
        yield (
            "Rows have weights",
            f"The metrics weigh rows by {cut(found.setting('weight'), 60)}; figures and confusions count each row once.",
        )
    yield (
        "Intervals cover sampling of test rows only",
        "They say how far another test set of this size would move a score; another training, other data or another time may move it more.",
    )
    yield (
        "Prediction is not causation",
        "A column that helps to predict need not be the cause, and a column that is only known afterwards (leakage) helps here but not in use.",
    )
