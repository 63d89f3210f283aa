"""The docs name everything that exists, their links resolve, and their examples work.

A ```python block with >>> is run as a doctest, the blocks of a page in order; every line of a ```sh block is run in a
folder that holds houses.csv, reviews.csv, photos/, shop.db and letters/. The files that CONTRIBUTING.md shows are added, and used.
"""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import sqlite3
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

import netwright as nw
from netwright import registry
from netwright.cli.main import VERBS, main
from netwright.cli.options import settings
from netwright.evaluation import evaluate
from netwright.evaluation.metrics import metrics_of
from netwright.kinds.infer import able, kind_class
from netwright.nn.trunks.layers.settings import KINDS as LAYERS
from netwright.nn.trunks.layers.settings import Activation, Initial
from netwright.recipe import Training
from netwright.training import autotune

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
TEXTS = {**PAGES, **{name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")}}
WORDS = (
    "source",
    "table",
    "kind",
    "block",
    "recipe",
    "plan",
    "network",
    "family",
    "signal",
    "memory",
    "run",
    "model",
    "event",
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(TEXTS[page]) if name == language]


def unnamed(page: str, names: object) -> list[str]:
    """Return those of `names` that the page does not name in backticks (alone, or among others: `width depth`)."""
    named = set(re.findall(r"[\w.]+", " ".join(re.findall(r"`([^`\n]+)`", PAGES[page]))))
    return [str(name) for name in names if str(name) not in named]  # type: ignore[attr-defined]


# --- what the docs must name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_a_page_that_the_map_links(word):
    assert f"{word}.md" in PAGES and f"[{word}]({word}.md)" in PAGES["index.md"]
    assert PAGES[f"{word}.md"].splitlines()[0].lower().startswith(f"# {word}")
    examples = blocks(f"{word}.md", "sh") + [text for text in blocks(f"{word}.md", "python") if ">>>" in text]
    assert examples, "every page has an example that the tests run"


@pytest.mark.parametrize(
    ("page", "room"),
    [
        ("kind.md", "kinds"),
        ("family.md", "trunks"),
        ("network.md", "heads"),
        ("source.md", "sources"),
        ("metrics.md", "baselines"),
        ("report.md", "report"),
    ],
)
def test_everything_that_stands_in_a_room_is_named(page, room):
    assert not unnamed(page, registry.names(room))


def test_every_verb_is_named():
    assert [verb for verb in VERBS if f"`netwright {verb}" not in PAGES["index.md"]] == []


def test_every_setting_is_named_on_its_page():
    pages = {
        "read": "source.md",
        "split": "table.md",
        "training": "training.md",
        "plan": "plan.md",
        "trust": "trust.md",
        "model": "family.md",
        "adapt": "pretrained.md",
    }
    for place, _, _ in settings():
        group, _, name = place.rpartition(".")
        page = pages.get(group, "table.md")
        assert not unnamed(page, [name]) or not unnamed(page, [place]), f"{place} in {page}"


def test_every_setting_of_kinds_heads_and_layers_is_named():
    for name in registry.names("kinds"):
        for role in ("input", "target"):
            fields = kind_class(name, role).Options.model_fields if name in able(role) else {}
            assert not unnamed("kind.md", fields.keys() - {"kind"}), name
    for name in registry.names("heads"):
        fields = registry.find("heads", name, "settings").Settings.model_fields
        assert not unnamed("network.md", fields), name
    assert not unnamed("family.md", LAYERS)
    for name, layer in LAYERS.items():
        assert not unnamed("family.md", layer.model_fields), name


def test_every_choice_of_the_ladder_is_named():
    for name in ("optimizer", "schedule"):
        literal = get_args(Training.model_fields[name].annotation)[0]
        assert not unnamed("training.md", get_args(literal))
    assert not unnamed("training.md", get_args(Activation))
    assert not unnamed("family.md", get_args(Initial))
    for head in registry.names("heads"):
        loss = registry.find("heads", head, "settings").Settings.model_fields.get("loss")
        assert loss is None or not unnamed("training.md", get_args(loss.annotation))


def test_every_metric_is_named():
    for kind in registry.names("metrics"):
        assert not unnamed("metrics.md", metrics_of(kind, 2))


def test_every_direct_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=]", requirement)[0]
        assert f"| {name} |" in PAGES["dependencies.md"], name


@pytest.mark.parametrize("page", TEXTS)
def test_links_resolve(page):
    folder = ROOT / "docs" if page in PAGES else ROOT
    found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```", "", TEXTS[page], flags=re.DOTALL))
    broken = [link for link in found if "://" not in link and not (folder / link).exists()]
    assert not broken


# --- the examples -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with tables, photos, a database and letters; training is quick in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(evaluate, "compare", lambda *_, **__: {})
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    torch.set_num_threads(1)
    houses = [
        f"{1 + k * 7 % 5},{20 + k * 13 % 90}.5,{('Rome', 'Bonn')[k % 2]},owner {k // 4},2024-{1 + k % 12:02}-15,{100 + k * 13 % 90 * 3}"
        for k in range(60)
    ]
    Path("houses.csv").write_text("\n".join(["rooms,area,city,owner,sold,price", *houses]) + "\n")
    words = "a dull long film", "a fine short play"
    reviews = [f"{words[k % 2]} and scene {k} of it,{1 + 4 * (k % 2)}" for k in range(40)]
    Path("reviews.csv").write_text("\n".join(["review,stars", *reviews]) + "\n")
    for number, name in enumerate(("cats", "dogs")):
        Path("photos", name).mkdir(parents=True)
        for k in range(8):
            pixels = np.full((8, 8), 10 * k + 100 * number, np.uint8)
            Image.fromarray(pixels).save(Path("photos", name, f"{k}.png"))
    with closing(sqlite3.connect("shop.db")) as shop:
        shop.execute("CREATE TABLE orders (price REAL, city TEXT, paid INTEGER)")
        shop.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(k % 7, "Rome", k % 2) for k in range(40)])
        shop.commit()
    for k in range(20):
        Path("letters", "kind" if k % 2 else "stern").mkdir(parents=True, exist_ok=True)
        Path("letters", "kind" if k % 2 else "stern", f"{k}.txt").write_text(f"{words[k % 2]}, said letter {k}")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in TEXTS if any(">>>" in text for text in blocks(page, "python"))])
def test_python_examples(page, folder):
    text = "\n".join(blocks(page, "python"))
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, page, page, 0)
    said: list[str] = []
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


@pytest.mark.parametrize("page", [page for page in TEXTS if blocks(page, "sh")])
def test_commands(page, folder, capsys):
    for command in "".join(blocks(page, "sh")).splitlines():
        arguments = shlex.split(command)
        assert arguments[0] == "netwright"
        assert main(arguments[1:]) == 0, f"{command}\n{capsys.readouterr().err}"


# --- CONTRIBUTING.md --------------------------------------------------------------------------------------------------


@pytest.fixture
def added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that CONTRIBUTING.md shows, added to netwright's rooms for the length of a test."""
    names = []
    for text in blocks("CONTRIBUTING.md", "python"):
        place = re.match(r"# (\w+/[\w/]+\.py)\n", text)
        assert place, "the first line of an example names its file"
        path = folder / "added" / place[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if place[1].count("/") == 2:
            (path.parent / "__init__.py").touch()
        names.append(place[1])
    for room in sorted({name.partition("/")[0] for name in names}):
        package = importlib.import_module(registry.PACKAGES[room])
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder / "added" / room)])
    registry.refresh()
    yield names
    registry.refresh()
    for name in {
        f"{registry.PACKAGES[name.partition('/')[0]]}.{name.removesuffix('.py').partition('/')[2].replace('/', '.')}"
        for name in names
    }:
        for module in (name, name.rpartition(".")[0]):
            package, _, last = module.rpartition(".")
            if module.count(".") > 1 and sys.modules.pop(module, None) is not None:
                monkeypatch.delattr(sys.modules[package], last, raising=False) if package in sys.modules else None


def test_the_examples_of_contributing_work(added, folder, monkeypatch, capsys):
    assert added == [
        *("kinds/flag.py", "stems/flag.py", "trunks/maxout/settings.py", "trunks/maxout/net.py"),
        *("heads/logcosh/settings.py", "heads/logcosh/net.py", "sources/npz.py"),
    ]
    maxout = registry.find("trunks", "maxout", "settings").Settings
    assert "flag" in maxout.takes
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    np.savez("rows.npz", x=x, heated=np.array(["yes", "no"])[(x > 0.3).astype(int)], y=x**2)
    arguments = ("--target", "y", "--model", "maxout", "--model.pieces", "3", "--heads.y.head", "logcosh")
    assert main(["train", "rows.npz", *arguments, "--training.epochs", "3", "--output", "run"]) == 0, (
        capsys.readouterr()
    )
    said = capsys.readouterr().err
    assert "heated: flag, because its values are yes and no" in said and "60 rows, 3 columns" in said
    assert nw.load("run").predict([{"x": 1.0, "heated": "yes"}])["y_predicted"].is_finite().all()
    assert main(["train", "--help"]) == 0 and "[maxout] " in capsys.readouterr().out
    assert main(["train", "rows.npz", "--target", "y", "--model", "mlp", "--training.epochs", "1"]) == 2
    assert "it does not read columns of kind flag. Allowed: maxout" in capsys.readouterr().err
