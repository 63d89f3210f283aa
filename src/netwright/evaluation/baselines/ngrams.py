"""N-grams: how well the last four bytes tell the next one, with Kneser & Ney's smoothing.

Interpolated and modified (Chen & Goodman 1999, "An Empirical Study of Smoothing Techniques for Language Modeling",
section 4.1.6):  p(w | h) = (c(hw) - D(c(hw))) / c(h) + γ(h) p(w | h'), where D has a value for counts of 1, 2 and more,
γ(h) is what the discounts took, h' is h without its first symbol, and counts below the highest order are of distinct
symbols before. At the end stands 1 / A. n texts, A symbols, N symbols in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netwright.evaluation.baselines.rows import Rows, note

NAME = "ngrams"
TARGETS, READS, LEAST = ("text",), (), 0
ORDER, BYTES = 5, 257  # the last symbol, 256, begins and ends a text
MOST = 8_000_000  # bytes that are counted: bounds time (about 15 s) and memory


def answer(
    train: Rows, test: Rows, *, validation: Rows | None, columns: dict[str, str], target: str, classes: int, seed: int
) -> dict[str, np.ndarray]:
    """Return {"nats", "bytes"} (n,) of the test texts."""
    texts = [str(text).encode() for text in train.truth]
    total = sum(map(len, texts))
    if not total:
        raise ValueError("there is no text to count in")
    if total > MOST:
        step = -(-total // MOST)
        note(f"counted in every {step}th training text, to bound its time")
        texts = texts[::step]
    model = Grams.counted([np.frombuffer(text, np.uint8).astype(np.int64) for text in texts], BYTES, ORDER)
    shown = [str(text).encode() for text in test.truth]
    nats = model.nats([np.frombuffer(text, np.uint8).astype(np.int64) for text in shown])
    return {"nats": nats, "bytes": np.array([len(text) for text in shown], np.int64)}


@dataclass(frozen=True)
class Order:
    """The counts of one order: `keys` (m,) sorted, context · A + symbol; what each context has and is discounted by."""

    keys: np.ndarray
    less: np.ndarray  # (m,) counts without their discounts
    total: np.ndarray  # (contexts,)
    rest: np.ndarray  # (contexts,) γ


@dataclass(frozen=True)
class Grams:
    """N-gram counts over any alphabet of `size` symbols, of which the last one is the mark of a text's ends."""

    orders: tuple[Order, ...]
    size: int

    @classmethod
    def counted(cls, texts: list[np.ndarray], size: int, order: int) -> Grams:
        """Count the symbols of texts."""
        row, _ = _row(texts, size, order)
        numbers = [row]  # by order: which gram ends at each place
        keys: list[np.ndarray] = [np.arange(size)]
        counts: list[np.ndarray] = [np.bincount(row, minlength=size)]
        for k in range(1, order):
            found = numbers[k - 1][:-1] * size + row[k:]
            unique, first, inverse, count = np.unique(found, return_index=True, return_inverse=True, return_counts=True)
            counts[k - 1] = np.bincount(numbers[k - 1][1:][first], minlength=len(counts[k - 1]))  # distinct before it
            keys.append(unique)
            counts.append(count)
            numbers[k - 1] = numbers[k - 1][:0]
            numbers.append(inverse)
        return cls(tuple(_order(key, count, size) for key, count in zip(keys, counts, strict=True)), size)

    def nats(self, texts: list[np.ndarray]) -> np.ndarray:
        """(n,) Σ -ln p over each text's symbols and its end."""
        depth = len(self.orders)
        row, ends = _row(texts, self.size, depth)
        p = np.full(len(row), 1 / self.size)
        context = np.zeros(len(row), np.int64)  # of the first order there is one
        gram = np.full(len(row), -1, np.int64)
        for k, order in enumerate(self.orders):
            key = row if k == 0 else np.where(context >= 0, context * self.size + row, -1)
            place = np.searchsorted(order.keys, key).clip(max=len(order.keys) - 1)
            there = order.keys[place] == key
            known = (context >= 0) & (order.total[context.clip(min=0, max=len(order.total) - 1)] > 0)
            held = context.clip(min=0, max=len(order.total) - 1)
            share = np.where(there, order.less[place], 0.0)
            p = np.where(known, share / np.maximum(order.total[held], 1) + order.rest[held] * p, p)
            gram = np.where(there & known, place, -1)
            context = np.concatenate([[-1], gram[:-1]])  # the gram that ends one place before
        counted = np.ones(len(row), bool)
        counted[_padding(texts, depth)] = False
        sums = np.concatenate([[0.0], np.cumsum(np.where(counted, -np.log(p), 0.0))])
        return np.diff(sums[np.concatenate([[0], ends])])


def _row(texts: list[np.ndarray], size: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """All texts in one row, each after `order` - 1 marks and before one, and where each ends."""
    mark = np.full(order - 1, size - 1)
    parts: list[Any] = [part for text in texts for part in (mark, text, mark[:1])]
    ends = np.cumsum([len(text) + order for text in texts])
    return np.concatenate(parts), ends


def _padding(texts: list[np.ndarray], order: int) -> np.ndarray:
    """The places of the marks before texts, which are given and not told."""
    starts = np.concatenate([[0], np.cumsum([len(text) + order for text in texts])])[:-1]
    return (starts[:, None] + np.arange(order - 1)).ravel()


def _order(keys: np.ndarray, counts: np.ndarray, size: int) -> Order:
    context = keys // size
    by = [int((counts == k).sum()) for k in (1, 2, 3, 4)]
    share = by[0] / max(by[0] + 2 * by[1], 1)
    discounts = np.array([0.0] + [
        min(max(k - (k + 1) * share * by[k] / by[k - 1], 0.1), k - 0.05) if by[k - 1] else 0.5 for k in (1, 2, 3)
    ])  # fmt: skip
    own = discounts[np.minimum(counts, 3)]
    contexts = int(context.max()) + 1 if len(context) else 1
    total = np.bincount(context, weights=counts, minlength=contexts)
    taken = np.bincount(context, weights=own, minlength=contexts)
    return Order(keys, counts - own, total, taken / np.maximum(total, 1))
