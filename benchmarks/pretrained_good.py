"""How good pretrained models become, each number beside its baselines.

    python benchmarks/pretrained_good.py [movie tweets stamps instructions pairs distill int4]

MiniLM against netwright's own default from nothing and TF-IDF; EfficientNet-lite0 against the convnet from nothing when there
are 20 images a class; LoRA on SmolLM2 by held-out loss and what it forgets; a small network taught by MiniLM; 4-bit storage.
The ordinary `train` with the settings that stand below and nothing else. Kept in `pretrained_good.json`, printed into
`RESULTS.md`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import models
import polars as pl
from datasets import cache, path
from instructions import path as instructions
from results import machine, write_section
from texts import path as texts

import netwright as nw
from netwright.training.checkpoint_start import writer

KEPT = Path(__file__).parent / "pretrained_good.json"
LABEL = {"movie": "label", "tweets": "sentiment"}
ROWS = {"movie": 10_605, "tweets": 6_000}
SHOTS, LEAST = 20, 28  # images a class that are learnt, and of a category that takes part
PAIRS = 1_500  # packages with a one-line synopsis and a description
LEARNT, HELD, OTHER = 300, 60, 40  # conversations, and unrelated texts


def tested(run: nw.Model, name: str = "accuracy") -> float:
    """A run's score on its test rows."""
    return run.metrics["test"][name]["value"]


def sentiment(name: str, folder: Path) -> dict[str, Any]:
    """The same split for each: the checkpoint adapted by default, netwright's default from nothing, the baselines."""
    target = LABEL[name]
    frame = pl.read_csv(path(name)).sample(fraction=1.0, shuffle=True, seed=0)[: ROWS[name]]
    file = folder / f"{name}.csv"
    frame.select("text", target).write_csv(file)
    settings = {"columns": {target: "category", "text": "text"}}
    out: dict[str, Any] = {}
    for side, model in (("MiniLM, adapted by default", str(models.path("minilm"))), ("netwright from nothing", None), ("MiniLM, frozen", str(models.path("minilm")))):  # fmt: skip
        more = {"model": {"adapt": "frozen"}} if side.endswith("frozen") else {}
        began = time.perf_counter()
        run = nw.train(file, target=target, model=model, output=folder / f"run {side}", settings={**settings, **more})
        out[side] = {"accuracy": tested(run), "seconds": time.perf_counter() - began}
        out |= {f"baseline {key}": {"accuracy": found["accuracy"]["value"], "seconds": found["seconds"]} for key, found in run.metrics["baseline"].items()}  # fmt: skip
        print(name, side, out[side], flush=True)
    return out


def stamps(folder: Path) -> dict[str, Any]:
    """Tux Paint's cut-outs by category: 20 of each are learnt, the rest tests; white behind them."""
    place = cache() / "stamps"
    if not place.exists():
        unpack(place)
    import random

    names = sorted(file.parent.name for file in place.rglob("*.png"))
    own = [name for name in sorted(set(names)) if names.count(name) >= LEAST]
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for name in own:
        files = sorted((place / name).glob("*.png"))
        random.Random(0).shuffle(files)
        for part, some in (("train", files[:SHOTS]), ("test", files[SHOTS:])):
            parts[part] += [(str(file), name) for file in some]
    for part, rows in parts.items():
        pl.DataFrame(rows, schema=["image", "label"], orient="row").write_csv(folder / f"{part}.csv")
    out: dict[str, Any] = {"classes": len(own), "train": len(parts["train"]), "test": len(parts["test"])}
    for side, model in (("EfficientNet-lite0", str(models.path("lite0.pth"))), ("convnet from nothing", "convnet")):
        began = time.perf_counter()
        adapt = {"model": {"adapt": "frozen"}} if model != "convnet" else {}
        settings = {"split": {"test_data": str(folder / "test.csv")}, "columns": {"image": "image", "label": "category"}, **adapt}  # fmt: skip
        run = nw.train(folder / "train.csv", target="label", model=model, output=folder / side, settings=settings)
        out[side] = {"accuracy": tested(run), "seconds": time.perf_counter() - began}
        out |= {f"baseline {key}": {"accuracy": found["accuracy"]["value"], "seconds": found["seconds"]} for key, found in run.metrics["baseline"].items()}  # fmt: skip
        print("stamps", side, out[side], flush=True)
    return out


def unpack(place: Path) -> None:
    """Fetch Debian's tuxpaint-stamps-default; each picture small and on white, by its category's name."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["apt-get", "download", "tuxpaint-stamps-default"], cwd=work, check=True, capture_output=True)
        subprocess.run(["dpkg-deb", "-x", str(next(Path(work).glob("*.deb"))), f"{work}/all"], check=True)
        root = Path(work) / "all/usr/share/tuxpaint/stamps"
        ready = Path(work) / "ready"
        for file in sorted(root.rglob("*.png")):
            category = file.relative_to(root).parts[0]
            (ready / category).mkdir(parents=True, exist_ok=True)
            with Image.open(file) as image:
                whole = image.convert("RGBA")
            whole.thumbnail((256, 256))
            paper = Image.new("RGBA", (256, 256), "white")
            paper.alpha_composite(whole, ((256 - whole.width) // 2, (256 - whole.height) // 2))
            paper.convert("RGB").save(ready / category / f"{'-'.join(file.relative_to(root).parts[1:])}")
        subprocess.run(["cp", "-r", str(ready), str(place)], check=True)


def conversations(folder: Path) -> dict[str, Any]:
    """LoRA on SmolLM2: loss on held-out conversations and on unrelated English, before and after."""
    chats = pl.read_ndjson(instructions()).sample(fraction=1.0, shuffle=True, seed=0)
    chats[:LEARNT].write_ndjson(folder / "train.jsonl")
    chats[LEARNT : LEARNT + HELD].write_ndjson(folder / "test.jsonl")
    whole = texts("english").read_text(encoding="utf-8")
    parts = [whole[at : at + 600] for at in range(0, 600 * OTHER, 600)]
    other = [[{"role": "user", "content": "Describe this software package."}, {"role": "assistant", "content": part}] for part in parts]  # fmt: skip
    unrelated = pl.DataFrame({"messages": other})
    model = str(models.path("smollm2"))
    before = writer(model, length=256)
    held = pl.read_ndjson(folder / "test.jsonl")
    out: dict[str, Any] = {"before": {"held-out": loss(before, held), "unrelated": loss(before, unrelated)}}
    print("instructions before", out, flush=True)
    settings = {
        "model": {"adapt": {"how": "lora", "rank": 8}}, "columns": {"messages": {"kind": "messages", "length": 256}},
        "split": {"test_data": str(folder / "test.jsonl"), "validation": 0.1}, "training": {"epochs": 1},
    }  # fmt: skip
    began = time.perf_counter()
    run = nw.train(folder / "train.jsonl", target="messages", model=model, output=folder / "run", settings=settings)
    out["after"] = {"held-out": loss(run, held), "unrelated": loss(run, unrelated), "seconds": time.perf_counter() - began}  # fmt: skip
    print("instructions after", out["after"], flush=True)
    return out


def loss(model: nw.Model, rows: pl.DataFrame) -> float:
    """Mean -ln p of a word of the answers."""
    return model.evaluate(rows)["metrics"]["loss"]["value"]


def pairs(folder: Path) -> dict[str, Any]:
    """The description that belongs to a package's synopsis, found among those of all test rows: mean of 1 / its place."""
    frame = pl.read_ndjson(texts("synopses")).unique("synopsis", keep="first", maintain_order=True)
    frame = frame.sample(fraction=1.0, shuffle=True, seed=0)[:PAIRS].select("synopsis", "description")
    file, minilm, out = folder / "pairs.jsonl", str(models.path("minilm")), dict[str, Any]()
    frame.write_ndjson(file)
    settings = {"inputs": ["synopsis"], "columns": {"description": {"kind": "match"}}}
    for side, model, more in (
        ("netwright from nothing", None, {}), ("MiniLM, taught by pairs", minilm, {"training": {"epochs": 1}}),
        ("MiniLM as it is", minilm, {"training": {"epochs": 1, "learning_rate": 1e-12, "warmup": 0.0}}),
    ):  # fmt: skip
        began = time.perf_counter()
        run = nw.train(file, target="description", model=model, output=folder / side, settings={**settings, **more})
        out[side] = {"mrr": tested(run, "mrr"), "seconds": time.perf_counter() - began}
        out |= {f"baseline {key}": {"mrr": found["mrr"]["value"], "seconds": found["seconds"]} for key, found in run.metrics["baseline"].items()}  # fmt: skip
        print("pairs", side, out, flush=True)
    return out


def distilled(folder: Path) -> dict[str, Any]:
    """A small network taught by MiniLM on the movie snippets: score, lift over the majority, rows a second."""
    frame = pl.read_csv(path("movie")).sample(fraction=1.0, shuffle=True, seed=0)
    frame.select("text", "label").write_csv(folder / "movie.csv")
    settings = {"columns": {"label": "category", "text": "text"}, "training": {"epochs": 2}}
    teacher = nw.train(folder / "movie.csv", target="label", model=str(models.path("minilm")), output=folder / "teacher", settings=settings)  # fmt: skip
    out: dict[str, Any] = {"majority": teacher.metrics["baseline"]["constant"]["accuracy"]["value"]}
    for into in ("linear", "mlp", "transformer"):
        from netwright.verbs.distill import distill

        distill(folder / "teacher", into=into, output=folder / into)
        out[into] = json.loads((folder / into / "distilled.json").read_text())
        print("distill", into, out[into], flush=True)
    return out


def four(folder: Path) -> dict[str, Any]:
    """Perplexity of SmolLM2 on alpaca's answers in float32 and as stored in 4 bits, and the size beside 16-bit floats."""
    from netwright.nn import quantization

    rows = pl.read_ndjson(instructions()).head(24)
    model = writer(str(models.path("smollm2")), length=512)
    out: dict[str, Any] = {"float32": model.evaluate(rows)["metrics"]["perplexity"]["value"]}
    state = model.network.state_dict()
    packed = quantization.packed(state)
    bytes_ = sum(value.numel() * value.element_size() for value in packed.values())
    out["share of fp16"] = bytes_ / (2 * sum(value.numel() for value in state.values()))
    model.network.load_state_dict(quantization.unpacked(packed))
    out["int4"] = model.evaluate(rows)["metrics"]["perplexity"]["value"]
    print("int4", out, flush=True)
    return out


WORKS = {
    "movie": lambda folder: sentiment("movie", folder), "tweets": lambda folder: sentiment("tweets", folder),
    "stamps": stamps, "instructions": conversations, "pairs": pairs, "distill": distilled, "int4": four,
}  # fmt: skip


def told(kept: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines: list[str] = []
    for name in ("movie", "tweets", "stamps"):
        if name not in kept:
            continue
        lines += ["", f"**{name}**", "", "| side | accuracy | s |", "|---|---|---|"]
        rows = [(side, found) for side, found in kept[name].items() if isinstance(found, dict)]
        lines += [f"| {side} | {found['accuracy']:.4f} | {found['seconds']:.0f} |" for side, found in rows]
    if "stamps" in kept:
        found = kept["stamps"]
        lines += ["", f"stamps: {found['classes']} categories of Tux Paint's cut-outs, {found['train']} images learnt (20 a category), {found['test']} tested."]  # fmt: skip
    if "instructions" in kept:
        found = kept["instructions"]
        lines += ["", f"**LoRA on SmolLM2-135M**, {LEARNT} conversations of alpaca-en, 1 epoch", "", "| loss | before | after |", "|---|---|---|"]  # fmt: skip
        lines += [f"| {what} | {found['before'][what]:.4f} | {found['after'][what]:.4f} |" for what in ("held-out", "unrelated")]  # fmt: skip
    if "pairs" in kept:
        lines += ["", f"**Pairs**: the description that belongs to a package's synopsis, of {PAIRS:,} packages", "", "| side | mrr | s |", "|---|---|---|"]  # fmt: skip
        lines += [f"| {side} | {found['mrr']:.3f} | {found['seconds']:.0f} |" for side, found in kept["pairs"].items()]
    if "distill" in kept:
        most = kept["distill"]["majority"]
        lines += ["", f"**A small network taught by MiniLM** (movie; the majority class has {most:.4f})", "", "| student | accuracy | teacher's | share of the lift | times the rows/s |", "|---|---|---|---|---|"]  # fmt: skip
        for name, found in kept["distill"].items():
            if name == "majority":
                continue
            own, theirs = (found[side]["metrics"]["accuracy"]["value"] for side in ("student", "teacher"))
            faster = found["student"]["rows_a_second"] / found["teacher"]["rows_a_second"]
            lines.append(f"| {name} | {own:.4f} | {theirs:.4f} | {(own - most) / max(theirs - most, 1e-9):.2f} | {faster:.1f} |")  # fmt: skip
    if "int4" in kept:
        found = kept["int4"]
        lines += ["", f"**SmolLM2 in 4 bits**: perplexity {found['float32']:.3f} → {found['int4']:.3f} ({100 * (found['int4'] / found['float32'] - 1):+.1f} %) at {found['share of fp16']:.2f} of the size in 16 bits."]  # fmt: skip
    return "\n".join([f"{machine()}", *lines])


def main() -> None:
    """Run what is asked for."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in [name for name in sys.argv[1:] if name in WORKS] or list(WORKS):
        with tempfile.TemporaryDirectory() as folder:
            kept[name] = WORKS[name](Path(folder))
        KEPT.write_text(json.dumps(kept, indent=1))
        write_section("How good pretrained models become", told(kept))


if __name__ == "__main__":
    main()
