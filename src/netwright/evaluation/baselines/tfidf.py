"""TF-IDF of words or characters, then logistic regression (category, labels) or ridge regression (number).

Two variants are fitted: words of 1 and 2, and characters of 1 to 4 within words; the one that answers the validation
rows better is taken. With very long texts only words are tried, as characters take minutes. A row's weight of an n-gram
is (1 + ln count) · (1 + ln((1 + n) / (1 + rows with it))), scaled to length 1 (scikit-learn's TfidfVectorizer with
sublinear_tf). Columns other than text are left out.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from netwright.evaluation import metrics
from netwright.evaluation.baselines import features
from netwright.evaluation.baselines.models import fitted_answer
from netwright.evaluation.baselines.rows import SCORED, Rows, check, note

NAME = "tfidf"
TARGETS, READS, LEAST = ("one_of", "value", "some_of"), ("text",), 1
ROWS = 50_000
WORD_LETTERS = 50_000_000  # in the training texts: about 20 s (measured); more: fewer rows
CHARACTER_LETTERS = 10_000_000  # about 30 s (measured); more: words only
WEIGHTS = 5_000_000  # of a classifier: its optimizer keeps about 22 copies, 1 GB; the rarest n-grams are left out
STEPS = 1_000
HELD_OUT = 0.2  # of the training rows, where there are no validation rows


def answer(
    train: Rows, test: Rows, *, columns: dict[str, str], target: str, classes: int, seed: int,
    validation: Rows | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Fit both variants, choose one on the validation rows (a fifth of the training rows where there are none), and
    answer for the test rows. Raises ValueError where the texts hold no word, or there is one class only.
    """
    check(train, target)
    train = train.at_most(_affordable(train, columns), seed=seed)
    held, fitting = validation, train
    if held is None or not len(held):
        order = np.random.default_rng(seed).permutation(len(train))
        cut = int(len(train) * HELD_OUT)
        held, fitting = train.take(order[:cut]), train.take(order[cut:])
    settled = partial(_fitted, columns=columns, target=target, classes=classes)
    name = metrics.selects(SCORED[target])
    found: dict[str, tuple[float, dict[str, np.ndarray]]] = {}
    for variant in _variants(train, columns):
        judged, answered = settled(variant, fitting, [held, test])
        value = metrics.score(SCORED[target], name, held.truth, judged, held.weight)
        found[variant] = (np.inf if np.isnan(value) else value, answered)
    chosen = min(found, key=lambda variant: found[variant][0])
    if len(found) > 1:
        note(f"n-grams of {chosen}, by {name} on the validation rows")
    return found[chosen][1] if fitting is train else settled(chosen, train, [test])[0]


def _letters(train: Rows, columns: dict[str, str]) -> int:
    return sum(map(len, features.texts(train.frame, columns)))


def _affordable(train: Rows, columns: dict[str, str]) -> int:
    """How many rows can be fitted in time."""
    return min(ROWS, WORD_LETTERS * len(train) // max(_letters(train, columns), 1))


def _variants(train: Rows, columns: dict[str, str]) -> tuple[str, ...]:
    letters = _letters(train, columns)
    if letters <= CHARACTER_LETTERS:
        return ("words", "characters")
    note(
        f"n-grams of words; those of characters were not tried, as the texts hold {letters / 1e6:,.0f} million of them"
    )
    return ("words",)


def _fitted(
    variant: str, train: Rows, asked: list[Rows], *, columns: dict[str, str], target: str, classes: int
) -> list[dict[str, np.ndarray]]:
    """The answers of one variant for several sets of rows."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression, Ridge

    vectorizer = features.bags(variant, WEIGHTS // (classes if target == "one_of" and classes > 2 else 1))
    known = vectorizer.fit_transform(features.texts(train.frame, columns))
    parts = vstack([vectorizer.transform(features.texts(rows.frame, columns)) for rows in asked], format="csr")
    both = fitted_answer(
        partial(LogisticRegression, max_iter=STEPS), Ridge,
        train=known, test=parts, truth=train.truth, weight=train.weight, target=target, classes=classes,
    )  # fmt: skip
    [(key, values)] = both.items()
    return [{key: part} for part in np.split(values, np.cumsum([len(rows) for rows in asked])[:-1])]
