"""Measures of written texts equal their references; the n-gram baseline is a distribution."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netwright.data.leakage import shared
from netwright.evaluation.baselines.lead import _first
from netwright.evaluation.baselines.nearest import nearest
from netwright.evaluation.baselines.ngrams import Grams
from netwright.evaluation.metrics import headline, measure
from netwright.evaluation.metrics.written import rouge_of

TRUTH = np.array(["the cat sat on the mat", "a dog barks", "it rains today", "we go home now"], object)
SAID = np.array(["the cat sat on a mat", "the dog barks", "it is raining today", "home"], object)


def found() -> dict:
    return measure("text", TRUTH, {"text": SAID})


def test_bleu_and_chrf_equal_sacrebleu() -> None:
    import sacrebleu

    values = found()
    assert values["bleu"]["value"] == pytest.approx(sacrebleu.corpus_bleu(list(SAID), [list(TRUTH)]).score)
    assert values["chrf"]["value"] == pytest.approx(sacrebleu.corpus_chrf(list(SAID), [list(TRUTH)]).score)
    assert values["bleu"]["low"] <= values["bleu"]["value"] <= values["bleu"]["high"]


def test_chinese_is_split_by_character_as_sacrebleu_does() -> None:
    import sacrebleu

    truth, said = np.array(["今天天气很好", "我们回家"], object), np.array(["今天天气好", "我们回家吧"], object)
    values = measure("text", truth, {"text": said}, names=["bleu", "rouge_l"])
    assert values["bleu"]["value"] == pytest.approx(
        sacrebleu.corpus_bleu(list(said), [list(truth)], tokenize="zh").score
    )
    assert values["rouge_l"]["value"] > 0.8


def test_rouge_equals_googles() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    for truth, said in zip(TRUTH, SAID, strict=True):
        theirs = scorer.score(truth, said)
        for order, name in ((1, "rouge1"), (2, "rouge2"), (0, "rougeL")):
            assert rouge_of(truth, said, order) == pytest.approx(theirs[name].fmeasure)


def test_only_what_was_answered_is_measured() -> None:
    read = {"nats": np.array([2.0, 3.0]), "tokens": np.array([4.0, 6.0]), "bytes": np.array([8, 12])}
    values = measure("text", TRUTH[:2], read)
    assert set(values) == {"loss", "perplexity", "bits_per_byte"}
    assert values["loss"]["value"] == pytest.approx(0.5)
    assert values["bits_per_byte"]["value"] == pytest.approx(5 / np.log(2) / 20)
    assert headline("text", values) == "bits_per_byte" and headline("text", found()) == "chrf"


def test_n_gram_probabilities_of_all_texts_sum_to_one() -> None:
    random = np.random.default_rng(0)
    texts = [random.integers(0, 2, random.integers(1, 5)) for _ in range(40)]
    model = Grams.counted(texts, 3, 3)
    every = [np.array(t, np.int64) for n in range(13) for t in itertools.product(range(2), repeat=n)]
    assert np.exp(-model.nats(every)).sum() == pytest.approx(1.0, abs=0.01)


def test_n_grams_know_what_they_saw() -> None:
    model = Grams.counted([np.frombuffer(b"abcabcabc", np.uint8).astype(np.int64)] * 3, 257, 5)
    seen, unseen = model.nats([np.frombuffer(t, np.uint8).astype(np.int64) for t in (b"abcabc", b"zyxzyx")])
    assert seen < 10 < unseen


def test_the_nearest_and_the_first_words() -> None:
    assert nearest(["red cat", "blue dog"], ["a blue dog", "cats"])[0].tolist() == [1, 0]
    assert _first("one two three", 2) == "one two" and _first("今天好", 2) == "今天" and _first("", 3) == ""


def test_shared_texts_are_found_whole_or_for_a_long_stretch() -> None:
    long = "A sentence that is surely long enough to be told from any other one, letter by letter."
    training = ["short one", f"before. {long} after."]
    assert shared(training, ["Short  ONE", f"other words, then {long}", "short", "b" * 80]).tolist() == [
        True,
        True,
        False,
        False,
    ]
