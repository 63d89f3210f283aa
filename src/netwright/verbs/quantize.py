"""Quantize: a run with its weights in fewer bits, measured on rows before and after."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import torch

from netwright.errors import InputError, Problem, nearest
from netwright.events import say
from netwright.export.parity import ROWS
from netwright.export.parity import rows as rows_of
from netwright.inference.model import Model, load
from netwright.kinds.language import written
from netwright.nn import quantization
from netwright.runtime import cpu
from netwright.runtime.run import Run, standing, write_json
from netwright.training import checkpoint
from netwright.verbs.stopwatch import SCORED, speed

KEEPS = ("recipe.yaml", "plan.json", "kinds.json", "trust.json", "metrics.json", "rows.jsonl", "tokenizer.json", "texts.json", "predictions.csv", "learnt.safetensors", "events.jsonl")  # fmt: skip


def quantize(
    run: str | Path, *, to: str | None = None, output: str | Path | None = None, data: Any = None
) -> dict[str, Any]:
    """Write a run with its weights in fewer bits, and return what that cost and gave.

    `to`: int8 (weights and, as they come, inputs), int8_static (inputs by scales found on rows), int8_weights (weights
    alone) or int4 (kept in 4 bits, computed with as floats); left out, int8_weights for a run that writes and where
    products of 16-bit floats are fast (`halves`), else int8. `data`: rows to measure on; left out, rows that the run never
    learnt. Raises `InputError` where nothing in the run is large enough, or it is in fewer bits already.
    """
    to = to and to.replace("-", "_")
    if to is not None and to not in quantization.FORMS:
        raise InputError(
            Problem(
                "--to",
                f"there is no format {to!r}",
                allowed=", ".join(quantization.FORMS),
                fix=nearest(to, quantization.FORMS),
            )
        )
    opened = Run.open(run)
    about = opened.read(opened.about)
    if about.get("weights"):
        raise InputError(
            Problem(str(run), f"its weights are {about['weights']} already", fix="name the run that it was made of")
        )
    model = load(run)
    to = to or _form(model)
    place = Path(output or f"{str(run).rstrip('/')}-{to}")
    rows = rows_of(model, data, most=SCORED)
    counted, before = _measured(model, rows)
    state = {name: value.detach().cpu() for name, value in model.network.state_dict().items()}
    small = _converted(model, state, to, rows)
    _, after = _measured(small, rows)
    with standing(place) as folder:
        for name in KEEPS:
            if (opened.folder / name).exists():
                shutil.copyfile(opened.folder / name, folder / name)
        new = Run(folder)
        kept = quantization.packed(state) if to == "int4" else {name: value.contiguous() for name, value in small.network.state_dict().items()}  # fmt: skip
        checkpoint.write(new.weights, {name: value.clone() for name, value in kept.items()}, {"weights": to})
        found = {
            "to": to, "rows": len(rows), "bytes": {"before": opened.weights.stat().st_size, "after": new.weights.stat().st_size},
            f"{counted}_a_second": {"before": before["speed"], "after": after["speed"]}, "score": {"before": before["metrics"], "after": after["metrics"]},
        }  # fmt: skip
        write_json(folder / "quantized.json", found)
        write_json(new.about, {**about, "weights": to})
    say("result", "quantize.saved", _sentence(found, place), folder=str(place))
    return found


def _form(model: Model) -> str:
    """The form of 8 bits that suits a run, said."""
    form, why = "int8", "it answers many rows at a time"
    if written(model.fitted.targets.values()) is not None:
        form, why = "int8_weights", "it writes, a few rows at a time"
    elif cpu.fast():
        form, why = "int8_weights", "products of 16-bit floats are fast on this processor"
    say("notice", "quantize.form", f"--to {form}: {why}")
    return form


def _converted(model: Model, state: dict[str, torch.Tensor], to: Any, rows: Any) -> Model:
    """The model with its weights in fewer bits."""
    plain = model.bare()
    plain.load_state_dict(quantization.unpacked(quantization.packed(state)) if to == "int4" else state)
    if to != "int4" and not quantization.convert(plain, to):
        what = f"it has no linear map of {quantization.LEAST:,} weights or more"
        raise InputError(Problem(str(model.run.folder if model.run else "run"), what, fix="it is small as it is"))
    out = Model(plain, model.fitted, model.recipe, model.plan, model.run, copy.deepcopy(model.trust))
    if to == "int8_static":
        for part in quantization.maps(plain):
            part.watching = True
        out.evaluate(rows.slice(0, ROWS))
        for part in quantization.maps(plain):
            part.watching = False
            assert part.fixed is not None
            part.fixed.fill_(max(part.watched, 1e-12) / 127)
    return out


def _measured(model: Model, rows: Any) -> tuple[str, dict[str, Any]]:
    """What the speed counts, metrics on the rows, and the speed."""
    counted, found = speed(model, rows)
    return counted, {"metrics": model.evaluate(rows)["metrics"], "speed": found}


def _sentence(found: dict[str, Any], place: Path) -> str:
    size = found["bytes"]
    counted, rate = next(
        (name, found[f"{name}_a_second"]) for name in ("rows", "tokens") if f"{name}_a_second" in found
    )
    parts = [
        f"{size['before'] / 2**20:.1f} MB to {size['after'] / 2**20:.1f} MB",
        f"{rate['before']:,.0f} {counted} a second before, {rate['after']:,.0f} now",
    ]
    score = found["score"]
    for name, value in list(_flat(score["before"]).items())[:3]:
        parts.append(f"{name} {value:.4g} to {_flat(score['after'])[name]:.4g}")
    parts[-1] += f" on {found['rows']:,} rows"
    return f"saved in {place}: {', '.join(parts)}"


def _flat(metrics: dict[str, Any]) -> dict[str, float]:
    """By metric its value; with several targets TARGET.METRIC."""
    out: dict[str, float] = {}
    for name, found in metrics.items():
        if isinstance(found, dict) and "value" in found:
            if found["value"] is not None:
                out[name] = found["value"]
        elif isinstance(found, dict):
            out |= {f"{name}.{inner}": value for inner, value in _flat(found).items()}
    return out
