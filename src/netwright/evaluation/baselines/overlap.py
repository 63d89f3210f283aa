"""Spans by the words that question and text have in common.

Of the text's sentences the one is taken whose words stand in the question, each weighing ln(N / n) where n of the N
training texts hold it (Rajpurkar et al. 2016, arXiv 1606.05250, section 5, has a sliding window as its first baseline).
In it those words answer that stand nearest to the shared ones without being one of them, as many as a training answer
mostly has. Where the shared words weigh less than a limit there is no answer; it is the best one on training rows.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from netwright.evaluation.baselines.rows import Rows, columns_of
from netwright.evaluation.metrics.span import agreement
from netwright.kinds import words
from netwright.kinds.span import Right

NAME = "overlap"
TARGETS, READS, LEAST = ("span",), ("text",), 2
LOOK = 2000  # training rows by which the limit is chosen
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W_]+")
_SENTENCE = re.compile(r"[^.!?。！？；;\n]+[.!?。！？；;\n]*(?=\s|$|[^\x00-\x7f])|[^\n]+")


@dataclass(frozen=True)
class Word:
    """A word in small letters, and its characters."""

    text: str
    begin: int
    end: int


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return {"begin", "end"} (n,). Raises ValueError where there are no training rows."""
    if not len(train):
        raise ValueError("there are no training rows")
    texts = columns_of(columns, "text")
    stands = Counter(word for right in train.truth for word in {each.text for each in found(right.text)})
    weights = {word: math.log((1 + len(train)) / (1 + count)) for word, count in stands.items()}
    most = math.log(1 + len(train))
    lengths = [len(found(right.answers[0])) for right in train.truth if right.answers]
    size = max(1, int(np.median(lengths))) if lengths else 1

    def each(rows: Rows) -> list[tuple[float, int, int]]:
        asked = _questions(rows, texts)
        return [_piece(right.text, one, weights, most, size) for right, one in zip(rows.truth, asked, strict=True)]

    look = train.at_most(LOOK, seed=seed) if len(train) > LOOK else train
    limit = _limit(each(look), list(look.truth))
    begin, end = (
        np.array([(a, b) if score >= limit else (-1, -1) for score, a, b in each(test)], np.int64).reshape(-1, 2).T
    )
    return {"begin": begin, "end": end}


def found(text: str) -> list[Word]:
    """Return the words of a text."""
    return [Word(match[0].lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _questions(rows: Rows, texts: list[str]) -> list[set[str]]:
    """The words of the texts beside the one that each row is about."""
    columns = [words.whole(rows.frame[name]) for name in texts]
    out = []
    for row, right in enumerate(rows.truth):
        others = [column[row] for column in columns if column[row] != right.text]
        out.append({word.text for other in others for word in found(other)})
    return out


def _piece(
    text: str, asked: set[str], weights: dict[str, float], most: float, size: int
) -> tuple[float, int, int]:  # fmt: skip
    """The weight of the best sentence's shared words, and the answer's characters in it; -1 where there is none."""
    best = (-1.0, -1, -1)
    for match in _SENTENCE.finditer(text):
        here = [Word(one.text, one.begin + match.start(), one.end + match.start()) for one in found(match[0])]
        shared = {one.text for one in here} & asked
        score = sum(weights.get(word, most) for word in shared)
        if here and score > best[0]:
            best = (score, *_nearest(here, shared, size))
    return best


def _nearest(here: list[Word], shared: set[str], size: int) -> tuple[int, int]:
    """The characters of `size` words that are not shared, nearest to those that are; the first ones where none is."""
    places = [k for k, one in enumerate(here) if one.text in shared]
    starts = [
        k for k in range(max(len(here) - size + 1, 1)) if not any(one.text in shared for one in here[k : k + size])
    ]
    if not starts:
        starts = [0]
    start = min(starts, key=lambda k: sum(abs(k - place) for place in places))
    last = min(start + size, len(here)) - 1
    return here[start].begin, here[last].end


def _limit(pieces: list[tuple[float, int, int]], truth: list[Right]) -> float:
    """The weight of shared words from which a row is answered, that gives the highest mean F1."""
    if all(right.answers for right in truth):
        return -math.inf
    gains = []
    for (score, begin, end), right in zip(pieces, truth, strict=True):
        given = max(agreement(right.text[begin:end], one)[1] for one in right.answers or ("",))
        gains.append((score, given - float(not right.answers)))
    gains.sort(reverse=True)
    sums = np.cumsum([0.0, *(gain for _, gain in gains)])
    best = int(sums.argmax())
    return math.inf if best == 0 else gains[best - 1][0]
