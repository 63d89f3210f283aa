"""How well texts are written: language models, translation, summaries, each beside what one would use instead.

    python benchmarks/language.py [poems help synopses adapted] [--steps N] [--run FOLDER]

Texts that stand twice are left out before rows are divided, so that no split shares one. Each is trained by the ordinary
`train` with the settings that stand below and nothing else; results are kept in `language.json` and printed into
`RESULTS.md`. `adapted` is the synopses again, written by SmolLM2-135M with LoRA after some of the rows; its nearest neighbour
is looked for in all of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import models
import numpy as np
import polars as pl
from results import machine, write_section
from texts import path

import netwright as nw
from netwright.evaluation import metrics as measure
from netwright.evaluation.baselines import ngrams
from netwright.evaluation.baselines.nearest import nearest
from netwright.nn.heads.text.settings import SamplingParams

KEPT = Path(__file__).parent / "language.json"
FAR = 0.6  # cosine of the nearest training source below which a row is far
SETTINGS: dict[str, dict[str, Any]] = {
    "poems": {
        "model": {"family": "transformer", "width": 192, "depth": 4},
        "columns": {"text": {"kind": "text", "tokens": "characters", "vocabulary": 6144, "length": 128}},
        "split": {"test": 0.01, "validation": 0.003},
        "training": {"optimizer": "muon", "learning_rate": 0.004, "batch_size": 48, "epochs": 1, "steps": 2600, "weight_decay": 0.01},
    },
    "help": {
        "model": {"family": "transformer", "width": 256, "depth": 4},
        "inputs": ["en"], "columns": {"zh": {"kind": "text", "vocabulary": 8192, "length": 160}},
        "split": {"test": 0.06, "validation": 0.03, "group": "page"},
        "training": {"optimizer": "muon", "learning_rate": 0.004, "batch_size": 48, "epochs": 12, "steps": 2200, "weight_decay": 0.05},
    },
    "synopses": {
        "model": {"family": "transformer", "width": 256, "depth": 4},
        "inputs": ["description"], "columns": {"synopsis": {"kind": "text", "vocabulary": 8192, "length": 256}},
        "split": {"test": 0.02, "validation": 0.01, "group": "source"},
        "training": {"optimizer": "muon", "learning_rate": 0.004, "batch_size": 24, "epochs": 4, "steps": 1500, "weight_decay": 0.05},
    },
    "adapted": {
        "model": {"adapt": {"how": "lora", "rank": 16}},
        "inputs": ["description"], "columns": {"synopsis": {"kind": "text", "length": 256}},
        "split": {"column": "part"},
        "training": {"learning_rate": 5e-4, "batch_size": 8, "epochs": 1},
    },
}  # fmt: skip
TARGET = {"poems": "text", "help": "zh", "synopses": "synopsis", "adapted": "synopsis"}
NAMES = {"adapted": "synopses, by SmolLM2-135M with LoRA after 1,200 rows"}
FEW = {"train": 1200, "validation": 60, "test": 300}  # rows of `adapted`


def rows(name: str) -> pl.DataFrame:
    """The set's rows, each text once."""
    frame = pl.read_ndjson(path("synopses" if name == "adapted" else name))
    if name == "poems":
        return frame.unique("text", keep="first", maintain_order=True)
    if name == "help":
        return frame.unique(["en", "zh"], keep="first", maintain_order=True)
    # packages of one source have like names: they stay on one side
    source = frame["package"].str.split("-").list.first().alias("source")
    frame = frame.with_columns(source).unique("synopsis", keep="first", maintain_order=True)
    return frame if name == "synopses" else some(frame)


def some(frame: pl.DataFrame) -> pl.DataFrame:
    """Some rows to learn, some whose sources no learnt row has; all others of these sources' kind are `rest`."""
    sources = frame["source"].unique(maintain_order=True).sample(fraction=1.0, shuffle=True, seed=0)
    held = frame.filter(pl.col("source").is_in(sources[: sources.len() // 20].to_list())).sample(fraction=1.0, shuffle=True, seed=0)  # fmt: skip
    others = frame.filter(~pl.col("source").is_in(held["source"].unique().to_list())).sample(fraction=1.0, shuffle=True, seed=0)  # fmt: skip
    ends = FEW["test"], FEW["test"] + FEW["validation"]
    parts = {"test": held[: ends[0]], "validation": held[ends[0] : ends[1]], "train": others[: FEW["train"]], "rest": others[FEW["train"] :]}  # fmt: skip
    return pl.concat(part.with_columns(part=pl.lit(name)) for name, part in parts.items())


def trained(name: str, steps: int | None) -> tuple[nw.Model, float]:
    """Train a set's network."""
    settings = json.loads(json.dumps(SETTINGS[name]))
    if steps:
        settings["training"]["steps"] = steps
    if name in ("synopses", "adapted"):
        settings["leave_out"] = ["package"] if name == "synopses" else ["package", "source"]
    start = str(models.path("smollm2")) if name == "adapted" else None
    frame = rows(name)
    frame = frame.filter(pl.col("part") != "rest") if name == "adapted" else frame
    folder = Path(tempfile.gettempdir()) / f"netwright-{name}-{int(time.time())}"
    began = time.perf_counter()
    model = nw.train(frame, target=TARGET[name], model=start, output=folder, settings=settings)
    return model, time.perf_counter() - began


def values(metrics: dict[str, Any]) -> dict[str, float]:
    """The values of metrics without their intervals."""
    return {key: found["value"] for key, found in metrics.items() if isinstance(found, dict) and "value" in found}


def taken(name: str) -> int:
    """How many steps a set's training takes."""
    training = SETTINGS[name]["training"]
    return training.get("steps") or -(-FEW["train"] * training["epochs"] // training["batch_size"])


def estimate(model: nw.Model) -> float:
    """The seconds of training that the plan expected, from steps measured before the first."""
    assert model.run is not None
    events = [json.loads(line) for line in model.run.events.read_text().splitlines()]
    return next(event["data"]["estimate"] for event in events if event["name"] == "plan")


def poems(model: nw.Model, frame: pl.DataFrame) -> dict[str, Any]:
    """Bits per byte beside n-grams of bytes and of characters, counted in all other poems."""
    test = pl.read_csv(model.run.predictions, schema_overrides={"text": pl.String})["text"].to_list()  # type: ignore[union-attr]
    held = set(test)
    train = [text for text in frame["text"].to_list() if text not in held]
    size = sum(len(text.encode()) for text in test)
    codes = lambda texts: [np.frombuffer(text.encode(), np.uint8).astype(np.int64) for text in texts]  # noqa: E731
    bytes_ = ngrams.Grams.counted(codes(train), ngrams.BYTES, 5).nats(codes(test)).sum() / np.log(2) / size
    return {"ngrams of bytes": float(bytes_), "ngrams of characters": _characters(train, test, size)}


def _characters(train: list[str], test: list[str], size: int) -> float:
    """A 5-gram of characters; one never seen costs its bytes, each as one of 256, after a sign that it is unknown."""
    known = {letter: number for number, letter in enumerate(sorted(set("".join(train))))}
    unknown, mark = len(known), len(known) + 1
    read = lambda texts: [np.array([known.get(c, unknown) for c in text], np.int64) for text in texts]  # noqa: E731
    model = ngrams.Grams.counted(read(train), mark + 1, 5)
    extra = sum(len(c.encode()) * np.log(256) for text in test for c in text if c not in known)
    return float((model.nats(read(test)).sum() + extra) / np.log(2) / size)


def far(model: nw.Model, frame: pl.DataFrame) -> dict[str, Any]:
    """Scores on the test rows whose nearest training source is far, beside the translation memory's."""
    test = pl.read_csv(model.run.predictions)  # type: ignore[union-attr]
    places = [int(name.rpartition(":")[2]) - 1 for name in test["id"].to_list()]
    own = frame[places]
    rest = frame.with_row_index().filter(~pl.col("index").is_in(places))
    found, cosine = nearest(rest["en"].to_list(), own["en"].to_list())
    away = np.flatnonzero(cosine < FAR)
    truth = np.array(own["zh"].to_list(), object)[away]
    said = {
        "netwright": np.array(test["zh_predicted"].fill_null("").to_list(), object)[away],
        "translation memory": np.array(rest["zh"].to_list(), object)[found][away],
    }
    return {
        "far rows": len(away), "far": {name: values(measure.measure("text", truth, {"text": text}, names=["bleu", "chrf"])) for name, text in said.items()},
    }  # fmt: skip


def run(name: str, steps: int | None, done: str | None) -> None:
    """Train, measure, keep; `done`: the folder of a run that was trained already."""
    frame = rows(name)
    model, seconds = (nw.load(done), 0.0) if done else trained(name, steps)
    weights = sum(weight.numel() for weight in model.network.parameters())
    out: dict[str, Any] = {
        "rows": frame.height, "weights": weights, "seconds": round(seconds), "steps": steps or taken(name),
        "estimate": estimate(model), "training seconds": round(model.metrics["history"][-1]["seconds"]), "test": values(model.metrics["test"]),
        "baseline": {key: values(found) for key, found in model.metrics["baseline"].items()}, "machine": machine(),
    }  # fmt: skip
    if name == "poems":
        out |= poems(model, frame)
        texts = model.generate(
            ["床前", "春", "明月"], sampling=SamplingParams(max_tokens=60, temperature=0.8, top_p=0.95)
        )
        out["samples"] = [text.text for text in texts]
    if name == "help":
        out |= far(model, frame)
    if name == "adapted":
        test, rest = frame.filter(pl.col("part") == "test"), frame.filter(pl.col("part").is_in(["train", "rest"]))
        found, _ = nearest(rest["description"].to_list(), test["description"].to_list())
        text = np.array(rest["synopsis"].to_list(), object)[found]
        truth = np.array(test["synopsis"].to_list(), object)
        scores = values(measure.measure("text", truth, {"text": text}, names=["rouge_l", "chrf", "bleu"]))
        out["baseline"]["nearest"] = scores
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    kept[name] = out
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False))
    print(name, json.dumps(out, ensure_ascii=False), flush=True)
    write_section("How well it writes", table(kept))


def table(kept: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["| set | what | netwright | instead |", "|---|---|---|---|"]
    for name, found in kept.items():
        size = f"{found['weights'] / 1e6:.1f} M weights, {found['steps']:,} steps: {found['estimate'] / 60:.0f} min by the plan's measurement before step 1, {found['training seconds'] / 60:.0f} min here"
        test, base, name = found["test"], found["baseline"], NAMES.get(name, name)
        if name == "poems":
            instead = (
                f"byte 5-gram {found['ngrams of bytes']:.3f}, character 5-gram {found['ngrams of characters']:.3f}"
            )
            lines.append(f"| {name} ({size}) | bits per byte | **{test['bits_per_byte']:.3f}** | {instead} |")
            continue
        for metric in ("chrf", "bleu", "rouge_l"):
            instead = ", ".join(f"{key} {value[metric]:.3g}" for key, value in base.items() if metric in value)
            lines.append(f"| {name} ({size}) | {metric}, all | **{test[metric]:.3g}** | {instead} |")
        if "far" in found:
            for metric in ("chrf", "bleu"):
                ours, theirs = (found["far"][key][metric] for key in ("netwright", "translation memory"))
                lines.append(
                    f"| {name} | {metric}, {found['far rows']:,} far rows | **{ours:.3g}** | translation memory {theirs:.3g} |"
                )
    first = next(iter(kept.values()))
    samples = kept.get("poems", {}).get("samples", [])
    shown = "".join(f"\n> {text.strip().replace(chr(10), ' / ')}\n" for text in samples)
    return (
        f"{first['machine']}; other work ran beside it.\n\n"
        + "\n".join(lines)
        + ("\n\nPoems begun with 床前, 春, 明月:\n" + shown if samples else "")
    )


def main() -> None:
    """Run what is asked for."""
    asked = [name for name in sys.argv[1:] if name in SETTINGS] or list(SETTINGS)
    steps = int(sys.argv[sys.argv.index("--steps") + 1]) if "--steps" in sys.argv else None
    for name in asked:
        run(name, steps, sys.argv[sys.argv.index("--run") + 1] if "--run" in sys.argv else None)


if __name__ == "__main__":
    main()
