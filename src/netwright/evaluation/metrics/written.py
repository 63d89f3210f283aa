"""Sums over rows from which corpus scores of texts are made: BLEU, chrF and ROUGE. n rows.

BLEU and chrF are sacrebleu's (Post 2018, arXiv 1804.08771): its counts for each row are taken once, and every
weighting of the rows adds them up. Chinese, Japanese and Korean are split by character where a text holds them.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import numpy as np

from netwright.evaluation.metrics.base import Weighted, mean_of

WIDE = re.compile(r"([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af])")


def words(text: str) -> list[str]:
    """Return a text's words in small letters; a Chinese, Japanese or Korean character is a word.

    >>> words("Hello, 世界")
    ['hello', '世', '界']
    """
    return re.findall(r"\w+", WIDE.sub(r" \1 ", text.lower()))


def bleu(truth: np.ndarray, answer: dict[str, np.ndarray]) -> Weighted:
    """BLEU = min(1, e^(1 - r/c)) · (Π_n p_n)^¼ · 100, n = 1 ... 4 (Papineni et al. 2002), as sacrebleu counts it.

    p_n: the share of the answers' n-grams that stand in the truth, with exponential smoothing; c, r: their lengths.
    """
    from sacrebleu.metrics.bleu import BLEU

    wide = any(WIDE.search(text) for text in truth[:1000])
    scorer = BLEU(tokenize="zh" if wide else "13a", effective_order=False)
    return _summed(scorer, truth, answer["text"])


def chrf(truth: np.ndarray, answer: dict[str, np.ndarray]) -> Weighted:
    """chrF: the F2 score of character n-grams, n = 1 ... 6 (Popović 2015), as sacrebleu counts it."""
    from sacrebleu.metrics.chrf import CHRF

    return _summed(CHRF(), truth, answer["text"])


def _summed(scorer: object, truth: np.ndarray, texts: np.ndarray) -> Weighted:
    counts = scorer._extract_corpus_statistics(list(texts), [list(truth)])  # type: ignore[attr-defined]
    table = np.array(counts, np.float64)  # (n, counts)

    def over(weights: np.ndarray) -> np.ndarray:
        sums = weights.T @ table  # (R, counts)
        return np.array([_score(scorer, row) for row in sums])

    return over


def _score(scorer: object, sums: np.ndarray) -> float:
    if not sums.any():
        return float("nan")
    found = scorer._compute_score_from_stats([float(value) for value in sums])  # type: ignore[attr-defined]
    return float(found.score)


def rouge(truth: np.ndarray, answer: dict[str, np.ndarray], order: int) -> Weighted:
    """The mean F1 of n-grams shared by answer and truth (Lin 2004); `order` 0: their longest common subsequence."""
    pairs = zip(truth, answer["text"], strict=True)
    return mean_of(np.array([rouge_of(str(own), str(text), order) for own, text in pairs], np.float64))


@lru_cache(200_000)
def rouge_of(truth: str, answer: str, order: int) -> float:
    """ROUGE of one answer.

    >>> rouge_of("the cat sat", "the cat", 0)
    0.8
    """
    wanted, given = words(truth), words(answer)
    if order:
        wanted, given = ([tuple(row[k : k + order]) for k in range(len(row) - order + 1)] for row in (wanted, given))
        both = sum((Counter(wanted) & Counter(given)).values())
    else:
        both = _common(wanted, given)
    return 2 * both / (len(wanted) + len(given)) if both else 0.0


def _common(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence."""
    lengths = [0] * (len(other) + 1)
    for left in one:
        before = 0
        for place, right in enumerate(other, 1):
            before, lengths[place] = (
                lengths[place],
                before + 1 if left == right else max(lengths[place], lengths[place - 1]),
            )
    return lengths[-1]


def exact(truth: np.ndarray, answer: dict[str, np.ndarray]) -> Weighted:
    """The share of answers that are the truth, letter by letter but for blanks at the ends."""
    pairs = zip(truth, answer["text"], strict=True)
    return mean_of(np.array([str(own).strip() == str(text).strip() for own, text in pairs], np.float64))
