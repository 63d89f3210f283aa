"""Pretrained models: netwright beside transformers' Trainer and pipeline, and PEFT; each side in a process of its own, in turns.

    python benchmarks/pretrained.py [full frozen lora predict images] [--turns 3]

Same weights, rows, batch size, epochs and learning rate, float32, two threads on both sides. netwright's default has no
dropout inside the checkpoint's network; "still" is Trainer with none either. Results are kept in
`pretrained.json` and printed into `RESULTS.md`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import models
import polars as pl
from datasets import path
from results import machine, write_section

HERE = Path(__file__).parent
KEPT = HERE / "pretrained.json"
ROWS, HELD, CHATS = 3000, 1000, 969  # of the 999 conversations 30 are held out
SIDES = {
    "full": [("ours", "full"), ("trainer", "full"), ("trainer", "full-grouped"), ("trainer", "full-grouped-still")],
    "frozen": [("ours", "frozen"), ("trainer", "frozen-grouped")],
    "lora": [("ours", "lora"), ("peft", "lora")],
    "predict": [("ours", "predict"), ("pipeline", "predict"), ("runtime", "predict")],
}


def rows(folder: Path, works: list[str]) -> None:
    """The files that both sides read: movie snippets, and conversations."""
    frame = pl.read_csv(path("movie")).sample(fraction=1.0, shuffle=True, seed=0)
    frame[:ROWS].write_csv(folder / "train.csv")
    frame[ROWS : ROWS + HELD].write_csv(folder / "test.csv")
    frame[ROWS : ROWS + 1000].write_csv(folder / "predict.csv")
    if "lora" in works:
        chats = instructions()
        chats[:CHATS].write_ndjson(folder / "chat.jsonl")
        chats[CHATS : CHATS + 30].write_ndjson(folder / "chat_test.jsonl")


def instructions() -> pl.DataFrame:
    """Alpaca's English instructions as conversations (PyPI llamafactory 0.9.5)."""
    from instructions import path as alpaca

    return pl.read_ndjson(alpaca())


def side(who: str, work: str, folder: Path, model: Path) -> dict[str, Any]:
    """Run one side once."""
    command = [sys.executable, str(HERE / "pretrained_side.py"), who, work, str(folder), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{who} {work}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(work: str, folder: Path, turns: int) -> dict[str, Any]:
    """All sides of a work, in turns; a Ctrl-C keeps the sides that are done."""
    model = models.path("smollm2" if work == "lora" else "minilm")
    if work == "predict":
        _classifier(folder, model)
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        for turn in range(turns):
            order = SIDES[work] if turn % 2 == 0 else SIDES[work][::-1]
            for who, name in order:
                result = side(who, name, folder, model)
                found.setdefault(f"{who} {name}", []).append(result)
                print(work, who, name, result, flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    return {"machine": machine(), "turns": turns, **{name: {key: median(one[key] for one in all_) for key in all_[0]} for name, all_ in found.items()}}  # fmt: skip


def _classifier(folder: Path, model: Path) -> None:
    """A trained run and its 8-bit form, for predictions."""
    import netwright as nw
    from netwright.verbs.quantize import quantize

    settings = {"model": {"adapt": "head"}, "columns": {"label": "category"}, "training": {"epochs": 1}}
    nw.train(folder / "train.csv", target="label", model=str(model), output=folder / "run", settings=settings)
    from netwright.verbs.export import export

    export(folder / "run", to="onnx", output=folder / "onnx", data=folder / "test.csv")
    quantize(folder / "run", output=folder / "run-int8", data=folder / "test.csv")  # the form that suits this machine


def table(kept: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["| work | side | seconds | of which steps | score | peak MB | turns |", "|---|---|---|---|---|---|---|"]
    for work, found in kept.items():
        for name, value in found.items():
            if not isinstance(value, dict):
                continue
            if work == "predict":  # each side in one or two arithmetics
                for key in [key for key in value if not key.endswith("accuracy")]:
                    score = f"{value[f'{key} accuracy']:.3f}" if f"{key} accuracy" in value else ""
                    what = {"run": "float32", "run-int8": "int8"}.get(key, key)
                    lines.append(f"| {work} | {name.split()[0]}, {what} | {value[key]:.2f} | | {score} | | {found['turns']} |")  # fmt: skip
                continue
            score = value.get("accuracy", value.get("loss"))
            lines.append(f"| {work} | {name} | {value['seconds']:.1f} | {value.get('steps', value['seconds']):.1f} | {score:.3f} | {value['peak']:,.0f} | {found['turns']} |")  # fmt: skip
    return f"{next(iter(kept.values()))['machine']}; medians.\n\n" + "\n".join(lines)


def main() -> None:
    """Run what is asked for."""
    works = [name for name in sys.argv[1:] if name in SIDES] or list(SIDES)
    turns = int(sys.argv[sys.argv.index("--turns") + 1]) if "--turns" in sys.argv else 3
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for work in works:
        with tempfile.TemporaryDirectory() as folder:
            rows(Path(folder), works)
            kept[work] = run(work, Path(folder), turns)
        KEPT.write_text(json.dumps(kept, indent=1))
        write_section("Pretrained models", table(kept))


if __name__ == "__main__":
    main()
