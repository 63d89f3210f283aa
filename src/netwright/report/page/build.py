"""The page: its sections by their place, in one file that asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from netwright import registry
from netwright.events import say
from netwright.report.page.figure import drawing
from netwright.report.page.found import Found
from netwright.report.page.html import cut, joined, tag
from netwright.runtime.run import Run, write_text

HERE = Path(__file__).parent


def write(run: str | Path | Run, *, output: str | Path | None = None) -> Path:
    """Write a run's report and return its path: `report.html` in the run's folder, or `output`.

    Raises `InputError` where there is no such run, it was not finished, or there is no room.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    path = opened.report if output is None else Path(output)
    write_text(path, page(Found.read(opened)))
    return path


def again(run: str | Path | Run, *, output: str | Path | None = None) -> Path:
    """Write the report as `write` does, and say where it is."""
    path = write(run, output=output)
    say("result", "report.saved", f"the report: {path}", path=str(path))
    return path


def page(found: Found) -> str:
    """Return the whole page of a run: the same files give the same page."""
    modules = [registry.find("report", name) for name in registry.names("report")]
    contents, sections = [], []
    with drawing():
        for module in sorted(modules, key=lambda module: module.PLACE):
            html = module.section(found)
            if html is None:
                continue
            name = module.__name__.rpartition(".")[2]
            heading = tag("h2", module.TITLE, id=f"{name}-title")
            contents.append(tag("li", tag("a", module.TITLE, href=f"#{name}")))
            sections.append(tag("section", heading, html, id=name, aria_labelledby=f"{name}-title"))
    body = [
        tag("a", "Skip to the report", href="#main", class_="skip"),
        tag(
            "nav",
            tag("p", "netwright", class_="brand"),
            tag("ol", contents),
            tag("button", "Light / dark", type="button", id="theme", hidden=True),
            aria_label="Contents",
        ),
        tag("main", _head(found), sections, _foot(found), id="main"),
    ]
    return _document(title(found), body)


def title(found: Found) -> str:
    """Return what the page is called."""
    return f"{', '.join(found.targets)} · {found.about['source']}"


def _head(found: Found) -> Markup:
    named = [tag("span", cut(name, 60)) for name in found.targets[:6]]
    if len(found.targets) > 6:
        named.append(tag("span", f"{len(found.targets) - 6} more"))
    heading = tag("h1", "Predicting ", joined(_listed(named)))
    return tag("header", heading, tag("p", _origin(found), class_="origin"))


def _listed(names: list[Markup]) -> list[Any]:
    """Names with commas and an `and` between them."""
    out: list[Any] = []
    for number, name in enumerate(names):
        out += [" and " if number == len(names) - 1 else ", "] if number else []
        out.append(name)
    return out


def _origin(found: Found) -> list[Any]:
    parts = [f"from {cut(found.about['source'], 60)}", f"run {cut(found.run.folder.resolve().name, 60)}"]
    if found.events:
        day = datetime.fromtimestamp(found.events[0]["time"], UTC)
        parts.append(f"{day.day} {day:%B %Y}")
    return [" · ".join(parts)]


def _foot(found: Found) -> Markup:
    return tag(
        "footer",
        f"Made by netwright {found.about['netwright']} from the files of the run's folder. ",
        tag("code", "netwright report RUN"),
        " makes it again, without the data.",
    )


def _document(name: str, body: Any) -> str:
    """The page with its style and its script. The policy lets nothing be loaded, and no other script run."""
    style, script = ((HERE / file).read_text(encoding="utf-8") for file in ("page.css", "page.js"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", name),
        tag("style", Markup(style)),
    ]
    html = tag("html", tag("head", head), tag("body", body, tag("script", Markup(script))), lang="en")
    return f"<!doctype html>\n{html}\n"
