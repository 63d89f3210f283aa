"""A run as another engine's files, which stand only once they are proven to give the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from netwright import rooms, sources
from netwright.arrays import Ragged
from netwright.errors import InputError, Problem, nearest
from netwright.events import say
from netwright.export import parity
from netwright.export.side import Ours, written
from netwright.model import Model, load
from netwright.run import write_json


def export(
    run: str | Path, *, to: str, output: str | Path | None = None, stored: str | None = None, data: Any = None
) -> dict[str, Any]:
    """Write a run as `to` (transformers, gguf) into a folder, and return what the parity gate found.

    `stored`: f32, f16 or q8. `data`: rows to compare on; left out, those that the run kept. Raises `InputError` where the
    format cannot hold the run, or the other engine does not give the same: then nothing is left.
    """
    if to not in rooms.names("export"):
        raise InputError(Problem("--to", f"there is no exporter {to!r}", fix=nearest(to, rooms.names("export"))))
    exporter, model = rooms.find("export", to), load(run)
    stored = str(stored or exporter.TYPES[0])
    if stored not in exporter.TYPES:
        raise InputError(Problem("--type", f"{to} does not store {stored!r}", allowed=", ".join(exporter.TYPES)))
    if reason := exporter.refuse(model):
        raise InputError(Problem(str(run), f"cannot be held by {to}: {reason}"))
    place = Path(output or Path("export") / f"{Path(run).resolve().name}-{to}")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError(Problem(str(place), "this folder exists", fix="name another --output"))
    rows = _rows(model, data)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as work:
        folder = Path(work) / "export"
        folder.mkdir()
        exporter.write(model, folder, stored)
        found = _proven(model, exporter.load(folder), rows, stored)
        parity.refuse(found, str(place))
        write_json(folder / "parity.json", found.to_json())
        if place.exists():
            place.rmdir()
        shutil.move(folder, place)
    say("result", "export.saved", f"saved in {place}; {found.sentence()}", folder=str(place))
    return found.to_json()


def _rows(model: Model, data: Any) -> Any:
    """The table of rows to compare on."""
    kept = model.run.rows if model.run else None
    if data is None and (kept is None or not kept.exists()):
        raise InputError(Problem("--data", "the run kept no rows to compare on", fix="name a file with such rows"))
    table = sources.read(kept if data is None else data)
    return table.slice(0, parity.ROWS)


def _proven(model: Model, theirs: Any, table: Any, stored: str) -> parity.Parity:
    key, kind = written(model)
    arrays = model.fitted.encode_targets(table)[key]
    ids, counted = arrays["ids"], arrays["counted"]
    assert isinstance(ids, Ragged) and isinstance(counted, Ragged)
    documents = [ids.row(k)[: kind.length].tolist() for k in range(len(ids))]
    masks = [counted.row(k)[: kind.length] for k in range(len(ids))]
    starts = [int(mask.argmax()) if kind.whole else min(4, len(mask)) for mask in masks]
    texts = [str(text) for text in kind.truth(arrays)]
    return parity.compare(Ours(model), theirs, documents, table.ids(), texts, stored=stored, starts=starts)
