"""What a model tells of itself: columns, scores, versions, examples and limits. No path of this machine is in it."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from netwright.inference.model import Model
from netwright.kinds.base import kind_name
from netwright.kinds.values import Value
from netwright.runtime.run import Run
from netwright.serve.served import Served
from netwright.serve.settings import Settings

EXAMPLES = 4
_PLACES = ("data", "validation_data", "test_data", "start", "tokenizer")
_SECRETS = ("query",)


def about(served: Served, settings: Settings) -> dict[str, Any]:
    """Return what `/model` answers."""
    model, run = served.model, served.model.run
    assert run is not None
    made = run.read(run.about)
    return {
        "name": served.name, "version": served.version, "loaded": served.made.isoformat(), "writes": served.writes,
        "family": model.recipe.model.get("family"),
        "inputs": [
            {"name": column.name, "kind": column.kind, **column.value.form} for column in served.reader.columns
        ],
        "targets": [_target(kind) for kind in model.fitted.targets.values()],
        "context": served.writer.generator.kind.length if served.writer is not None else None,
        "typical": served.reader.typical(),
        "examples": _examples(served, run),
        "scores": _scores(model),
        "rows": made.get("rows"),
        "versions": {"netwright": made.get("netwright"), "torch": made.get("torch"), "run": made.get("version")},
        "limits": {
            "rows": settings.rows, "bytes": settings.body, "characters": settings.characters, "pixels": settings.pixels,
            "seconds": settings.time_limit,
        },
        "recipe": without_places(model.recipe.model_dump(mode="json")),
    }  # fmt: skip


def _target(kind: Any) -> dict[str, Any]:
    return {"name": kind.columns[0], "kind": kind_name(kind), **kind.about_itself()}


def _scores(model: Model) -> dict[str, Any]:
    """The scores on rows that the training never saw, and those of the best simple baseline."""
    metrics = model.metrics
    part = "test" if metrics.get("test") else "validation"
    return {"rows": part, "metrics": metrics.get(part, {}), "baselines": metrics.get("baseline", {})}


def _examples(served: Served, run: Run) -> list[dict[str, Any]]:
    """Rows that can be asked: of those that the run kept, the ones it answered worst, with their truth."""
    if served.writes or not run.worst.exists():
        return _prompts(served, run)
    columns, out = served.reader.columns, []
    for target, rows in run.read(run.worst).get("targets", {}).items():
        for row in rows:
            held = {**row.get("inputs", {}), **row.get("images", {})}
            values = {column.name: _typed(held.get(column.name), column.value) for column in columns}
            if all(value is not _CUT for value in values.values()) and len(out) < EXAMPLES:
                out.append({"row": values, "truth": {target: row.get("truth")}})
    return out


def _prompts(served: Served, run: Run) -> list[dict[str, Any]]:
    """Beginnings of rows that the run kept and never learnt."""
    if not served.writes or not run.rows.exists():
        return []
    import json

    target = served.model.targets[0]
    out = []
    with run.rows.open(encoding="utf-8") as file:
        for line, _ in zip(file, range(EXAMPLES), strict=False):
            row = json.loads(line)
            if served.chats:
                said = [turn for turn in row[target] or [] if turn.get("role") == "user"]
                out += [{"prompt": said[0]["content"]}] if said else []
            elif served.reader.columns:
                out.append({"row": {column.name: row.get(column.name) for column in served.reader.columns}})
            elif row[target]:
                out.append({"prompt": " ".join(row[target].split(" ")[:2])[:24]})
    return [each for at, each in enumerate(out) if each not in out[:at]]


_CUT = object()


def _typed(text: Any, value: Value) -> Any:
    """A kept value, which is a text, as it is sent; `_CUT` where it was kept in part."""
    if text is None:
        return _CUT if value.required else None
    if not isinstance(text, str):
        return text
    return _CUT if text.endswith("…") else value.kept(text)


def without_places(value: Any) -> Any:
    """Return a recipe without folders of this machine, and without what a database was asked.

    >>> without_places({"data": "/home/ann/iris.csv", "model": {"start": None}})
    {'data': 'iris.csv', 'model': {'start': None}}
    """
    if isinstance(value, dict):
        out = {}
        for name, item in value.items():
            if name in _SECRETS and item:
                out[name] = "…"
            elif name in _PLACES and isinstance(item, str):
                out[name] = PurePath(item.split("?")[0]).name if not item.lstrip().startswith("{") else "…"
            else:
                out[name] = without_places(item)
        return out
    return [without_places(item) for item in value] if isinstance(value, list) else value
