"""Beside AutoGluon: netwright with no setting but its target, and AutoGluon's tabular predictor given 120 s.

    python -m venv /tmp/autogluon && /tmp/autogluon/bin/pip install "autogluon.tabular[all]==1.6.*"
    python benchmarks/autogluon.py --peer /tmp/autogluon/bin/python [NAME ...] [--seeds 5] [--preset medium_quality]

Both answer the same test rows. AutoGluon gets netwright's training and validation rows together and divides them as it
likes; `medium_quality` is its default, `best_quality` its strongest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import polars as pl
from datasets import DATASETS, path
from results import machine, write_section

import netwright as nw
from netwright.training import pipeline
from netwright.training.resolve import declare

SETS = ("wine", "pima", "german", "satellite", "adult")
SECONDS = 120
KEPT = Path(__file__).parent / "autogluon.json"
PEER = """
import json, sys, time
import numpy as np, pandas as pd
from autogluon.tabular import TabularPredictor
folder, target, seconds, preset = sys.argv[1:5]
known, asked = (pd.read_csv(f"{folder}/{part}.csv", keep_default_na=False, na_values=[""]) for part in ("known", "asked"))
began = time.perf_counter()
model = TabularPredictor(target, path=f"{folder}/ag", verbosity=0).fit(known, time_limit=float(seconds), presets=preset)
found = model.predict_proba(asked)
spent = time.perf_counter() - began
hot = np.array([[name == truth for name in found.columns] for truth in asked[target]], float)
right = found.columns.to_numpy()[found.to_numpy().argmax(1)] == asked[target].to_numpy()
brier = ((found.to_numpy() - hot) ** 2).sum(1).mean() / (2 if found.shape[1] == 2 else 1)
print(json.dumps({"accuracy": float(right.mean()), "brier": float(brier), "seconds": spent}))
"""


def ours(name: str, seed: int, folder: Path) -> dict[str, float]:
    """Train netwright; its scores on the test rows and all its seconds, baselines and report included."""
    began = time.perf_counter()
    target = list(DATASETS[name].target)
    model = nw.train(path(name), target=target, output=folder / "run", settings={"training": {"seed": seed}})
    test = model.metrics["test"]
    scores = {metric: test[metric]["value"] for metric in ("accuracy", "brier")}
    return {**scores, "seconds": time.perf_counter() - began}


def theirs(name: str, seed: int, folder: Path, peer: str, preset: str) -> dict[str, float]:
    """Train AutoGluon on the same rows, in a process of its own environment."""
    target = list(DATASETS[name].target)
    recipe = declare(None, target=target, model=None, recipe=None, settings={"training": {"seed": seed}})
    described = pipeline.describe_rows(recipe, pipeline.read(recipe, path(name)))
    parts, frame = pipeline.divide(described), described.table.frame
    pl.concat([frame[parts.train], frame[parts.validation]]).write_csv(folder / "known.csv")
    frame[parts.test].write_csv(folder / "asked.csv")
    command = [peer, "-c", PEER, str(folder), target[0], str(SECONDS), preset]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(kept: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "| set | rows | seeds | netwright: accuracy | Brier | s | AutoGluon's preset | accuracy | Brier | s | points ± s.e. | Brier gain × 100 |",
        "|---" * 12 + "|",
    ]
    for name in SETS:
        for preset, both in kept.get(name, {}).items():
            a, b = ({key: [run[key] for run in both[side]] for key in both[side][0]} for side in ("ours", "theirs"))
            points = [100 * (own - other) for own, other in zip(a["accuracy"], b["accuracy"], strict=True)]
            error = f" ± {stdev(points) / len(points) ** 0.5:.2f}" if len(points) > 1 else ""
            lines.append(
                f"| {name} | {DATASETS[name].rows:,} | {len(points)} | {mean(a['accuracy']):.4f} | {mean(a['brier']):.4f} | {mean(a['seconds']):.0f} | {preset}"
                f" | {mean(b['accuracy']):.4f} | {mean(b['brier']):.4f} | {mean(b['seconds']):.0f} | {mean(points):+.2f}{error}"
                f" | {100 * (mean(b['brier']) - mean(a['brier'])):+.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, one side after the other; keep each result as soon as it is there."""
    parser = argparse.ArgumentParser(description="netwright beside AutoGluon.")
    parser.add_argument("name", nargs="*", default=SETS, help="sets; all by default")
    parser.add_argument("--peer", required=True, help="the Python of an environment with AutoGluon")
    parser.add_argument("--preset", default="medium_quality", help="AutoGluon's preset")
    parser.add_argument("--seeds", type=int, default=5, help="divisions of the rows")
    asked = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in asked.name:
        both: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
        for seed in range(asked.seeds):
            with tempfile.TemporaryDirectory() as made:
                both["theirs"].append(theirs(name, seed, Path(made), asked.peer, asked.preset))
                both["ours"].append(ours(name, seed, Path(made)))
            kept.setdefault(name, {})[asked.preset] = both
            KEPT.write_text(json.dumps(kept, indent=1) + "\n")
            print(name, {side: runs[-1] for side, runs in both.items()}, flush=True)
    version = subprocess.run(
        [asked.peer, "-c", "from importlib.metadata import version; print(version('autogluon.tabular'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    note = f"AutoGluon {version}, at most {SECONDS} s; the same test rows; netwright's seconds hold its"
    write_section("Beside AutoGluon", f"{machine()}. {note} baselines and report.\n\n{table(kept)}")


if __name__ == "__main__":
    main()
