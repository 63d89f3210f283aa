"""What a notebook shows: how a training goes while it goes, in one place; and a model, as the value of a cell.

IPython is never imported here: where a kernel runs it is loaded already, and where none does nothing happens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from markupsafe import Markup

from netwright.events import Event, listening
from netwright.report.page.html import cut, joined, tag
from netwright.report.page.written import number, score, seconds

EVERY = 0.2
"""Seconds between two drawings: people see no more, and each is sent over a wire."""
KEPT = 12
"""Lines of what was said that are kept in view when one opens them."""


@contextmanager
def watching() -> Iterator[None]:
    """Within the block, what is said is drawn in the cell's output, if this runs in a notebook's kernel."""
    display = _display()
    if display is None:
        yield
        return
    view, whole = View(display), False
    with listening(view.hear):
        try:
            yield
            whole = True
        finally:
            view.state = "done" if whole else "stopped"
            view.draw()


def _display() -> Any | None:
    """IPython's `display` module where a kernel runs this code, else None."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    if running is None or getattr(running, "kernel", None) is None:  # a terminal's IPython has none
        return None
    from importlib import import_module

    return import_module("IPython.display")


class View:
    """One output that is drawn anew as events come."""

    def __init__(self, display: Any) -> None:
        self.display, self.handle = display, None
        self.state, self.drawn = "reading", 0.0
        self.now: dict[str, Any] = {}
        self.scores: dict[str, float] = {}
        self.lines: list[tuple[str, str]] = []

    def hear(self, event: Event) -> None:
        """Take in one event; draw where the last drawing is long enough ago."""
        if event.kind == "progress":
            self.state = "training"
            self.now |= event.data
            if event.name == "training.epoch":
                apart = ("epoch", "loss", "seconds", "best_epoch", "epochs")
                self.scores = {name: value for name, value in event.data.items() if name not in apart}
                self.now["step"] = None
        else:
            self.lines.append((event.kind, event.text))
            if event.name in ("data.read", "network", "fold"):
                self.state = event.text
        if time.monotonic() - self.drawn >= EVERY:
            self.draw()

    def draw(self) -> None:
        """Draw the output, for the first time or in its place."""
        self.drawn = time.monotonic()
        shown = self.display.HTML(str(self.html()))
        if self.handle is None:
            self.handle = self.display.display(shown, display_id=True)
        else:
            self.handle.update(shown)

    def html(self) -> Markup:
        """Return how far it is, the numbers of now, and what was said."""
        results = [text for kind, text in self.lines if kind == "result"]
        parts: list[Any] = [style(), tag("p", tag("b", cut(self._state(), 120)))]
        if self.now:
            parts += [
                tag("div", tag("i", style=f"width:{100 * self._done():.1f}%"), class_="bar"),
                tag("p", self._numbers(), class_="note"),
            ]
        parts += [tag("p", cut(text, 300)) for text in results]
        others = [(kind, text) for kind, text in self.lines if kind != "result"]
        if others:
            listed = tag("ul", [tag("li", cut(text, 300)) for _, text in others[-200:]])
            warnings = sum(kind == "warning" for kind, _ in others)
            what = f"{len(others)} line{'s' if len(others) > 1 else ''} of what was chosen and noticed" + (
                f", {warnings} of them warnings" if warnings else ""
            )
            parts.append(tag("details", tag("summary", what), listed))
        return tag("div", parts, class_="netwright")

    def _state(self) -> str:
        if self.state == "training":
            return f"Training: epoch {int(self.now['epoch'])} of {int(self.now['epochs'])}"
        return {"done": "Trained", "stopped": "Stopped", "reading": "Reading"}.get(self.state, self.state)

    def _done(self) -> float:
        if self.state == "done":
            return 1.0
        if self.now.get("step") is not None and self.now.get("steps"):
            return self.now["step"] / self.now["steps"]
        return self.now["epoch"] / self.now["epochs"]

    def _numbers(self) -> str:
        parts = [f"loss {score(self.now['loss'])}"]
        parts += [f"{name} {score(value)}" for name, value in self.scores.items()]
        if self.now.get("rows_a_second"):
            parts.append(f"{number(self.now['rows_a_second'])} rows a second")
        parts.append(seconds(self.now["seconds"]))
        return "  ·  ".join(parts)


def style() -> Markup:
    """Return the style of what a notebook shows: it takes the notebook's own colours, light or dark."""
    text = (Path(__file__).parent / "page" / "notebook.css").read_text(encoding="utf-8")
    return tag("style", Markup(text))


def model(summary: Any, metrics: Any) -> str:
    """Return a model as a notebook shows it: its summary, and its metrics beside the baselines'."""
    return str(tag("div", style(), joined([summary, metrics]), class_="netwright"))
