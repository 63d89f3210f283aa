"""Baselines answer every test row in the target's form, mind weights and lacking classes, note what they left out."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from netwright import registry
from netwright.evaluation.baselines import (
    Rows,
    boosting,
    compare,
    lexicon,
    linear,
    models,
    overlap,
    pixels,
    suitable,
    tfidf,
)
from netwright.evaluation.baselines.features import numbers
from netwright.evaluation.baselines.rows import SCORED
from netwright.evaluation.metrics import score
from netwright.events import listening
from netwright.kinds.span import Right
from netwright.kinds.tags import listed

N = 120
KINDS = {"size": "number", "price": "number", "colour": "category", "day": "date", "review": "text", "photo": "image"}


def _rows(target: str, *, weight: bool = False, seed: int = 0) -> Rows:
    """Rows whose target follows from every column: `truth` is 1 where a hidden z is above 0 (of 3 classes)."""
    random = np.random.default_rng(seed)
    z = random.normal(size=N)
    days = [date(2024, 1, 1) + timedelta(days=int(100 + 30 * value)) for value in z]
    frame = pl.DataFrame(
        {
            "size": z + random.normal(0, 0.1, N),
            "price": [f"${1000 + 300 * value:,.2f}" for value in z],
            "colour": np.where(z > 0, "red", "blue"),
            "day": [day.strftime("%d.%m.%Y") for day in days],
            "review": [f"a {'good' if value > 0 else 'bad'} thing number {k}" for k, value in enumerate(z)],
        }
    ).with_columns(pl.when(pl.int_range(N) % 10 == 0).then(None).otherwise(pl.all()).name.keep())
    shade = np.where(z > 0, 200, 50).astype(np.uint8)
    photo = np.broadcast_to(shade[:, None, None, None], (N, 40, 36, 3)) + random.integers(
        0, 50, (N, 40, 36, 3), np.uint8
    )
    truth = {"one_of": (z > 0).astype(int), "value": 10 * z, "some_of": np.column_stack([z > 0, z < 0, z < -9]) * 1}
    weights = random.integers(1, 3, N).astype(float) if weight else None
    return Rows(frame, truth[target], weights, {"photo": {"pixels": photo}})


def _compared(target: str, columns: dict[str, str], weight: bool = False) -> dict:
    train, validation, test = (_rows(target, weight=weight, seed=seed) for seed in range(3))
    return compare(train, validation, test, columns=columns, target=target, classes=3, seed=0)


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("target", ["one_of", "value", "some_of"])
def test_every_baseline_answers_every_row_and_beats_the_constant(target: str, weight: bool) -> None:
    found, truth = _compared(target, KINDS, weight), _rows(target, seed=2).truth
    assert set(found) == {"boosting", "constant", "linear", "pixels", "tfidf"} - (
        {"boosting"} if target == "some_of" else set()
    )
    name = {"one_of": "log_loss", "value": "rmse", "some_of": "log_loss"}[target]
    scores = {each: score(SCORED[target], name, truth, result["answer"]) for each, result in found.items()}
    for each, result in found.items():
        assert result["seconds"] >= 0 and result["answer"] is not None, result["note"]
        if target == "one_of":
            assert result["answer"]["probability"].shape == (N, 3)
            assert np.allclose(result["answer"]["probability"].sum(1), 1)
            assert (result["answer"]["probability"][:, 2] == 0).all(), "a class without training rows"
        assert each == "constant" or scores[each] < 0.8 * scores["constant"]


def test_each_takes_its_own_columns() -> None:
    assert suitable({"a": "text"}, "one_of") == ("constant", "tfidf")
    assert suitable({"a": "image"}, "value") == ("constant", "pixels")
    assert suitable({"a": "date"}, "some_of") == ("constant", "linear")
    assert suitable({"a": "number"}, "text") == ("ngrams",)


def test_the_names_are_the_files_names() -> None:
    names = registry.names("baselines")
    assert tuple(registry.find("baselines", name).NAME for name in names) == names


def test_the_constant_is_the_weighted_share_or_mean() -> None:
    frame, test = pl.DataFrame({"a": [1, 2, 3]}), Rows(pl.DataFrame({"a": [0]}), np.zeros(1))
    weight = np.array([1.0, 1.0, 2.0])

    def answer(target: str, truth: list) -> list:
        result = compare(Rows(frame, np.array(truth), weight), None, test, columns={}, target=target, classes=3)
        return next(iter(result["constant"]["answer"].values())).tolist()

    assert answer("one_of", [0, 0, 2]) == [[0.5, 0, 0.5]]
    assert answer("value", [1.0, 3.0, 10.0]) == [6.0]
    assert answer("some_of", [[1, 0], [0, 0], [1, 0]]) == [[0.75, 0]]


@pytest.mark.parametrize("name", ["boosting", "linear", "tfidf", "pixels"])
def test_a_weight_moves_the_answer_to_the_heavy_rows(name: str) -> None:
    rows = _rows("value")
    columns = {"boosting": "colour", "linear": "colour", "tfidf": "review", "pixels": "photo"}
    shuffled = np.random.default_rng(0).permutation(rows.truth)
    heavy = np.where(shuffled > 0, 1_000.0, 0.001)
    answers = []
    for weight in (None, heavy):
        train = Rows(rows.frame, shuffled, weight, rows.arrays)
        result = compare(train, rows, rows, columns={columns[name]: KINDS[columns[name]]}, target="value")
        answers.append(result[name]["answer"]["value"].mean())
    assert answers[1] > answers[0] + 3


def test_rows_that_cannot_be_fitted_are_reported_and_not_raised() -> None:
    rows = _rows("one_of")
    same = Rows(rows.frame, np.ones(N, int), arrays=rows.arrays)
    found = compare(same, None, rows, columns=KINDS, target="one_of", classes=2)
    for name in ("boosting", "linear", "tfidf", "pixels"):
        assert found[name]["answer"] is None
        assert found[name]["note"] == "it could not be fitted: all training rows are of one class"
    assert (found["constant"]["answer"]["probability"][:, 1] == 1).all()
    none = compare(rows.take(np.arange(0)), None, rows, columns=KINDS, target="one_of", classes=2)
    assert {result["note"] for result in none.values()} == {"it could not be fitted: there are no training rows"}


def test_texts_without_words_and_too_many_classes_are_reported() -> None:
    rows = Rows(pl.DataFrame({"t": ["", "", "", None], "x": [1, 2, 3, 4]}), np.array([0, 1, 0, 1]))
    found = compare(rows, rows, rows, columns={"t": "text", "x": "number"}, target="one_of", classes=101)
    assert "empty vocabulary" in found["tfidf"]["note"]
    assert "101 classes" in found["boosting"]["note"]


def test_unseen_and_many_values_of_a_category_are_taken() -> None:
    train = Rows(pl.DataFrame({"c": [f"v{k // 2}" for k in range(800)]}), np.arange(800) * 1.0)
    test = Rows(pl.DataFrame({"c": ["v1", "new", None, "v399"]}), np.zeros(4))
    found = compare(train, None, test, columns={"c": "category"}, target="value")
    assert found["boosting"]["note"] == "c: more than 255 values, of which the rarest share a code"
    assert np.isfinite(found["boosting"]["answer"]["value"]).all()
    assert found["linear"]["answer"]["value"][0] < found["linear"]["answer"]["value"][1] < 500


def test_a_category_is_the_same_value_however_it_is_stored() -> None:
    for values in ([1, 2] * 30, [1.0, 2.0] * 30, [True, False] * 30, ["a", None] * 30, [" a", "b "] * 30):
        rows = Rows(pl.DataFrame({"c": values}), np.array([0, 1] * 30))
        found = compare(rows, None, rows, columns={"c": "category"}, target="one_of", classes=2)
        for name in ("boosting", "linear"):
            assert score("category", "accuracy", rows.truth, found[name]["answer"]) == 1, (values[:2], name)


def test_columns_without_a_value_and_infinite_numbers_are_taken() -> None:
    frame = pl.DataFrame(
        {"a": [None] * 40, "b": [1.0, np.inf] * 20, "c": [None] * 40}, schema_overrides={"a": pl.Float64}
    )
    rows = Rows(frame, np.array([0, 1] * 20))
    found = compare(
        rows, None, rows, columns={"a": "number", "b": "number", "c": "category"}, target="one_of", classes=2
    )
    assert all(result["answer"] is not None for result in found.values()), found


def test_dates_are_read_in_one_form_in_training_and_test_rows() -> None:
    """By themselves the test rows could be months first; the training rows show that they are not."""
    train, test = pl.DataFrame({"d": ["25/12/2024", "13/01/2024"]}), pl.DataFrame({"d": ["01/02/2024"]})
    known, asked = numbers([train, test], {"d": "date"})
    assert asked[0, 0] == (date(2024, 2, 1) - date(1970, 1, 1)).days * 86_400
    assert known.shape == (2, 1)


def test_a_class_with_a_single_row_among_many_does_not_stop_boosting() -> None:
    """Above 10,000 rows it holds some out by class, which needs two of each."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 10_050)
    truth[7] = 2
    rows = Rows(pl.DataFrame({"x": truth + random.normal(size=10_050)}), truth)
    some = rows.take(np.arange(50))
    result = boosting.answer(rows, some, columns={"x": "number"}, target="one_of", classes=3, seed=0)
    assert result["probability"].shape == (50, 3)


def test_more_rows_than_are_fitted_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfidf, "ROWS", 50)
    monkeypatch.setattr(pixels, "ROWS", 60)
    monkeypatch.setattr(linear, "ROWS", 70)
    found = _compared("one_of", KINDS)
    for name, count in (("tfidf", 50), ("pixels", 60), ("linear", 70)):
        assert f"fitted on {count} of the 120 training rows, picked at random, to bound its time" in found[name]["note"]
    assert "photo: averaged over squares of 2 pixels a side" in found["pixels"]["note"]


def test_very_long_texts_are_read_as_words_of_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfidf, "WORD_LETTERS", 1_500)
    monkeypatch.setattr(tfidf, "CHARACTER_LETTERS", 1_000)
    note = _compared("one_of", {"review": "text"})["tfidf"]["note"]
    assert note.startswith("fitted on ") and "those of characters were not tried" in note


def test_tfidf_takes_the_variant_that_answers_the_validation_rows_better() -> None:
    random = np.random.default_rng(0)

    def rows() -> Rows:
        truth = random.integers(0, 2, N)
        words = ["".join(random.permutation(list("abcdefgh"))) for _ in range(N)]  # all unlike: only endings tell
        return Rows(pl.DataFrame({"t": [w + ("zq" if y else "xk") for w, y in zip(words, truth, strict=True)]}), truth)

    train, validation, test = rows(), rows(), rows()
    for held in (validation, None):
        found = compare(train, held, test, columns={"t": "text"}, target="one_of", classes=2)["tfidf"]
        assert found["note"] == "n-grams of characters, by log_loss on the validation rows"
        assert score("category", "accuracy", test.truth, found["answer"]) == 1


def test_an_optimizer_that_stops_early_is_a_note_and_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "STEPS", 1)
    assert "LogisticRegression stopped before its optimum" in _compared("one_of", KINDS)["linear"]["note"]


def test_the_same_seed_gives_the_same_answers() -> None:
    first, second = _compared("one_of", KINDS), _compared("one_of", KINDS)
    for name in first:
        assert np.array_equal(first[name]["answer"]["probability"], second[name]["answer"]["probability"]), name
    assert models.random_state(-1) == 2**32 - 1


def test_notes_are_heard_by_whoever_listens() -> None:
    with listening(heard := []):
        _compared("one_of", {"review": "text"})
    assert any(event.name == "baseline.note" for event in heard)


def test_importing_loads_no_scikit_learn_and_no_torch() -> None:
    code = "import sys, netwright.evaluation.baselines; assert not {'sklearn', 'scipy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _words(target: str, columns: dict[str, list], truth: list) -> Rows:
    return Rows(pl.DataFrame(columns), listed(truth))


def test_a_lexicon_gives_each_word_its_most_frequent_tag_and_a_new_one_that_of_rare_words() -> None:
    words = [["a", "run"], ["a", "run", "cat"], ["run", "dog"], ["run"]]
    tags = [["D", "N"], ["D", "V", "N"], ["V", "N"], [None]]
    train = _words("tags", {"title": ["x"] * 4, "words": words}, tags)
    test = _words("tags", {"title": ["x"], "words": [["run", "a", "bird"]]}, [["N", "N", "N"]])
    found = lexicon.answer(train, test, columns={"title": "text", "words": "text"}, target="tags", classes=0, seed=0)
    assert found["tags"].tolist() == [["V", "D", "N"]]
    assert suitable({"words": "text"}, "tags") == ("lexicon",) and suitable({"a": "number"}, "tags") == ()


def test_overlap_answers_from_the_sentence_that_shares_most_with_the_question() -> None:
    text = "Ann was born in Rome. The river Po is long. Bob was born in 1990."
    asked = ["When was Bob born?", "Where was Ann born?", "xyz"]
    truth = [Right(text, ("1990",)), Right(text, ("Rome",)), Right(text, ())]
    rows = _words("span", {"question": asked, "context": [text] * 3}, truth)
    kinds = {"question": "text", "context": "text"}
    found = overlap.answer(rows, rows, columns=kinds, target="span", classes=0, seed=0)
    pieces = [text[a:b] if a >= 0 else "" for a, b in zip(found["begin"], found["end"], strict=True)]
    assert pieces[0] in text[44:] and pieces[1] in text[:21] and pieces[2] == ""
    assert suitable(kinds, "span") == ("overlap",) and suitable({"context": "text"}, "span") == ()


def test_overlap_reads_chinese() -> None:
    text = "安娜住在北京。河流很长。"
    rows = _words("span", {"question": ["安娜住在哪里"], "context": [text]}, [Right(text, ("北京",))])
    found = overlap.answer(
        rows, rows, columns={"question": "text", "context": "text"}, target="span", classes=0, seed=0
    )
    assert text[found["begin"][0] : found["end"][0]] == "北京"
