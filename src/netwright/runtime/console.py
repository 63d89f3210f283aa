"""Events and results as people see them in a terminal. Everything goes to standard error but what verbs return."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from netwright.events import Event, listening

MANY = 8  # columns of one kind that are named one by one
MARKS = {
    "step": "[bold cyan]●[/]",
    "choice": "[green]→[/]",
    "notice": "[yellow]·[/]",
    "warning": "[bold yellow]![/]",
    "result": "[bold green]✓[/]",
}


@contextmanager
def rendering() -> Iterator[None]:
    """Within the block, events are drawn in the terminal."""
    screen = Screen(Console(stderr=True, highlight=False))
    with listening(screen.hear):
        try:
            yield
        finally:
            screen.close()


class Screen:
    """Draws events: choices and warnings as lines, columns grouped by kind, training as a live bar."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.columns: list[Event] = []
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.last: dict[str, Any] = {}
        self.printed = 0

    def hear(self, event: Event) -> None:
        """Draw one event."""
        if event.name in ("column.kind", "column.left_out") and event.kind == "choice":
            self.columns.append(event)
            return
        self._flush()
        if event.kind == "progress":
            self._progress(event)
            return
        if event.name not in ("training.stopped_early", "training.resumed"):
            self._stop_bar()
        self._line(event)

    def close(self) -> None:
        """Draw what is left."""
        self._flush()
        self._stop_bar()

    def _flush(self) -> None:
        """Columns of one kind are named one by one where they are few, else counted."""
        groups: dict[str, list[Event]] = {}
        for event in self.columns:
            groups.setdefault(event.data.get("column_kind", "left out"), []).append(event)
        guessed = any("because" in event.text for event in self.columns)
        self.columns = []
        for kind, events in groups.items():
            if len(events) <= MANY:
                for event in events:
                    self._line(event)
                continue
            names = [str(event.data["column"]) for event in events]
            shown = f"{len(events)} columns {kind}: {', '.join(names[:MANY])} and {len(names) - MANY} more"
            self._print(MARKS["choice"], f"{escape(shown)} [dim](netwright show says why)[/]")
        if guessed:
            self._print(" ", "[dim]--columns.NAME.kind KIND says otherwise[/]")

    def _line(self, event: Event) -> None:
        self._print(MARKS.get(event.kind, " "), escape(event.text))

    def _print(self, mark: str, text: str) -> None:
        """One line; in a terminal long ones are wrapped at words, under their own beginning."""
        if not self.console.is_terminal:
            self.console.print(f" {mark} {text}", soft_wrap=True)
            return
        row = Table.grid(padding=(0, 1))
        row.add_row(f" {mark}", text)
        self.console.print(row)

    def _progress(self, event: Event) -> None:
        data = event.data
        if event.name == "predict.rows":
            self._rows(event)
            return
        if event.name == "training.epoch":
            self.last = {k: v for k, v in data.items() if k not in ("epoch", "loss", "seconds", "best_epoch", "epochs")}
        if not self.console.is_terminal:
            if event.name == "training.epoch" and (
                data["epoch"] >= self.printed * 1.3 or data["epoch"] == data["epochs"]
            ):
                self.printed = int(data["epoch"])
                self.console.print(
                    f"   epoch {int(data['epoch'])}/{data['epochs']}  loss {data['loss']:.4f}  {self._score()}  {data['seconds']:.0f} s"
                )
            return
        if self.bar is None:
            self.bar = Progress(
                TextColumn("   epoch {task.fields[epoch]}"), BarColumn(24), TextColumn("loss {task.fields[loss]:.4f}"),
                TextColumn("{task.fields[score]}"), TextColumn("{task.fields[rate]:,.0f} rows/s"), TimeRemainingColumn(), TextColumn("at most"),
                console=self.console, transient=False,
            )  # fmt: skip
            self.task = self.bar.add_task("", total=1.0, epoch="", loss=0.0, score="", rate=0.0)
            self.bar.start()
        if event.name == "training.step":
            self.bar.update(
                self.task,
                completed=data["step"] / data["steps"],
                epoch=f"{data['epoch']}/{data['epochs']}",
                loss=data["loss"],
                rate=data["rows_a_second"],
            )
        else:
            done = data["epoch"] / data["epochs"]
            self.bar.update(
                self.task,
                completed=done,
                epoch=f"{int(data['epoch'])}/{data['epochs']}",
                loss=data["loss"],
                score=self._score(),
            )

    def _rows(self, event: Event) -> None:
        """A bar of rows; elsewhere than in a terminal a line each tenth."""
        done = event.data["rows"] / event.data["of"]
        if not self.console.is_terminal:
            if int(10 * done) > self.printed:
                self.printed = int(10 * done)
                self.console.print(f"   {event.text}")
            return
        if self.bar is None:
            self.bar = Progress(
                BarColumn(24), TextColumn("{task.fields[text]}"), TimeRemainingColumn(), console=self.console
            )
            self.task = self.bar.add_task("", total=1.0, text="")
            self.bar.start()
        self.bar.update(self.task, completed=done, text=event.text)

    def _score(self) -> str:
        return "  ".join(f"{name} {_number(value)}" for name, value in self.last.items() if isinstance(value, float))

    def _stop_bar(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _text(*parts: Any) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get().rstrip("\n")


def metrics_table(metrics: Mapping[str, Any], baselines: Mapping[str, Any] | None = None) -> str:
    """Return metrics as a table in text, beside the baselines' where there are some."""
    if metrics and not any("value" in value for value in metrics.values()):
        shown = {name: (baselines or {}).get(name) for name in metrics}
        return "\n\n".join(f"{name}\n{metrics_table(metrics[name], shown[name])}" for name in metrics)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("metric")
    table.add_column("network", justify="right")
    table.add_column("95 % interval", style="dim")
    names = list(baselines or {})
    for name in names:
        table.add_column(name, justify="right")
    for metric, value in metrics.items():
        interval = f"[{_number(value['low'])}, {_number(value['high'])}]"
        rivals = [_number((baselines or {})[name].get(metric, {}).get("value")) for name in names]
        table.add_row(metric, _number(value["value"]), escape(interval), *rivals)
    return _text(table)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1e9:
        return f"{value:.4g}"
    return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.2f}"


def run_summary(shown: Mapping[str, Any]) -> str:
    """Return what `netwright show` prints."""
    about, metrics = shown["about"], shown["metrics"]
    lines = [
        f"{shown['folder']}: {about['state']}, made by netwright {about['netwright']} from {about['source']} ({about['rows']:,} rows)",
        "",
    ]
    for event in shown["events"]:
        if event["kind"] in ("choice", "warning", "notice"):
            lines.append(f"  {event['text']}")
    if metrics and (metrics.get("test") or metrics.get("validation")):
        part = "test" if metrics.get("test") else "validation"
        lines += ["", f"on {part} rows:", metrics_table(metrics[part], metrics.get("baseline"))]
    return "\n".join(lines)


def demo_summary(shown: Mapping[str, Any]) -> str:
    """Return what `netwright demo` prints at its end."""
    answers = [
        f"  {row['diagnosis_predicted']:10s} p_malignant {row['p_malignant']:.3f}   in truth {row['diagnosis']}"
        for row in shown["answers"]
    ]
    metrics = shown["metrics"]
    return "\n".join(
        [
            "",
            "on rows it never saw, beside what one would pick instead:",
            metrics_table(metrics["test"], metrics["baseline"]),
            "",
            "three answers:",
            *answers,
            "",
            f"the run is in {shown['folder']}: netwright show {shown['folder']}",
        ]
    )
