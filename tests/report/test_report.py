"""The report: one page that needs nothing, says what is there, and cannot be spoilt by what stands in the data."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import netwright as nw
from netwright import registry
from netwright.cli.main import main
from netwright.evaluation import baselines
from netwright.kinds.category import Target as CategoryTarget
from netwright.report import confusion, curves
from netwright.report.kept import profile as profiling
from netwright.report.kept.worst import thumbnail
from netwright.report.page import build
from netwright.report.page.found import Answered, Found
from netwright.report.page.html import cut, tag
from netwright.report.page.verdict import sentence, verdict
from netwright.runtime.run import Run
from netwright.training import autotune

EVIL = '"><script>alert(1)</script>'
LARGEST = 3_000_000
SMALL = {"training": {"epochs": 3}, "plan": {"threads": 1}}


def rows(count: int) -> pl.DataFrame:
    """Rows of all kinds, with gaps, odd names and markup in their cells."""
    random = np.random.default_rng(0)
    size = random.normal(size=count)
    return pl.DataFrame({
        "size": [None if k % 9 == 0 else value for k, value in enumerate(size.tolist())],
        f"city {EVIL}": [("Rome", "北京", "<b>Bonn</b>")[k % 3] for k in range(count)],
        "when": [f"2024-{1 + k % 12:02}-{1 + k % 28:02}" for k in range(count)],
        "note": [f"a dull long film <img src=x onerror=alert(1)> & scene {k} of it, {EVIL}" for k in range(count)],
        "id": [f"x{k}" for k in range(count)],
        "kind": [("no", EVIL, "是")[int(3 * (value > 0.3) + k) % 3] for k, value in enumerate(size)],
        "sold": [value > 0.2 for value in size],
        "price": (100 * size + random.normal(size=count)).tolist(),
        "tags": ["|".join(name for name, true in zip(("red", "<i>blue</i>", "绿"), (value > 0, k % 2, k % 5 == 0), strict=True) if true) or None
                 for k, value in enumerate(size)],
    })  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each task, trained on files that are gone."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NETWRIGHT_CACHE", str(folder / "cache"))
        patch.setattr(autotune, "TRIAL", 0.0)
        suitable = baselines.suitable
        plainly = ("category", "number", "labels")
        patch.setattr(
            baselines,
            "suitable",
            lambda columns, target: ("constant",) if target in plainly else suitable(columns, target),
        )
        torch.set_num_threads(1)
        rows(90).write_csv("rows.csv")
        plain = {"leave_out": ["note"], "model": {"family": "mlp", "width": 8, "members": 2}}
        for name, target, settings in (
            ("category", "kind", {"leave_out": ["sold", "price", "tags"], "model": {"family": "mlp", "width": 8, "members": 2}}),
            ("binary", "sold", {"inputs": ["size", "when"], "split": {"validation": 0.3}}),
            ("number", "price", {"inputs": ["size", "when"], "split": {"validation": 0.3}}),
            ("labels", "tags", plain),
            ("several", ["kind", "price", "tags"], plain),
            ("folds", "sold", {"inputs": ["size"], "split": {"folds": 3}}),
            ("unmeasured", "sold", {"inputs": ["size"], "split": {"validation": 0.0, "test": 0.0}}),
            ("untested", "price", {"inputs": ["size"], "split": {"validation": 0.3, "test": 0.0}}),
        ):  # fmt: skip
            nw.train(
                "rows.csv", target=target, output=name, settings={"model": {"family": "linear"}, **SMALL, **settings}
            )
        for name, shade in (("dark", 40), ("light", 200)):
            Path("photos", name).mkdir(parents=True)
            for k in range(20):
                Image.fromarray(np.full((8, 8), shade + k, np.uint8)).save(Path("photos", name, f"{k}.png"))
        about_words(60).write_ndjson("words.jsonl")
        tiny = {"family": "recurrent", "width": 8, "embedding_width": 8, "vocabulary": 300, "length": 16}
        settings = {"inputs": ["question", "words"], "columns": {"question": {"kind": "text"}, "kind": {"about": "words"}, "answer": {"about": "words"}}}  # fmt: skip
        nw.train(
            "words.jsonl", target=["kind", "answer"], output="words", settings={"model": tiny, **SMALL, **settings}
        )
        nw.train("photos", target="label", output="images", settings={"model": {"family": "linear"}, **SMALL})
        Path("rows.csv").unlink()
        shutil.rmtree("photos")
    return folder


def about_words(count: int) -> pl.DataFrame:
    """Texts with a tag for each word and a piece that answers, with markup in words and tags."""
    words = [["the", EVIL, "cat", "<b>sat</b>", f"w{k}"] * (1 + k % 5) for k in range(count)]
    return pl.DataFrame({
        "question": [f"who {k % 3} <i>?</i>" for k in range(count)], "words": words,
        "kind": [[("D", "<u>N</u>", EVIL)[len(word) % 3] for word in row] for row in words],
        "answer": [{"text": "<b>sat</b>", "start": 8 + len(EVIL) + 1} if k % 4 else None for k in range(count)],
    })  # fmt: skip


TASKS = ("category", "binary", "number", "labels", "several", "folds", "unmeasured", "untested", "images", "words")
EVERY = ["summary", "data", "choices", "learning"]
PARTS = {
    "category": [*EVERY, "metrics", "confusion", "curves", "calibration", "worst", "cost", "caveats"],
    "binary": [*EVERY, "metrics", "confusion", "curves", "calibration", "worst", "cost", "caveats"],
    "number": [*EVERY, "metrics", "residuals", "calibration", "worst", "cost", "caveats"],
    "labels": [*EVERY, "metrics", "confusion", "curves", "calibration", "worst", "cost", "caveats"],
    "several": [*EVERY, "metrics", "confusion", "residuals", "curves", "calibration", "worst", "cost", "caveats"],
    "folds": [*EVERY, "metrics", "confusion", "curves", "calibration", "worst", "cost", "caveats"],
    "unmeasured": [*EVERY, "cost", "caveats"],
    "images": [*EVERY, "metrics", "confusion", "curves", "calibration", "worst", "cost", "caveats"],
    "words": [*EVERY, "metrics", "words", "worst", "cost", "caveats"],
}


class Page(HTMLParser):
    """A page's elements as (tag, attributes, path to it), its texts, and what is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.wrong: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}, tuple(self.open)))
        if tag not in ("br", "img", "meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}, tuple(self.open)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


@pytest.fixture(scope="module")
def pages(runs) -> dict[str, Page]:
    return {name: Page((runs / name / "report.html").read_text(encoding="utf-8")) for name in TASKS}


# --- a page of its own ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_asked_of_a_network(runs, pages, name):
    html, page = (runs / name / "report.html").read_text(encoding="utf-8"), pages[name]
    for tag_, attributes, _ in page.elements:
        assert tag_ not in ("link", "iframe", "object", "embed", "base", "form"), tag_
        for key in ("src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"):
            assert attributes.get(key, "#").startswith(("#", "data:image/png;base64,", "data:image/jpeg;base64,")), key
    assert "@import" not in html and set(re.findall(r"url\((.)", html)) <= {"#"}
    assert len(html.encode()) < 500_000


@pytest.mark.parametrize("name", TASKS)
def test_no_script_but_our_own_can_run(runs, pages, name):
    page = pages[name]
    assert len(page.named("script")) == 1 and not page.wrong and not page.open
    assert not [key for _, attributes, _ in page.elements for key in attributes if key.startswith("on")]
    script = (Path(build.__file__).parent / "page.js").read_bytes()
    policy = next(meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" in policy


def test_markup_in_the_data_is_shown_as_text(pages):
    for name in ("category", "labels", "several"):
        assert any("<script>alert(1)</script>" in text for text in pages[name].texts), name
    assert any("<img src=x onerror=alert(1)>" in text for text in pages["category"].texts)
    assert any("<i>blue</i>" in text for text in pages["labels"].texts)
    assert [part["class"] for part in pages["category"].named("b") if "class" in part] == []
    assert any("<u>N</u>" in text for text in pages["words"].texts) and not pages["words"].named("u")
    assert any("<b>sat</b>" in text for text in pages["words"].texts)


@pytest.mark.parametrize("name", TASKS)
def test_what_is_drawn_can_be_read_aloud(pages, name):
    page = pages[name]
    assert all(part.get("aria-label") for part in page.named("svg"))
    assert all(part.get("alt") for part in page.named("img"))
    assert all(part.get("scope") in ("col", "row", "rowgroup") for part in page.named("th"))
    assert len(page.named("table")) == len(page.named("caption"))
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {part["href"][1:] for part in page.named("a")} <= set(ids)
    assert len(page.named("h1")) == 1 and page.named("html") == [{"lang": "en"}]


@pytest.mark.parametrize("name", TASKS)
def test_colours_are_the_pages_own(pages, name):
    for tag_, attributes, path in pages[name].elements:
        if "svg" in path:
            assert "#" not in attributes.get("style", "").replace("url(#", ""), (tag_, attributes)
            assert "DejaVu" not in attributes.get("style", "")


@pytest.mark.parametrize(("name", "parts"), PARTS.items())
def test_each_task_has_its_sections(pages, name, parts):
    assert [section["id"] for section in pages[name].named("section")] == parts
    texts = {"texts"}  # of networks that write: test_texts.py
    assert sorted(set(sum(PARTS.values(), [])) | texts) == sorted(registry.names("report"))


# --- made again -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_made_again_without_the_data_it_is_the_same(runs, name, tmp_path):
    first = (runs / name / "report.html").read_bytes()
    assert nw.report(runs / name, output=tmp_path / "again.html") == tmp_path / "again.html"
    assert (tmp_path / "again.html").read_bytes() == first


def test_the_command_says_where_it_is(runs, tmp_path, capsys):
    assert main(["report", str(runs / "binary"), "--output", str(tmp_path / "page.html")]) == 0
    assert f"the report: {tmp_path / 'page.html'}" in capsys.readouterr().err.replace("\n", "")
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_named(runs, tmp_path):
    shutil.copytree(runs / "binary", tmp_path / "half")
    (tmp_path / "half" / "metrics.json").unlink()
    (tmp_path / "half" / "model.safetensors").unlink()
    with pytest.raises(nw.InputError, match="is not complete.*--resume"):
        nw.report(tmp_path / "half")


def test_a_run_made_without_its_extra_files_has_a_report(runs, tmp_path):
    shutil.copytree(runs / "several", tmp_path / "older")
    for name in ("profile", "worst", "cost"):
        (tmp_path / "older" / f"{name}.json").unlink()
    page = Page(nw.report(tmp_path / "older").read_text(encoding="utf-8"))
    found = [section["id"] for section in page.named("section")]
    assert found == [part for part in PARTS["several"] if part not in ("worst", "cost")]


def test_the_room_can_be_called_like_the_verb(runs):
    import netwright.report as room

    assert nw.report is room or callable(nw.report)
    assert room(runs / "binary") == runs / "binary" / "report.html"


def test_the_settings_of_the_users_own_matplotlib_change_nothing(runs, tmp_path):
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "svg.fonttype": "path"}):
        nw.report(runs / "binary", output=tmp_path / "page.html")
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert (tmp_path / "page.html").read_bytes() == (runs / "binary" / "report.html").read_bytes()


# --- what it says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["category", "binary", "number", "labels", "several", "folds"])
def test_the_verdict_is_the_one_that_was_said(runs, name):
    found = Found.read(Run(runs / name))
    words = {"better": "; better than", "same": "; about as good as", "worse": "; WORSE than"}
    for event in found.said("verdict"):
        told = verdict(found, event["data"]["target"])
        assert words[told.standing] in event["text"], told
        assert told.metric == event["data"]["metric"] and told.ours["value"] == event["data"]["value"]


def test_each_standing_has_its_sentence(runs):
    found = Found.read(Run(runs / "binary"))
    told = verdict(found, "sold")
    ours = {"value": 0.8, "low": 0.7, "high": 0.9}
    seen = {
        standing: sentence(replace(told, ours=ours, rival="linear", theirs=theirs, standing=standing))
        for standing, theirs in (("better", 0.6), ("same", 0.8), ("worse", 0.95), ("alone", None))
    }
    start = "The network answers sold rightly in 80.0\N{NO-BREAK SPACE}% of 18 test rows"
    assert seen["better"] == f"{start}: better than the best baseline, linear (60.0\N{NO-BREAK SPACE}%)."
    assert seen["same"].startswith(f"{start}: about as good as")
    assert seen["worse"].endswith("does better: use that instead, or try another family.")
    assert seen["alone"] == f"{start}."
    unknown = sentence(
        replace(told, ours={"value": None, "reason": "the rows are all of one class"}, standing="unknown")
    )
    assert unknown == "How good the answers for sold are is not known: the rows are all of one class."


def test_families_that_were_tried_are_listed(runs):
    found = Found.read(Run(runs / "binary"))
    tries = [
        {"family": name, "rows": 600, "score": 0.4, "seconds": 1.5, "stopped": name == "mlp"}
        for name in ("mlp", "linear")
    ]
    page = Page(build.page(replace(found, metrics={**found.metrics, "tried": tries})))
    assert "Families tried" in page.texts and "stopped" in page.texts and not page.wrong


def test_caveats_follow_the_run(runs):
    texts = {name: " ".join(Page((runs / name / "report.html").read_text()).texts) for name in TASKS}
    assert "Nothing was measured" in texts["unmeasured"]
    assert "There is no test set" in texts["untested"]
    assert "The saved network was not measured itself" in texts["folds"]
    assert "--split.time when" in texts["binary"] and "--split.time" not in texts["folds"]
    assert all("Few rows were measured" in texts[name] for name in ("binary", "number"))


def test_intervals_and_probabilities_are_judged(runs):
    found = Found.read(Run(runs / "number"))
    assert found.trust("price")["coverage"]["rows"] == 18
    text = " ".join(Page((runs / "number" / "report.html").read_text()).texts)
    assert "How often the interval holds the truth" in text
    answered = found.answers["price"]
    assert answered.low is not None and (answered.low < answered.chosen).all()
    sets = Found.read(Run(runs / "binary")).answers["sold"]
    assert sets.covers is not None and float(sets.covers.mean()) == pytest.approx(
        Found.read(Run(runs / "binary")).trust("sold")["coverage"]["found"]
    )


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_profile_counts_rightly(runs):
    kept = json.loads((runs / "category" / "profile.json").read_text())
    columns = {column["name"]: column for column in kept["columns"]}
    frame = rows(90)
    assert list(kept) == ["rows", "looked", "columns", "count", "left_out"]
    assert sum(kept["rows"].values()) == 90 and kept["count"] == 5
    assert sum(columns["size"]["missing"].values()) == frame["size"].null_count() == 10
    assert (columns["size"]["low"], columns["size"]["high"]) == (frame["size"].min(), frame["size"].max())
    assert sum(columns["size"]["histogram"]["train"]) == kept["rows"]["train"] - columns["size"]["missing"]["train"]
    city = columns[f"city {EVIL}"]
    assert city["distinct"] == 3 and sum(entry["train"] for entry in city["frequent"]) == kept["rows"]["train"]
    assert columns["kind"]["role"] == "target" and columns["when"]["kind"] == "date"
    assert kept["left_out"] == [{"name": "id", "why": "it looks like an identifier: all its values are distinct"}]


def test_the_worst_rows_are_the_worst(runs):
    whole = json.loads((runs / "number" / "worst.json").read_text())
    assert list(whole) == ["columns", "targets"]
    kept = whole["targets"]["price"]
    assert list(kept[0]) == ["id", "loss", "truth", "answer", "inputs", "images"]
    answers = pl.read_csv(runs / "number" / "predictions.csv")
    off = (answers["price"] - answers["price_predicted"]).abs()
    assert [row["id"] for row in kept] == answers["id"].gather(off.arg_sort(descending=True)).to_list()[:20]
    assert kept[0]["loss"] == pytest.approx(off.max())
    line = int(kept[0]["id"].partition(":")[2])
    assert kept[0]["inputs"]["when"] == rows(90)["when"][line - 2]
    texts = json.loads((runs / "category" / "worst.json").read_text())["targets"]["kind"]
    assert all(row["loss"] == pytest.approx(-np.log(row["p_truth"]), rel=1e-6) for row in texts)


def test_the_worst_images_are_shown(runs, pages):
    kept = json.loads((runs / "images" / "worst.json").read_text())["targets"]["label"]
    source = kept[0]["images"]["image"].partition(",")[2]
    assert Image.open(io.BytesIO(base64.b64decode(source))).size == (8, 8)
    assert len(pages["images"].named("img")) == len(kept)
    large = thumbnail(np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8))
    assert len(large) < 20_000 and large.startswith("data:image/jpeg")


def test_the_cost_is_counted(runs):
    kept = json.loads((runs / "binary" / "cost.json").read_text())
    assert list(kept) == ["seconds", "training", "memory", "weights", "flops_a_row", "bytes", "machine"]
    assert {"reading", "training", "choosing the plan"} <= set(kept["seconds"])
    assert kept["weights"]["all"] == sum(kept["weights"][part] for part in ("stems", "trunk", "heads"))
    assert kept["memory"] is None or kept["memory"] > 1e7
    assert kept["bytes"]["model.safetensors"] == (runs / "binary" / "model.safetensors").stat().st_size
    weights = nw.load(runs / "binary").network.state_dict()
    maps = sum(value.numel() for value in weights.values() if value.ndim == 2)
    assert kept["flops_a_row"] == 2 * maps  # a linear network is one map: a multiplication and an addition a weight


# --- extremes ---------------------------------------------------------------------------------------------------------


def answered(count: int, classes: int) -> Answered:
    """Answers for many classes."""
    random = np.random.default_rng(0)
    names = tuple(f"class {EVIL} 很长的名字 number {k}" for k in range(classes))
    kind = CategoryTarget(columns=("y",), values=(names,), stored=("text",), counts=((1,) * classes,))
    probability = random.dirichlet(np.full(classes, 0.1), count).astype(np.float64)
    truth = random.integers(0, classes, count)
    ids = pl.Series("id", [f"rows:{k}" for k in range(count)])
    return Answered("y", kind, np.arange(count), ids, truth, probability.argmax(1), probability)


def test_a_thousand_classes_stay_small(runs):
    found = Found.read(Run(runs / "binary"))
    held = answered(3_000, 1_000)
    found = replace(found, held={"sold": replace(held, name="sold")})
    html = build.page(found)
    assert len(html.encode()) < LARGEST / 3 and "988 others" in html
    assert not Page(html).wrong
    assert "The 100 most frequent are shown; 900 are not." in html


def test_five_hundred_columns_stay_small(runs):
    from netwright.data.schema import Described, Fitted
    from netwright.data.splits import Parts
    from netwright.data.table import Table
    from netwright.kinds.infer import Column

    frame = pl.DataFrame({f"column {EVIL} {k}": np.arange(300) * (k + 1) % 97 / 7 for k in range(500)})
    inputs = tuple(Column(name, "number", {}, "its values are numbers") for name in frame.columns)
    described = Described(Table.of(frame, name="x"), inputs, (), {f"left {k}": "it has no values" for k in range(500)})
    parts = Parts(np.arange(200), np.arange(200, 250), np.arange(250, 300))
    kept = profiling.profile(described, parts, Fitted({}, {}, {}))
    assert kept["count"] == 500 and len(kept["columns"]) == profiling.COLUMNS
    html = build.page(replace(Found.read(Run(runs / "binary")), profile=json.loads(json.dumps(kept))))
    assert len(html.encode()) < LARGEST / 3
    assert "500 columns are used, of which 200 are described" in html and "300 more are left out." in html


def test_a_large_table_is_sampled_and_said_so(monkeypatch, runs):
    monkeypatch.setattr(profiling, "LOOK", 20)
    from netwright.data.schema import Described, Fitted
    from netwright.data.splits import Parts
    from netwright.data.table import Table
    from netwright.kinds.infer import infer

    frame = rows(90).select("size", "note")
    inputs = tuple(infer(frame[name], {}, "input") for name in frame.columns)
    parts = Parts(np.arange(60), np.arange(60, 75), np.arange(75, 90))
    kept = profiling.profile(Described(Table.of(frame, name="x"), inputs, (), {}), parts, Fitted({}, {}, {}))
    assert kept["looked"] == {"train": 20, "validation": 15, "test": 15}
    assert sum(kept["columns"][0]["missing"].values()) == 10 and kept["columns"][0]["low"] == frame["size"].min()
    html = build.page(replace(Found.read(Run(runs / "binary")), profile=kept))
    assert "are of an even sample of 20 training rows" in html


@pytest.mark.parametrize("values", [
    [None] * 30, [0.0] * 30, [float("inf"), 1.0, 2.0] * 10, [1e308, -1e308, 0.0] * 10, [float("nan")] * 30,
    [1e-300, 2e-300, 3e-300] * 10, [2**62, 2**62 + 1, -5] * 10,
])  # fmt: skip
def test_numbers_of_any_size_are_described(values, runs):
    from netwright.data.schema import Described, Fitted
    from netwright.data.splits import Parts
    from netwright.data.table import Table
    from netwright.kinds.infer import Column

    frame = pl.DataFrame({"x": values}, schema=None if values[0] is not None else {"x": pl.Float64})
    described = Described(Table.of(frame, name="x"), (Column("x", "number", {}, "as the recipe says"),), (), {})
    parts = Parts(np.arange(20), np.arange(20, 25), np.arange(25, 30))
    kept = profiling.profile(described, parts, Fitted({}, {}, {}))
    text = json.dumps(kept, allow_nan=False)
    page = Page(build.page(replace(Found.read(Run(runs / "binary")), profile=json.loads(text))))
    assert "as the recipe says" in page.texts and not page.wrong


# --- the parts --------------------------------------------------------------------------------------------------------


def test_curves_agree_with_scikit_learn():
    from sklearn.metrics import precision_recall_curve, roc_auc_score

    random = np.random.default_rng(0)
    given = random.random(5_000).round(2)
    positive = random.random(5_000) < given
    hits, alarms, precision, area = curves.curve(positive, given)
    assert area == pytest.approx(roc_auc_score(positive, given))
    theirs, recall, _ = precision_recall_curve(positive, given)  # by rising thresholds, with (1, 0) at its end
    assert precision[1:] == pytest.approx(theirs[-2::-1]) and hits[1:] == pytest.approx(recall[-2::-1])
    many = curves.curve(positive, random.random(5_000))
    assert len(many[0]) <= curves.POINTS and many[0][-1] == many[1][-1] == 1.0


def test_the_matrix_keeps_every_row():
    held = answered(500, 40)
    html = str(confusion.classes(held))
    counts = [int(text.replace(",", "")) for text in re.findall(r'class="sum">([\d,]+)<', html)]
    assert sum(counts) == 500 and len(counts) == confusion.MOST + 1


def test_lists_of_labels_are_read_back():
    from netwright.kinds.labels import Target as LabelsTarget
    from netwright.report.page.found import hot

    kind = LabelsTarget(columns=("tags",), values=("a", "b"), separator="|")
    assert hot(pl.Series(['["a", "b"]', "[]", "null"]), kind).tolist() == [[1, 1], [0, 0], [0, 0]]
    assert hot(pl.Series(["a|b", "b", None]), kind).tolist() == [[1, 1], [0, 1], [0, 0]]


def test_whole_numbers_are_the_same_class_however_they_are_written():
    from netwright.report.page.found import codes

    kind = CategoryTarget(columns=("y",), values=(("1", "2"),), stored=("whole",), counts=((1, 1),))
    assert codes(pl.Series(["1.0", "2", "3", None]), kind).tolist() == [0, 1, -1, -1]


def test_texts_are_escaped_where_they_enter():
    assert str(tag("p", EVIL, title=EVIL)).count("<") == 2
    assert cut("a\n\tb" * 500, 10) == "a ba ba b…"


def test_a_figure_has_no_text_of_the_users(runs):
    html = (runs / "category" / "report.html").read_text(encoding="utf-8")
    for figure in re.findall(r"<svg viewBox.*?</svg>", html, re.DOTALL):
        drawn = re.sub(r"<title>.*?</title>", "", figure)
        assert not re.search(r"alert|北京|是", re.sub(r'aria-label="[^"]*"', "", drawn))
