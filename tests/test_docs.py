"""The docs name everything that exists, their links resolve, and their examples work.

The blocks of a page run in order, in a folder that holds houses.csv, reviews.csv, poems.txt, photos/, shop.db and letters/: a
```python block with >>> as a doctest, a ```sh block line by line. The files that CONTRIBUTING.md shows are added, and used.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
import shlex
import sqlite3
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from plugins import installed

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
from netwright.runtime.run import Run
from netwright.training import autotune

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}
OTHERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "examples/README.md", "benchmarks/README.md", "benchmarks/RESULTS.md")  # fmt: skip
TEXTS = {**PAGES, **{f"../{name}": (ROOT / name).read_text(encoding="utf-8") for name in OTHERS}}
PARTS = {"tutorials", "how-to", "reference", "concepts", "dev"}
PACKAGES = {path.name for path in (ROOT / "src" / "netwright").iterdir() if path.is_dir()}
WORDS = [
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
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks of a page that are run, in order: language and text."""
    return [
        (name, text) for name, text in BLOCK.findall(TEXTS[page]) if name == "sh" or name == "python" and ">>>" in text
    ]


def section(text: str, heading: str) -> str:
    """What stands under a heading, down to the next one."""
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#|\Z)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M | re.S
    )
    assert found, f"no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of all tables, without their heads."""
    lines = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.splitlines() if line.startswith("|")]
    heads = {number - 1 for number, line in enumerate(lines) if set("".join(line)) <= set("-: ")}
    return [line for number, line in enumerate(lines) if number not in heads and number - 1 not in heads]


class Check(NamedTuple):
    """Names that stand in backticks in a column of the tables under a heading."""

    page: str
    heading: str
    column: int
    names: tuple[str, ...]
    of: str = ""  # only rows whose first cell, or the last one that is not empty, names this

    def unnamed(self, text: str) -> list[str]:
        """Return the names that are missing from the page's text."""
        named: set[str] = set()
        first = ""
        for cells in rows(section(text, self.heading)):
            first = cells[0].strip() or first
            if self.of and self.of not in re.findall(r"\w+", first):
                continue
            named |= set(re.findall(r"`([^`]+)`", cells[self.column])) if len(cells) > self.column else set()
        return [name for name in self.names if name not in named]


def checks() -> Iterator[Check]:
    """What exists, and where the docs are to name it."""
    reference = {name: f"reference/{name}.md" for name in ("kinds", "families", "heads", "sources", "metrics", "report", "training", "settings")}  # fmt: skip
    yield Check(reference["kinds"], "# Kinds", 0, registry.names("kinds"))
    yield Check(reference["families"], "# Families", 0, (*registry.names("trunks"), "auto"))
    yield Check(reference["heads"], "# Heads", 0, registry.names("heads"))
    yield Check(reference["sources"], "# Sources", 0, registry.names("sources"))
    yield Check(reference["metrics"], "## Baselines", 0, registry.names("baselines"))
    yield Check(reference["report"], "# Report", 0, registry.names("report"))
    for name, heading in (("optimizer", "## Optimizers"), ("schedule", "## Schedules")):
        yield Check(reference["training"], heading, 0, get_args(get_args(Training.model_fields[name].annotation)[0]))
    yield Check(reference["training"], "## Activations", 0, get_args(Activation))
    yield Check(reference["families"], "## layers", 0, (*LAYERS, *get_args(Initial)))
    for name, layer in LAYERS.items():
        own = tuple(field for field in layer.model_fields if field != "layer")
        yield Check(reference["families"], "## layers", 1, own, of=name)
    for name in registry.names("metrics"):
        for classes, of in ((3, name), (2, "two" if name == "category" else name)):
            more = set(metrics_of(name, classes)) - (set(metrics_of(name, 3)) if of == "two" else set())
            texts = "text" if name == "messages" else of
            yield Check(reference["metrics"], "# Metrics and baselines", 1, tuple(sorted(more)), of=texts)
    yield Check("reference/run-folder.md", "# The run folder", 0, tuple(run_files()))
    yield from settings_checks(reference["settings"], reference["training"])


def settings_checks(page: str, formulas: str) -> Iterator[Check]:
    """Each setting on its own row, under its own group."""
    groups = {part: re.search(rf"^## `{part}`.*$", PAGES[page], re.M) for part in ("read", "split", "training", "trust", "plan", "adapt")}  # fmt: skip
    for place, _, _ in settings():
        group, dot, _ = place.partition(".")
        if group != "model":
            heading = groups.get(group) if dot or group == "adapt" else None
            yield Check(page, heading[0] if heading else "## Data", 0, (place,))
    for name in registry.names("trunks"):
        fields = registry.find("trunks", name, "settings").Settings.model_fields
        flags = {place.partition(".")[2] for place, _, _ in settings() if place.startswith("model.")}
        yield Check(page, f"### {name}", 0, tuple(field for field in fields if field in flags))
    for name in registry.names("kinds"):
        for role in [role for role in ("input", "target") if name in able(role)]:
            fields = [field for field in kind_class(name, role).Options.model_fields if field != "kind"]
            apart = f"### {name} as {'an input' if role == 'input' else 'a target'}"
            yield Check(page, apart if apart in PAGES[page] else f"### {name}", 0, tuple(fields))
    for name in registry.names("heads"):
        fields = registry.find("heads", name, "settings").Settings.model_fields
        shared = ("share", "teacher_share")
        yield Check(page, "### every head", 0, shared)
        yield Check(page, f"### {name} head", 0, tuple(field for field in fields if field not in (*shared, "head")))
        if "loss" in fields:
            yield Check(formulas, "## Losses", 0, get_args(fields["loss"].annotation))


def run_files() -> Iterable[str]:
    """The files that a run's folder may hold."""
    run = Run(Path("run"))
    places = [getattr(run, name) for name, member in vars(Run).items() if isinstance(member, property)]
    return [place.relative_to("run").as_posix() for place in places]


CHECKS = [check for check in checks() if check.names]


def without(text: str, check: Check, name: str) -> str:
    """The page as it would be had nobody named this one in its place; all else that it says stays."""
    lines, first, inside = [], "", False
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            inside = line.rstrip("\n") == check.heading
        cells = re.split(r"(?<!\\)\|", line)
        if inside and line.startswith("|") and len(cells) > check.column + 2:
            first = cells[1].strip() or first
            if not check.of or check.of in re.findall(r"\w+", first):
                cells[check.column + 1] = cells[check.column + 1].replace(f"`{name}`", "")
        lines.append("|".join(cells))
    return "".join(lines) + f"\nElsewhere `{name}` is mentioned, as in `netwright train --{name} {name}`.\n"


# --- what the docs must name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.page} {check.heading} {check.of}")
def test_everything_that_exists_is_named_in_its_place(check):
    assert not check.unnamed(PAGES[check.page])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.page} {check.heading} {check.of}")
def test_a_name_that_is_left_out_is_missed_though_the_page_mentions_it_elsewhere(check):
    for name in check.names:
        assert check.unnamed(without(PAGES[check.page], check, name)) == [name]


@pytest.mark.parametrize("word", WORDS)
def test_each_word_has_a_page_with_an_example_that_the_map_links(word):
    link = re.search(rf"\| \[{word}\]\(([^)]+)\) \|", PAGES["index.md"])
    assert link, f"the table of words has no row for {word}"
    page, _, anchor = link[1].partition("#")
    heading = next(
        line for line in PAGES[page].splitlines() if line.startswith("#") and (not anchor or slug(line) == anchor)
    )
    assert word.rstrip("y") in heading.lower()
    assert blocks(page), "every word's page has an example that the tests run"


def test_every_command_is_named_with_its_flags():
    for verb in VERBS:
        command = getattr(importlib.import_module("netwright.cli.main"), f"_{verb}")()
        own = {
            option.opts[0] for option in command.params if option.opts[0].startswith("--") and "." not in option.opts[0]
        }
        text = section(PAGES["reference/commands.md"], f"## {verb}")
        listed = {name for cells in rows(text) for name in re.findall(r"`(--[\w-]+)`", cells[0])}
        if verb in ("train", "recipe"):  # and every setting of a recipe
            own -= {f"--{place}".replace("_", "-") for place, _, _ in settings()} | {
                f"--{place}" for place, _, _ in settings()
            }
        if verb == "chat":
            assert "the flags of `generate`" in text
            own = {"--system"}
        assert listed == own, verb


def test_the_reference_is_what_the_types_say(capsys, monkeypatch):
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "dev" / "make_reference.py")
    assert spec and spec.loader
    made: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for name, make in made.PAGES.items():
        assert PAGES[f"reference/{name}"] == make(), "run: python docs/dev/make_reference.py"


def test_every_direct_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for extra, names in project["optional-dependencies"].items() if extra != "dev" for name in names]
    reasons = {name.strip() for cells in rows(PAGES["dev/dependencies.md"]) for name in cells[0].split(",")}
    for requirement in project["dependencies"] + extras:
        assert re.split(r"[<>=\[;]", requirement)[0] in reasons


# --- links ------------------------------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """The anchor that a heading gets in a browser."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


def broken(page: str, text: str) -> list[str]:
    """The links of a page that lead to no file, or to no heading of it."""
    out = []
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        path = (DOCS / page).parent / name if name else DOCS / page
        headings = path.read_text(encoding="utf-8").splitlines() if anchor and path.is_file() else []
        if not path.exists() or anchor and anchor not in {slug(line) for line in headings if line.startswith("#")}:
            out.append(link)
    return out


@pytest.mark.parametrize("page", TEXTS)
def test_links_resolve(page):
    assert not broken(page, TEXTS[page])


def test_a_link_to_what_is_not_there_is_found():
    text = "[a](none.md) [b](kinds.md#nothing) [c](kinds.md#how-values-are-encoded) ![d](../idea.svg) [e](#kinds)"
    assert broken("reference/kinds.md", text) == ["none.md", "kinds.md#nothing"]


def test_the_docs_that_code_and_settings_name_are_there():
    named = re.compile(r"\bdocs/[\w/.-]+\.(?:md|svg|png|py)\b")
    files = [path for folder in ("src", "tests", "benchmarks", "examples", ".ci", ".github") for path in sorted((ROOT / folder).rglob("*"))]  # fmt: skip
    files += [ROOT / name for name in ("pyproject.toml", *OTHERS, ".pre-commit-config.yaml")]
    wrong = set()
    for path in files:
        if (
            path.is_file()
            and path.suffix in (".py", ".c", ".h", ".md", ".toml", ".yaml", ".yml", ".html", ".js", "")
            and not {"__pycache__", "fixtures"} & set(path.parts)  # runs of before name the docs of before
        ):
            text = path.read_text(encoding="utf-8", errors="ignore")
            wrong |= {f"{path.relative_to(ROOT)}: {name}" for name in named.findall(text) if not (ROOT / name).exists()}
    assert not wrong


@pytest.mark.parametrize("page", ["concepts/architecture.md", "concepts/architecture.svg", "dev/decisions.md"])
def test_the_files_that_the_architecture_names_are_there(page):
    named = re.findall(r"(?<![\w/])(?:[a-z_]+/)+(?:\w+\.py)?", (DOCS / page).read_text(encoding="utf-8"))
    places = [
        ROOT / "src" / "netwright" / name.replace("NAME", "number")
        for name in named
        if name.partition("/")[0] in PACKAGES
    ]
    assert len(places) > 5 and [place for place in places if not place.exists()] == []


def test_every_page_is_in_one_of_the_parts_and_on_the_map():
    linked = {link.partition("#")[0] for link in LINK.findall(PAGES["index.md"])}
    assert {page.partition("/")[0] for page in PAGES} == {*PARTS, "index.md"}
    assert [page for page in PAGES if page != "index.md" and page not in linked] == []


# --- the examples -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with tables, texts, photos, a database and letters; training is quick in it."""
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
    lines = ("the cat sat on the mat", "a dog ran after the cat", "the moon is over the sea", "a bird sat on the roof")
    Path("poems.txt").write_text("\n".join(f"{line} and so did {k}" for k in range(10) for line in lines) + "\n")
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


@pytest.mark.parametrize("page", [page for page in TEXTS if blocks(page)])
def test_examples(page, folder, capsys):
    shared: dict[str, Any] = {"__name__": "__main__"}
    for language, text in blocks(page):
        if language == "python":
            example(page, text, shared)
            continue
        for command in text.splitlines():
            arguments = shlex.split(command, comments=True)
            assert arguments[0] == "netwright"
            assert main(arguments[1:]) == 0, f"{command}\n{capsys.readouterr().err}"


def example(page: str, text: str, shared: dict[str, Any]) -> None:
    """Run a doctest that shares its names with those before it on the page."""
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    test.globs = shared
    said: list[str] = []
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    doctest.DocTestRunner(optionflags=flags, verbose=False).run(test, out=said.append, clear_globs=False)
    assert not said, "".join(said)


# --- CONTRIBUTING.md --------------------------------------------------------------------------------------------------


@pytest.fixture
def added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The package that CONTRIBUTING.md shows, installed for the length of a test."""
    names = []
    shown = BLOCK.findall(TEXTS["../CONTRIBUTING.md"])
    for text in [text for name, text in shown if name == "python"]:
        place = re.match(r"# (\w+/[\w/]+\.py)\n", text)
        assert place, "the first line of an example names its file"
        path = folder / "added" / place[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "__init__.py").touch()
        names.append(place[1])
    (declared,) = (text for name, text in shown if name == "toml")
    with installed(folder / "added", tomllib.loads(declared)["project"], monkeypatch):
        yield names


def test_the_examples_of_contributing_work(added, folder, monkeypatch, capsys):
    assert added == [f"counts/{name}.py" for name in (
        "count", "flag", "deviance", "poisson/settings", "poisson/net", "flag_stem", "maxout/settings", "maxout/net", "npz",
    )]  # fmt: skip
    random = np.random.default_rng(0)
    x = random.normal(size=400)
    heated = random.random(400) < 0.5
    np.savez("rows.npz", x=x, heated=np.where(heated, "yes", "no"), y=random.poisson(np.exp(x + heated)))
    asked = ("--target", "y", "--columns.y.kind", "count", "--model", "maxout", "--model.pieces", "3")
    assert main(["train", "rows.npz", *asked, "--training.epochs", "40", "--output", "run"]) == 0, capsys.readouterr()
    said = capsys.readouterr().err
    assert "heated: flag, because its values are yes and no" in said and "y: deviance " in said
    found = nw.load("run").predict([{"x": 1.0, "heated": "yes"}, {"x": -2.0, "heated": "no"}])
    assert found["y_predicted"][0] > 3 > 1 > found["y_predicted"][1] > 0 and "y_low" in found.columns
    assert main(["train", "--help"]) == 0 and "[maxout] " in capsys.readouterr().out
    assert main(["train", "rows.npz", "--target", "y", "--model", "maxout", "--columns.x.kind", "text"]) == 2
    assert "maxout cannot be used: it does not read columns of kind text" in capsys.readouterr().err
