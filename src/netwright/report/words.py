"""Words: which tags are taken for which, and how well each is found; how far answered pieces of a text are right."""

from __future__ import annotations

from collections import Counter

from markupsafe import Markup

from netwright.evaluation.metrics.span import agreement
from netwright.kinds.span import Span
from netwright.report.page.found import Found
from netwright.report.page.html import brief, cut, joined, more, note, table, tag
from netwright.report.page.words import Said
from netwright.report.page.written import score, share

TITLE = "Words"
PLACE = 52
PAIRS = 12
FIRST, LISTED = 12, 100


def section(found: Found) -> Markup | None:
    """Return what is right and wrong of targets about words, or None where there are none."""
    out = []
    for target, answered in found.said_of_words.items():
        if not len(answered):
            continue
        several = tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None
        out.append(joined([several, _spans(answered) if isinstance(answered.kind, Span) else _tags(answered)]))
    return joined(out) if out else None


def _tags(answered: Said) -> Markup:
    pairs: Counter[tuple[str, str]] = Counter()
    for right, given in zip(answered.truth, answered.chosen, strict=True):
        pairs.update(zip(right, given, strict=True))
    every = pairs.total()
    wrong = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    lost = sum(wrong.values())
    told = note(f"{lost:,} of {every:,} words tagged wrongly.")
    order = sorted(wrong, key=lambda pair: (-wrong[pair], pair))[:PAIRS]
    lines = [[brief(a, 24), brief(b, 24), f"{wrong[a, b]:,}", share(wrong[a, b] / lost)] for a, b in order]
    taken = table(
        ["truth", "answer", "words", "of the wrong"], lines, caption="Which tags are taken for which", class_="fit",
        numbers=(2, 3),
    )  # fmt: skip
    return joined([told, taken if lines else None, _each(pairs)])


def _each(pairs: Counter[tuple[str, str]]) -> Markup:
    """How well each tag is found: precision, recall and F1 over words."""
    true, given = Counter[str](), Counter[str]()
    for (right, answer), count in pairs.items():
        true[right] += count
        given[answer] += count
    lines = []
    for name in sorted(true | given, key=lambda name: (-true[name], name))[:LISTED]:
        both = pairs[name, name]
        parts = [both / given[name] if given[name] else None, both / true[name] if true[name] else None]
        lines.append(
            [brief(name, 24), f"{true[name]:,}", *map(share, parts), score(2 * both / (true[name] + given[name]))]
        )
    head = ["tag", "words", "precision", "recall", "F1"]

    def shown(part: list[list[str]], caption: str) -> Markup:
        return table(head, part, caption=caption, class_="fit", numbers=(1, 2, 3, 4))

    rest = more(f"{len(lines) - FIRST} more tags", shown(lines[FIRST:], "More tags")) if lines[FIRST:] else None
    return joined([shown(lines[:FIRST], "How well each tag is found"), rest])


def _spans(answered: Said) -> Markup:
    """How many rows are answered word for word, partly, wrongly or not at all."""
    counts = {True: Counter[str](), False: Counter[str]()}
    for right, given in zip(answered.truth, answered.chosen, strict=True):
        f1 = max(agreement(given, one)[1] for one in right or ("",))
        exact = any(agreement(given, one)[0] for one in right or ("",))
        name = "right" if exact else "partly right" if f1 > 0 else "not answered" if not given else "wrong"
        counts[bool(right)][name] += 1
    names = [
        name for name in ("right", "partly right", "wrong", "not answered") if any(c[name] for c in counts.values())
    ]
    lines = []
    for has, told in ((True, "have an answer"), (False, "have none")):
        total = counts[has].total()
        if total:
            lines.append([f"rows that {told}", f"{total:,}", *(share(counts[has][name] / total) for name in names)])
    return table(
        ["", "rows", *names], lines, caption="How far answers are right", class_="fit", numbers=range(1, 2 + len(names))
    )
