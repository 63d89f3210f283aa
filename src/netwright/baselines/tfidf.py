"""TF-IDF of words or characters, then logistic regression (category, labels) or ridge regression (number).

Two variants are fitted: words of 1 and 2, and characters of 1 to 4 within words; the one that answers the validation
rows better is taken. A row's weight of an n-gram is (1 + ln count) · (1 + ln((1 + n) / (1 + rows with it))), scaled to
length 1 (scikit-learn's TfidfVectorizer with sublinear_tf). Columns other than text are left out.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from netwright import measure
from netwright.baselines import features
from netwright.baselines.models import fitted_answer
from netwright.baselines.rows import Rows, columns_of, note

NAME = "tfidf"
ROWS = 50_000
LETTERS = 4_000  # of a text that are read: more cost time and memory, and rarely tell more (assumed)
STEPS = 1_000
HELD_OUT = 0.2  # of the training rows, where there are no validation rows


def suits(columns: dict[str, str], target: str) -> bool:
    """It takes text."""
    return target in ("category", "number", "labels") and bool(columns_of(columns, "text"))


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Fit both variants, choose one on the validation rows (a fifth of the training rows where there are none), and
    answer for the test rows. Raises ValueError where the texts hold no word, or there is one class only.
    """
    train = train.at_most(ROWS, seed=seed)
    held = validation
    fitting = train
    if held is None or not len(held):
        order = np.random.default_rng(seed).permutation(len(train))
        cut = int(len(train) * HELD_OUT)
        held, fitting = train.take(order[:cut]), train.take(order[cut:])
    settled = partial(_fitted, columns=columns, target=target, classes=classes)
    name = measure.SELECTS[target]
    found: dict[str, tuple[float, dict[str, np.ndarray]]] = {}
    for variant in ("words", "characters"):
        asked = [held, test] if fitting is train else [held]
        judged, *answers = settled(variant, fitting, asked)
        value = measure.score(target, name, held.truth, judged, held.weight)
        found[variant] = (value, answers[0] if answers else {})
    chosen = min(found, key=lambda variant: found[variant][0])
    note(f"n-grams of {chosen}, by {name} on the validation rows")
    return found[chosen][1] or settled(chosen, train, [test])[0]


def _fitted(
    variant: str, train: Rows, asked: list[Rows], *, columns: dict[str, str], target: str, classes: int
) -> list[dict[str, np.ndarray]]:
    """The answers of one variant for several sets of rows."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression, Ridge

    vectorizer = _vectorizer(variant)
    known = vectorizer.fit_transform(_texts(train, columns))
    parts = vstack([vectorizer.transform(_texts(rows, columns)) for rows in asked], format="csr")
    both = fitted_answer(
        partial(LogisticRegression, max_iter=STEPS), Ridge,
        train=known, test=parts, truth=train.truth, weight=train.weight, target=target, classes=classes,
    )  # fmt: skip
    cuts = np.cumsum([len(rows) for rows in asked])[:-1]
    [(key, values)] = both.items()
    return [{key: part} for part in np.split(values, cuts)]


def _vectorizer(variant: str) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    if variant == "words":
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)


def _texts(rows: Rows, columns: dict[str, str]) -> list[str]:
    return [text[:LETTERS] for text in features.texts(rows.frame, columns)]
