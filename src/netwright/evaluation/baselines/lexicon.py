"""Tags by looking words up: each gets the tag that it has most often in the training rows.

A word that no training row has gets the tag that is most frequent among words that stand there once: new words are like
rare ones. Ties go to the tag that is more frequent over all, then to the first by name. A word by itself decides, its
neighbours never do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from netwright.evaluation.baselines.rows import Rows, columns_of
from netwright.kinds import words

NAME = "lexicon"
TARGETS, READS, LEAST = ("tags",), ("text",), 1


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return {"tags": (n,) lists}. Raises ValueError where no text has as many words as there are tags."""
    text = _text(train, columns)
    held = _words(train, text)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    every: Counter[str] = Counter()
    for row, tags in zip(held, train.truth, strict=True):
        for word, tag in zip(row, tags, strict=True):
            if tag is not None:
                found[word][tag] += 1
                every[tag] += 1
    if not every:
        raise ValueError("there are no training rows")

    def first(counts: Counter[str]) -> str:
        return min(counts, key=lambda tag: (-counts[tag], -every[tag], tag))

    known = {word: first(counts) for word, counts in found.items()}
    rare = sum((counts for counts in found.values() if counts.total() == 1), Counter[str]())
    new = first(rare or every)
    answers = np.empty(len(test), object)
    for place, row in enumerate(_words(test, text)):
        answers[place] = [known.get(word, new) for word in row]
    return {"tags": answers}


def _words(rows: Rows, text: str) -> list[list[str]]:
    return [words.parted(value).words for value in words.values(rows.frame[text])]


def _text(train: Rows, columns: dict[str, str]) -> str:
    """The text that the tags are about: the one with as many words."""
    wanted = [len(tags) for tags in train.truth]
    for name in columns_of(columns, "text"):
        if words.counts(train.frame[name]).tolist() == wanted:
            return name
    raise ValueError("no text has as many words as there are tags")
