"""How good: every set with no setting but its target, beside the baselines on the same split, and every family's row.

    python benchmarks/quality.py [NAME ...] [--seeds 5] [--families]

Each seed divides the rows anew; the difference is to the best baseline on the same test rows (chosen there, so that the
comparison is against the network). Results are kept in `quality.json`, set by set, and printed into `RESULTS.md`.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DATASETS, path
from results import machine, write_section

import netwright as nw
from netwright.errors import InputError

SETS = (
    "wine", "breast_cancer", "diabetes", "pima", "german", "movie", "digits", "satellite", "spam", "adult", "tweets", "shuttle",
)  # fmt: skip
FAMILIES = ("linear", "mlp", "convnet", "recurrent", "transformer", "auto")
LARGE = ("adult", "shuttle", "tweets", "spam", "satellite", "movie")  # whose other families run on one seed
SETTINGS = {"fashion_mnist": {"columns": {"image": {"kind": "image", "mirror": True}}}}  # garments may be mirrored
KEPT = Path(__file__).parent / "quality.json"


def once(name: str, seed: int, family: str | None) -> dict[str, Any] | None:
    """Train once; None where the family does not read these columns."""
    folder = Path(tempfile.mkdtemp())
    began = time.perf_counter()
    try:
        model = nw.train(
            path(name),
            target=list(DATASETS[name].target),
            model=family,
            output=folder / "run",
            settings={"training": {"seed": seed}, **SETTINGS.get(name, {})},
        )
    except InputError as error:
        print(f"  {name} {family}: {error}")
        return None
    seconds, metrics = time.perf_counter() - began, model.metrics
    shutil.rmtree(folder)
    head = "r2" if "r2" in metrics["test"] else "accuracy"
    names = [head] if head == "r2" else [head, "brier", "log_loss", "ece"]
    return {
        "family": model.recipe.model["family"], "seconds": round(seconds, 1),
        "ours": {metric: metrics["test"][metric]["value"] for metric in names},
        "theirs": {
            other: {metric: found[metric]["value"] for metric in names} for other, found in metrics["baseline"].items()
        },
    }  # fmt: skip


def compared(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean scores, and mean paired differences to the best baseline of each split (in points; Brier × 100)."""
    head = next(iter(runs[0]["ours"]))
    scores = [run["ours"][head] for run in runs]
    best = [max(run["theirs"], key=lambda name: run["theirs"][name][head]) for run in runs]
    gains = [score - run["theirs"][name][head] for score, run, name in zip(scores, runs, best, strict=True)]
    out = {
        "metric": head, "seeds": len(runs), "score": float(np.mean(scores)), "gain": 100 * float(np.mean(gains)),
        "error": 100 * float(np.std(gains, ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None,
        "baseline": float(np.mean([run["theirs"][name][head] for run, name in zip(runs, best, strict=True)])),
        "rival": max(set(best), key=best.count), "seconds": float(np.mean([run["seconds"] for run in runs])),
        "family": max({run["family"] for run in runs}, key=lambda f: sum(run["family"] == f for run in runs)),
    }  # fmt: skip
    if "brier" in runs[0]["ours"]:
        least = [min(found["brier"] for found in run["theirs"].values()) for run in runs]
        out["brier"] = float(np.mean([run["ours"]["brier"] for run in runs]))
        out["brier_gain"] = 100 * float(
            np.mean([low - run["ours"]["brier"] for low, run in zip(least, runs, strict=True)])
        )
        out["ece"] = float(np.mean([run["ours"]["ece"] for run in runs]))
    return out


def table(kept: dict[str, Any]) -> str:
    """The results as Markdown: no settings, then every family."""
    lines = [
        "| set | family | seeds | metric | netwright | best baseline | points (± s.e.) | Brier | Brier gain × 100 | ECE | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in kept.items():
        for family, row in sorted(rows.items(), key=lambda item: item[0] != "no settings"):
            error = "" if row["error"] is None else f" ± {row['error']:.2f}"
            shown = (
                f"**{family}** ({row['family']})"
                if family == "no settings"
                else family
                if family != "auto"
                else f"auto ({row['family']})"
            )
            brier = (
                f"{row['brier']:.4f} | {row['brier_gain']:+.2f} | {row['ece']:.3f}" if "brier" in row else "– | – | –"
            )
            lines.append(
                f"| {name} | {shown} | {row['seeds']} | {row['metric']} | {row['score']:.4f} | {row['baseline']:.4f} ({row['rival']})"
                f" | {row['gain']:+.2f}{error} | {brier} | {row['seconds']:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, keep each result as soon as it is there."""
    asked = [name for name in sys.argv[1:] if not name.startswith("--") and not name.isdigit()] or list(SETS)
    seeds = int(sys.argv[sys.argv.index("--seeds") + 1]) if "--seeds" in sys.argv else 5
    families: list[str | None] = [*FAMILIES] if "--families" in sys.argv else [None]
    for name in asked:
        for family in families:
            count = seeds if family is None or name not in LARGE else 1
            runs = [run for seed in range(count) if (run := once(name, seed, family)) is not None]
            if not runs:
                continue
            kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
            kept.setdefault(name, {})[family or "no settings"] = compared(runs)
            KEPT.write_text(json.dumps(kept, indent=1))
            print(name, family or "no settings", json.dumps(compared(runs)), flush=True)
    kept = json.loads(KEPT.read_text())
    write_section(
        "How good", f"{machine()}; other work ran beside it, so that seconds are upper ends.\n\n{table(kept)}"
    )


if __name__ == "__main__":
    main()
