"""Pack: a run as a folder that is ready to ship."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from netwright.errors import InputError, Problem
from netwright.events import quiet, say
from netwright.export.package import pins, wheel
from netwright.inference.model import Model, load
from netwright.kinds.language import written
from netwright.runtime.run import standing

FILES = Path(pins.__file__).parent / "files"
HELD = ("run.json", "recipe.yaml", "plan.json", "kinds.json", "trust.json", "metrics.json", "model.safetensors", "tokenizer.json")  # fmt: skip
EXTRAS = {"pretrained": "pretrained"}
"""What a family needs beside the server, by the extra that brings it."""


def pack(run: str | Path, *, output: str | Path | None = None) -> dict[str, Any]:
    """Write a folder with a Dockerfile, exact versions, the model, a smoke test and an application of Ray Serve.

    The rows that the run kept stay out of it. Raises `InputError` where the run is not finished, the folder exists, or
    something that serving needs is not installed here.
    """
    model = load(run)
    if model.recipe.model["family"] == "module":
        raise InputError(
            Problem(str(run), "holds a module of your own, whose code is not in it", fix="write your own server")
        )
    name = re.sub(r"[^a-z0-9-]+", "-", Path(run).resolve().name.lower()).strip("-") or "model"
    place = Path(output or Path("packs") / name)
    extras = ["serve", *filter(None, [EXTRAS.get(model.recipe.model["family"])])]
    held = pins.pins(extras)
    with standing(place) as folder:
        (folder / "model").mkdir()
        for file in HELD:
            if (Path(run) / file).exists():
                shutil.copyfile(Path(run) / file, folder / "model" / file)
        own = wheel.write(folder)
        lines = [f"--extra-index-url {pins.CPU}", *held] if model.plan.device == "cpu" else held
        (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "smoke.json").write_text(json.dumps(_smoke(model), ensure_ascii=False) + "\n", encoding="utf-8")
        for file in ("smoke.py", "ray_app.py"):
            shutil.copyfile(FILES / file, folder / file)
        words = {
            "WHEEL": own, "PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}", "NAME": name,
            "ANSWERS": ", ".join(model.targets), "COLUMNS": ", ".join(model.fitted.columns) or "nothing",
        }  # fmt: skip
        for file in ("Dockerfile", "README.md"):
            text = (FILES / file).read_text(encoding="utf-8")
            (folder / file).write_text(
                re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[1]], text), encoding="utf-8"
            )
    say(
        "result",
        "pack.saved",
        f"saved in {place}: docker build -t {name} {place}; {place / 'README.md'} says more",
        folder=str(place),
    )
    return {"folder": str(place), "name": name, "requirements": held}


def _smoke(model: Model) -> dict[str, Any]:
    """Made-up rows with their answers, or a beginning that something is written after."""
    if written(model.fitted.targets.values()) is not None:
        return {"prompt": dict.fromkeys(model.fitted.columns, "a") if len(model.fitted.columns) > 1 else "a"}
    values = {name: kind.value(name) for kind in model.fitted.inputs.values() for name in kind.columns}
    rows = [{name: value.sample(at) for name, value in values.items()} for at in range(2)]
    with quiet():
        found = model.predict(rows).drop("id")
    return {"rows": rows, "answers": json.loads(found.write_json())}
