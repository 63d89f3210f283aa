"""A run as another engine's files, which stand only once they are proven to give the same; and the proof by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright import registry
from netwright.errors import InputError, Problem, nearest
from netwright.events import say
from netwright.export import parity
from netwright.inference.model import load
from netwright.nn import quantization
from netwright.runtime.run import Run, standing, write_json


def export(
    run: str | Path, *, to: str, output: str | Path | None = None, stored: str | None = None, data: Any = None
) -> dict[str, Any]:
    """Write a run as `to` (onnx, transformers, gguf) into a folder, and return what the parity gate found.

    `stored`: f32, f16 or q8. `data`: rows to compare on; left out, those that the run kept, or its test rows in its source.
    Raises `InputError` where the format cannot hold the run, or the other engine does not give the same: then nothing is left.
    """
    if to not in registry.names("export"):
        raise InputError(Problem("--to", f"there is no exporter {to!r}", fix=nearest(to, registry.names("export"))))
    exporter, model = registry.find("export", to), load(run)
    if any(quantization.maps(model.network)):
        fix = f"export the run that it was made of: netwright export RUN --to {to}"
        raise InputError(Problem(str(run), "is is quantized to 8 bits, which no other engine here can run", fix=fix))
    stored = str(stored or exporter.TYPES[0])
    if stored not in exporter.TYPES:
        raise InputError(Problem("--type", f"{to} does not store {stored!r}", allowed=", ".join(exporter.TYPES)))
    if reason := exporter.refuse(model):
        raise InputError(Problem(str(run), f"cannot be exported to {to}: {reason}"))
    place = Path(output or Path("export") / f"{Path(run).resolve().name}-{to}")
    rows = parity.rows(model, data)
    with standing(place) as folder:
        exporter.write(model, folder, stored)
        found = parity.compared(model, exporter.load(folder), rows, stored)
        parity.refuse(found, str(place), "nothing was written; another --to or --type, or report this as a bug")
        write_json(folder / "parity.json", found.to_json())
    say("result", "export.saved", f"saved in {place}; {found.sentence()}", folder=str(place))
    return found.to_json()


def verify(folder: str | Path, run: str | Path, *, data: Any = None) -> dict[str, Any]:
    """Compare an exported folder with its run once more, and return what was found; nothing is written.

    Raises `InputError` where the folder is no export, is damaged, or does not give what the run gives.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(
            Problem(str(place), "there is no such folder", fix="name a folder that netwright export wrote")
        )
    exporters = [registry.find("export", name) for name in registry.names("export")]
    exporter = next((one for one in exporters if (place / one.FILE).exists()), None)
    if exporter is None:
        held = ", ".join(f"{one.FILE} ({one.__name__.rpartition('.')[2]})" for one in exporters)
        raise InputError(Problem(str(place), "this folder is not an export", allowed=f"one that holds {held}"))
    model = load(run)
    if reason := exporter.refuse(model):
        raise InputError(Problem(str(place), f"is not an export of this run, which this format cannot hold: {reason}"))
    kept = Run(place).read(place / "parity.json") if (place / "parity.json").exists() else {}
    found = parity.compared(
        model, exporter.load(place), parity.rows(model, data), kept.get("stored", exporter.TYPES[0])
    )
    parity.refuse(
        found,
        str(place),
        f"name the run that it was made of, or export it again: netwright export {run} --to {exporter.__name__.rpartition('.')[2]}",
    )
    say("result", "export.verified", f"{place} matches {run}; {found.sentence()}", folder=str(place))
    return found.to_json()
