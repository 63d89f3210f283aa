"""Baselines: what one would pick instead of a network, fitted on the same training rows. One file each. No torch.

The folder is the registry: a module gives `NAME`, `TARGETS` (what it answers), `READS` (kinds of columns it looks at) of which
there are to be at least `LEAST`, and `answer(train, test, *, validation, columns, target, classes, seed)`, whose result has
the form that `netwright.evaluation.metrics` takes. A target is what its head gives (`value`, `one_of`, `some_of`), or where
that is of its own whose metrics measure it (`text`, `tags`). What the user must know of a fit is said as an event
(`rows.note`) and ends in its note.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from netwright import registry
from netwright.evaluation.baselines.rows import NOTE, Rows
from netwright.events import Event, listening, quiet, say

HELPERS = ("rows", "features", "models")

__all__ = ["Rows", "compare", "suitable"]


def suitable(columns: Mapping[str, str], target: str) -> tuple[str, ...]:
    """Return the baselines that can answer such a target from columns of these kinds.

    >>> suitable({"age": "number", "review": "text"}, "one_of")
    ('boosting', 'constant', 'linear', 'tfidf')
    """

    def suits(name: str) -> bool:
        module = registry.find("baselines", name)
        return target in module.TARGETS and sum(kind in module.READS for kind in columns.values()) >= module.LEAST

    return tuple(name for name in registry.names("baselines") if suits(name))


def compare(
    train: Rows, validation: Rows | None, test: Rows, *, columns: Mapping[str, str], target: str, classes: int = 0,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Fit every baseline that suits on `train`, and return {name: {"answer", "seconds", "note"}} for the test rows.

    `columns` names the input columns with their kinds, `target` says what is answered (see above), and `classes` counts the classes
    or labels. The validation rows only choose between variants. A baseline that cannot be fitted on these rows (it
    raises ValueError) has the answer None and says why in its note.
    """
    return {
        name: _run(name, train, validation, test, dict(columns), target, classes, seed)
        for name in suitable(columns, target)
    }


def _run(
    name: str, train: Rows, validation: Rows | None, test: Rows, columns: dict[str, str], target: str, classes: int,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    module, heard, start = registry.find("baselines", name), list[Event](), time.perf_counter()
    answer: dict[str, np.ndarray] | None = None
    notes = []
    with quiet(), listening(heard):
        try:
            answer = module.answer(
                train, test, validation=validation, columns=columns, target=target, classes=classes, seed=seed
            )
        except ValueError as error:  # scikit-learn's word for rows that it cannot be fitted on
            notes = [f"it could not be fitted: {str(error).strip().splitlines()[0]}"]
    for event in heard:
        say(event.kind, event.name, f"baseline {name}: {event.text}", **event.data)
    notes = [event.text for event in heard if event.name == NOTE] + notes
    return {"answer": answer, "seconds": time.perf_counter() - start, "note": "; ".join(notes)}
