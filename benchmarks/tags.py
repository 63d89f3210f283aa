"""Tags and spans on real text, with no setting but inputs and targets, beside the baselines on the same rows.

    python benchmarks/tags.py [NAME ...] [--print]

`news`: a part of speech for each word of newspapers, and the names among the words, by one network with two targets; no
sentence stands in two parts. `help`: which piece of the text round a paragraph of help fills its blank; no page stands in
two parts. Each result is kept in `tags.json`, from which `RESULTS.md` is printed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import path
from results import machine, write_section

import netwright as nw

KEPT = Path(__file__).parent / "tags.json"
RUNS: dict[str, dict[str, Any]] = {
    "news": {"set": "news_tags", "target": ["tags", "entities"], "settings": {"inputs": ["words"]}},
    "help": {
        "set": "help_cloze", "target": ["answer"],
        "settings": {"inputs": ["question", "context"], "split": {"group": "page"}},
    },
}  # fmt: skip
SHOWN = {
    "tags": ("accuracy", "f1_macro"), "entities": ("entity_f1", "entity_precision", "entity_recall"),
    "answer": ("f1", "exact_match"),
}  # fmt: skip
NOTE = (
    "Seconds are those of one core's work, training and measuring together (–: interrupted and resumed, so not known; an "
    "epoch then took about 75 s of the news and 60 s of the help, beside other work). News: the ask was 3 points above "
    "the most frequent tag of each word (`lexicon`). Help: questions made of LibreOffice's help by blanking a marked term "
    "that also stands in the text round it (`benchmarks/datasets.py`); nobody asked them, and no published score compares."
)


def once(name: str) -> dict[str, Any]:
    """Train, and return what was measured."""
    asked, folder, began = RUNS[name], Path(tempfile.mkdtemp()), time.process_time()
    settings = {**asked["settings"], "plan": {"threads": 1}}
    try:
        model = nw.train(path(asked["set"]), target=asked["target"], output=folder / "run", settings=settings)
        metrics, rows = model.metrics, json.loads((folder / "run" / "profile.json").read_text())["rows"]
    finally:
        shutil.rmtree(folder)
    several = len(asked["target"]) > 1

    def held(part: str) -> dict[str, Any]:
        found = metrics[part]
        return found if several else {asked["target"][0]: found}

    return {
        "family": model.recipe.model["family"], "rows": rows, "epochs": len(metrics["history"]),
        "seconds": round(time.process_time() - began), "ours": held("test"), "theirs": held("baseline"),
    }  # fmt: skip


def table(kept: dict[str, Any]) -> str:
    """The results as Markdown."""
    heads = (
        "set",
        "family",
        "rows: train / validation / test",
        "target",
        "metric",
        "netwright [95 %]",
        "baseline",
        "points",
        "s",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, run in kept.items():
        for target, found in run["ours"].items():
            for metric in SHOWN[target]:
                ours = found[metric]
                rivals = {each: values[metric]["value"] for each, values in run["theirs"][target].items()}
                best = max(rivals, key=lambda each: rivals[each])
                cells = [
                    name, run["family"], " / ".join(f"{count:,}" for count in run["rows"].values()), target, metric,
                    f"{ours['value']:.4f} [{ours['low']:.4f}, {ours['high']:.4f}]", f"{rivals[best]:.4f} ({best})",
                    f"{100 * (ours['value'] - rivals[best]):+.1f}", f"{run['seconds']:,}" if run["seconds"] else "–",
                ]  # fmt: skip
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, keep each result as soon as it is there."""
    parser = argparse.ArgumentParser(description="How good netwright is at tags and spans, beside the baselines.")
    parser.add_argument("name", nargs="*", default=list(RUNS), help="runs; all by default")
    parser.add_argument("--print", action="store_true", help="only print what is kept")
    asked = parser.parse_args()
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in () if asked.print else asked.name:
        kept[name] = once(name)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    write_section("Tags and spans", f"{machine()}.\n\n{table(kept)}\n\n{NOTE}")


if __name__ == "__main__":
    main()
