"""Measures of a text that is written: truth (n,) texts; answers {"nats", "tokens", "bytes"} and {"text"}, (n,) each.

nats are Σ -ln p over a row's tokens, as the network read the truth; text is what it wrote itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from netwright.evaluation.metrics.base import Form, Metric, Weighted, ratio
from netwright.evaluation.metrics.written import bleu, chrf, exact, rouge

SELECTS = "loss"  # the measure that selects the best weights, where the user names none
HEADLINE = ("chrf", "bits_per_byte")  # the measure that a result is told by

Answer = Mapping[str, np.ndarray]


def form(truth: np.ndarray, answer: Answer) -> Form:
    """{"nats", "tokens", "bytes"} or {"text"} or both."""
    there = next(iter(answer.values()))
    if len(there) != len(truth):
        raise ValueError(f"{len(there)} answers for {len(truth)} texts")
    lost = int((~np.isfinite(answer["nats"])).sum()) if "nats" in answer else 0
    wrong = f"{lost:,} answers are not finite numbers" if lost else ""
    return Form(dict(answer), dict(answer), passes=20, wrong=wrong)


def _over(above: np.ndarray, below: np.ndarray) -> Weighted:
    return lambda weights: ratio(above @ weights, below @ weights)


def loss(truth: np.ndarray, answer: Answer) -> Weighted:
    """Σ w_i nats_i / Σ w_i tokens_i: the mean of -ln p over tokens."""
    return _over(answer["nats"], answer["tokens"].astype(np.float64))


def perplexity(truth: np.ndarray, answer: Answer) -> Weighted:
    """e to the loss: among how many tokens the network is as unsure as if all were alike."""
    found = loss(truth, answer)
    return lambda weights: np.exp(np.minimum(found(weights), 700.0))


def bits_per_byte(truth: np.ndarray, answer: Answer) -> Weighted:
    """Σ w_i nats_i / (ln 2 · Σ w_i bytes_i), bytes of the texts in UTF-8: comparable whatever the tokenizer."""
    return _over(answer["nats"] / np.log(2), answer["bytes"].astype(np.float64))


EMPTY = "there are no tokens"
METRICS = (
    Metric("bits_per_byte", "lower", "bits that a byte of text costs; comparable across tokenizers", bits_per_byte, EMPTY, needs="bytes"),
    Metric("perplexity", "lower", "e to the mean of -ln p over tokens", perplexity, EMPTY, needs="tokens"),
    Metric("loss", "lower", "mean of -ln p over tokens", loss, EMPTY, needs="tokens"),
    Metric("chrf", "higher", "F2 of character n-grams shared with the truth, 0 to 100", chrf, sorts=True, needs="text"),
    Metric("bleu", "higher", "word n-grams shared with the truth, 0 to 100", bleu, sorts=True, needs="text"),
    Metric("rouge_l", "higher", "F1 of the longest common subsequence of words", partial(rouge, order=0), needs="text"),
    Metric("rouge_1", "higher", "F1 of the words shared with the truth", partial(rouge, order=1), needs="text"),
    Metric("rouge_2", "higher", "F1 of the word pairs shared with the truth", partial(rouge, order=2), needs="text"),
    Metric("exact_match", "higher", "share of answers that are the truth", exact, needs="text", share=True),
)  # fmt: skip


def metrics(classes: int) -> tuple[Metric, ...]:
    """All measures of a written text."""
    return METRICS
