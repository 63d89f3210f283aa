"""Scores with no settings, beside the baselines fitted on the same rows: `python benchmarks/scores.py [NAME ...]`.

Each set is read as a user would read it and goes through the ordinary `train`. Writes the table into RESULTS.md.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import datasets
import torch

import netwright as nw

SETS = (
    "iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud", "german", "pima", "adult", "satellite", "shuttle",
    "movie", "tweets", "spam", "mnist", "fashion_mnist",
)  # fmt: skip
HEADLINE = {"accuracy": "accuracy", "r2": "R²"}
RESULTS = Path(__file__).parent / "RESULTS.md"
KEPT = Path(__file__).parent / "scores.json"
BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"


def measure(name: str, folder: Path) -> list[dict[str, object]]:
    """Train on one set; return a row for each target."""
    path = datasets.path(name)
    targets = list(datasets.DATASETS[name].target)
    start = time.perf_counter()
    model = nw.train(path, target=targets, output=folder / name)
    seconds = time.perf_counter() - start
    metrics = model.metrics
    rows = []
    for target in targets:
        test = metrics["test"][target] if len(targets) > 1 else metrics["test"]
        rivals = metrics["baseline"][target] if len(targets) > 1 else metrics["baseline"]
        metric = next(key for key in HEADLINE if key in test)
        best = max(rivals, key=lambda rival: rivals[rival][metric]["value"])
        rows.append({
            "set": name if len(targets) == 1 else f"{name}: {target}", "family": model.recipe.model["family"], "metric": HEADLINE[metric],
            **{key: test[metric][key] for key in ("value", "low", "high")}, "baseline": best, "theirs": rivals[best][metric]["value"],
            "log_loss": test.get("log_loss", {}).get("value"),
            "their_log_loss": min((r["log_loss"]["value"] for r in rivals.values() if "log_loss" in r), default=None),
            "seconds": seconds, "date": str(date.today()),
        })  # fmt: skip
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| set | family chosen | metric | network, test | 95 % interval | best baseline | its score | log-loss | baselines' best | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        losses = " | ".join("–" if row[key] is None else f"{row[key]:.3f}" for key in ("log_loss", "their_log_loss"))
        lines.append(
            f"| {row['set']} | {row['family']} | {row['metric']} | {row['value']:.3f} | [{row['low']:.3f}, {row['high']:.3f}] "
            f"| {row['baseline']} | {row['theirs']:.3f} | {losses} | {row['seconds']:.0f} |"
        )
    return "\n".join(lines)


def main(names: list[str]) -> None:
    """Measure the named sets (default: all), keep what was measured before of the others, write the table."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names or SETS:
            kept[name] = measure(name, Path(folder))
            KEPT.write_text(json.dumps(kept, indent=1))
            print(table(kept[name]).splitlines()[-1], flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, netwright {nw.__version__}, {date.today()}"
    text = RESULTS.read_text() if RESULTS.exists() else f"# Results\n\n{BEGIN}\n{END}\n"
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    body = table([row for name in SETS if name in kept for row in kept[name]])
    RESULTS.write_text(
        f"{before}{BEGIN}\nMachine: {machine}. One seed (0); seconds include reading and the baselines.\n\n{body}\n{END}{after}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
