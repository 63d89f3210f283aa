"""How good: every set with no setting but its target, beside the baselines on the same split, and every family's row.

    python benchmarks/quality.py [NAME ...] [--seeds 5] [--families [linear,auto]] [--print]

Each seed divides the rows anew. "Points" are paired differences to whichever baseline did best on the very same test rows:
the strict comparison, against the luckiest of several. "On average" are those to the one baseline that is best over all
the splits. Each run's scores are kept in `quality.json`, from which `RESULTS.md` is printed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DATASETS, path
from results import machine, write_section

import netwright as nw
from netwright.errors import InputError

SETS = (
    "wine", "breast_cancer", "diabetes", "pima", "german", "movie", "digits", "satellite", "spam", "adult", "tweets", "shuttle",
    "poems", "mnist", "fashion_mnist",
)  # fmt: skip
FAMILIES = "linear,mlp,convnet,recurrent,transformer,auto"
LARGE = ("adult", "shuttle", "tweets", "spam", "satellite", "movie", "poems")  # whose other families run on one seed
SPLIT = ("mnist", "fashion_mnist")  # come with a test part of their own: one seed
SETTINGS = {  # garments may be mirrored, and are to be learnt in ten minutes, all in all
    "fashion_mnist": {"columns": {"image": {"kind": "image", "mirror": True}}, "training": {"minutes": 9}},
}
PLAIN = "no settings"
KEPT = Path(__file__).parent / "quality.json"
NOTE = """Wine to german, satellite, adult, shuttle, digits (no settings, mlp, auto) and the transformers of satellite, adult, shuttle, movie, tweets
and spam are of the present epochs; other rows are older. Of larger sets the other families ran on one division. One core, other work beside
it: seconds are upper ends.

Points are paired differences: first to whichever baseline did best on the very same test rows, then to the one that is best
on average over these splits. With few rows (`refit`) both sides learn the validation rows too; movie and satellite are
too large for it. Fashion-MNIST has two settings, mirrored images and 9 minutes of steps."""

Run = dict[str, Any]


def once(name: str, seed: int, family: str | None) -> Run | None:
    """Train once; None where the family does not read these columns."""
    began, given = time.perf_counter(), SETTINGS.get(name, {})
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = nw.train(
                path(name),
                target=list(DATASETS[name].target),
                model=family,
                output=Path(folder) / "run",
                settings={**given, "training": {**given.get("training", {}), "seed": seed}},
            )
        except InputError as error:
            print(f"  {name} {family}: {error}")
            return None
        seconds, metrics = time.perf_counter() - began, model.metrics
    head = "r2" if "r2" in metrics["test"] else "accuracy"
    names = [head] if head == "r2" else [head, "brier", "log_loss", "ece"]
    return {
        "seed": seed, "family": model.recipe.model["family"], "seconds": round(seconds, 1),
        "ours": {metric: metrics["test"][metric]["value"] for metric in names},
        "theirs": {
            other: {metric: found[metric]["value"] for metric in names} for other, found in metrics["baseline"].items()
        },
    }  # fmt: skip


def beside(runs: list[Run], metric: str, *, each: bool) -> tuple[str, float, float, float | None]:
    """Return a baseline's name, its mean score, and the mean of our gain over it in points, with its standard error.

    `each`: the baseline that did best on each split (and the name of the most frequent); else the best on average.
    """
    sign = -1 if metric == "brier" else 1
    rivals = list(runs[0]["theirs"])
    scores = np.array([[run["theirs"][rival][metric] for rival in rivals] for run in runs])  # (splits, baselines)
    best = (sign * scores).argmax(1) if each else np.full(len(runs), (sign * scores.mean(0)).argmax())
    theirs = scores[np.arange(len(runs)), best]
    gains = 100 * sign * (np.array([run["ours"][metric] for run in runs]) - theirs)
    error = float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None
    return rivals[np.bincount(best).argmax()], float(theirs.mean()), float(gains.mean()), error


def row(name: str, family: str, runs: list[Run]) -> str:
    """One line of the table."""
    mean: Callable[[str], float] = lambda metric: float(np.mean([run["ours"][metric] for run in runs]))  # noqa: E731
    metric = next(iter(runs[0]["ours"]))
    chosen = [run["family"] for run in runs]
    most = max(sorted(set(chosen)), key=chosen.count)
    shown = f"**{family}** ({most})" if family == PLAIN else f"auto ({most})" if family == "auto" else family
    cells = [name, shown, str(len(runs)), metric, f"{mean(metric):.4f}"]
    for each in (True, False):
        rival, score, gain, error = beside(runs, metric, each=each)
        cells += [f"{score:.4f} ({rival})", f"{gain:+.2f}" + ("" if error is None else f" ± {error:.2f}")]
    if "brier" in runs[0]["ours"]:
        gains = [beside(runs, "brier", each=each)[2] for each in (True, False)]
        cells += [f"{mean('brier'):.4f}", *(f"{gain:+.2f}" for gain in gains), f"{mean('ece'):.3f}"]
    else:
        cells += ["–"] * 4
    seconds = float(np.mean([run["seconds"] for run in runs]))
    return f"| {' | '.join([*cells, f'{seconds:.0f}'])} |"


def table(kept: dict[str, dict[str, list[Run]]]) -> str:
    """The results as Markdown: no settings, then every family."""
    heads = (
        "set", "family", "seeds", "metric", "netwright", "best baseline of each split", "points ± s.e.", "best on average",
        "points ± s.e.", "Brier", "gain × 100", "on average", "ECE", "s",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in sorted(kept, key=SETS.index):
        order = [PLAIN, *FAMILIES.split(",")]
        lines += [row(name, family, kept[name][family]) for family in order if family in kept[name]]
    return "\n".join(lines)


def keep(name: str, family: str, runs: list[Run]) -> dict[str, Any]:
    """Put runs into `quality.json`; return all that it holds."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if runs:
        kept.setdefault(name, {})[family] = runs
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def main() -> None:
    """Run what is asked for, keep each result as soon as it is there."""
    parser = argparse.ArgumentParser(description="How good netwright is, beside the baselines.")
    parser.add_argument("name", nargs="*", default=SETS, help="sets; all by default")
    parser.add_argument("--seeds", type=int, default=5, help="divisions of the rows")
    parser.add_argument(
        "--families", nargs="?", const=FAMILIES, default="", help="these families; all if none is named"
    )
    parser.add_argument("--print", action="store_true", help="only print what is kept")
    asked = parser.parse_args()
    for name in () if asked.print else asked.name:
        for family in [name for name in asked.families.split(",") if name] or [None]:
            count = 1 if name in SPLIT or (family is not None and name in LARGE) else asked.seeds
            runs: list[Run] = []
            for seed in range(count):
                run = once(name, seed, family)
                runs += [] if run is None else [run]
                keep(name, family or PLAIN, runs)
            if runs:
                print(row(name, family or PLAIN, runs), flush=True)
    write_section("How good", f"{machine()}. {NOTE}\n\n{table(keep('', '', []))}")


if __name__ == "__main__":
    main()
