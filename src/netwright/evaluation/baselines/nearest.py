"""Nearest: the answer of the training row whose inputs are most alike (a translation memory).

Alikeness is the cosine of TF-IDF weights of words and of characters in runs of two and three. n rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netwright.evaluation.baselines.rows import Rows, columns_of, note

NAME = "nearest"
TARGETS, READS, LEAST = ("text",), ("text",), 1
MOST = 100_000  # training rows that are looked through
SLICE = 256  # rows that are looked up at once


def answer(
    train: Rows, test: Rows, *, validation: Rows | None, columns: dict[str, str], target: str, classes: int, seed: int
) -> dict[str, np.ndarray]:
    """Return {"text"} (n,)."""
    train = train.at_most(MOST, seed=seed)
    names = columns_of(columns, "text")
    found, cosine = nearest(joined(train, names), joined(test, names))
    note(f"the nearest row's cosine is {float(np.median(cosine)):.2f} in the middle")
    return {"text": train.truth[found]}


def joined(rows: Rows, names: list[str]) -> list[str]:
    """Return each row's texts as one."""
    return ["\n".join("" if value is None else str(value) for value in row) for row in rows.frame.select(names).rows()]


def nearest(known: list[str], asked: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the known text that is most like each asked one, and their cosine.

    >>> nearest(["a cat", "the dog"], ["dogs"])[0].tolist()
    [1]
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(text.strip() for text in known):
        raise ValueError("there is no text to be alike to")
    vectors: Any = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), sublinear_tf=True)
    table = vectors.fit_transform(known).T.tocsr()
    rows = vectors.transform(asked)
    best, cosine = np.zeros(len(asked), np.int64), np.zeros(len(asked))
    for at in range(0, len(asked), SLICE):
        product = (rows[at : at + SLICE] @ table).toarray()
        best[at : at + SLICE] = product.argmax(1)
        cosine[at : at + SLICE] = product.max(1)
    return best, cosine
