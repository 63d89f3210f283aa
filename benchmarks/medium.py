"""A language model of 30 million weights, blocks of 512 tokens, 4 at once, AdamW, float32; beside a loop and a Trainer.

    python benchmarks/medium.py [--steps 16] [--turns 3]

Sides: netwright's ordinary `train`; the plain loop of `character.py` (nanoGPT's layers) at the same width, depth and tokens, on
two threads; transformers' Trainer on `LlamaForCausalLM` of our very shape. Each in a process of its own, in turns, over the
same tokens of the same tokenizer. A step's time is the mean over the steps of the training, from its first on. The share of
the machine's peak: multiplications and additions that the shape asks for (6 a weight of a product and token, and attention's
half square), divided by time and by the rate of one large product of matrices, measured beside it. Kept in `medium.json`,
printed into `RESULTS.md`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from character import Plain
from results import machine, write_section
from texts import path
from torch import Tensor

KEPT = Path(__file__).parent / "medium.json"
D, DEPTH, HEADS, T, B, WORDS, RATE = 512, 8, 8, 512, 4, 8192, 3e-4
SIDES = ("netwright", "plain loop", "Trainer")


def run(text: Path, folder: Path, steps: int) -> Any:
    """Train ours; without steps, only its tokenizer."""
    import polars as pl

    import netwright as nw

    whole, size = text.read_text(encoding="utf-8"), 20_000
    cut = len(whole) * 9 // 10
    for name, part in (("train", whole[:cut]), ("test", whole[cut : cut + 40_000])):
        pl.DataFrame({"text": [part[at : at + size] for at in range(0, len(part), size)]}).write_ndjson(folder / f"{name}.jsonl")  # fmt: skip
    settings = {
        "model": {"family": "transformer", "width": D, "depth": DEPTH, "heads": HEADS, "dropout": 0.0},
        "columns": {"text": {"kind": "text", "vocabulary": WORDS, "length": T}},
        "split": {"validation": 0.0, "test_data": str(folder / "test.jsonl")},
        "training": {"optimizer": "adamw", "learning_rate": RATE, "batch_size": B, "steps": steps, "weight_decay": 0.1, "pack": True, "epochs": 100, "patience": 0},
    }  # fmt: skip
    return nw.train(
        folder / "train.jsonl", target="text", output=Path(tempfile.mkdtemp(dir=folder)) / "run", settings=settings
    )


def ours(text: Path, folder: Path, steps: int) -> dict[str, float]:
    """netwright's step, and how many weights it has."""
    model = run(text, folder, steps)
    last = model.metrics["history"][-1]
    return {"ms": 1000 * last["seconds"] / steps, "loss": last["loss"], "weights": sum(p.numel() for p in model.network.parameters())}  # fmt: skip


def tokens(text: Path, folder: Path) -> Tensor:
    """All training tokens in one row."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
    whole = text.read_text(encoding="utf-8")
    return torch.tensor(tokenizer.encode(whole[: len(whole) * 9 // 10]).ids)


def plain(text: Path, folder: Path, steps: int) -> dict[str, float]:
    """The loop."""
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    data = tokens(text, folder)
    model = Plain(WORDS, width=D, depth=DEPTH, heads=HEADS, length=T)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.95), weight_decay=0.1)
    began, loss = time.perf_counter(), 0.0
    for _ in range(steps):
        at = torch.randint(len(data) - T - 1, (B,))
        x, y = (torch.stack([data[i + more : i + more + T] for i in at]) for more in (0, 1))
        found = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        found.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss = found.item()
    return {"ms": 1000 * (time.perf_counter() - began) / steps, "loss": loss, "weights": sum(p.numel() for p in model.parameters())}  # fmt: skip


def trainer(text: Path, folder: Path, steps: int) -> dict[str, float]:
    """transformers' Trainer on the shape that our run was exported with."""
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

    torch.manual_seed(0)
    data = tokens(text, folder)[: (1 + B * steps) * T].unfold(0, T, T)
    net = LlamaForCausalLM(LlamaConfig(**json.loads((folder / "shape.json").read_text())))
    settings = TrainingArguments(
        output_dir=str(folder / "trainer"), max_steps=steps, per_device_train_batch_size=B, learning_rate=RATE, weight_decay=0.1,
        adam_beta2=0.95, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True, seed=0,
    )  # fmt: skip
    rows = [{"input_ids": row, "labels": row} for row in data]
    learnt = Trainer(net, settings, train_dataset=rows)
    began = time.perf_counter()
    done = learnt.train()
    return {"ms": 1000 * (time.perf_counter() - began) / steps, "loss": done.training_loss, "weights": sum(p.numel() for p in net.parameters())}  # fmt: skip


def peak() -> float:
    """GFLOP/s of one product of 2,048 by 2,048, the best of ten."""
    a, best = torch.randn(2048, 2048), float("inf")
    for _ in range(10):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * 2048**3 / best / 1e9


def asked(shape: dict[str, Any]) -> float:
    """GFLOP that a step of our shape asks for: 2 forward and 4 backward a weight and token, and causal attention."""
    width, wide, depth = shape["hidden_size"], shape["intermediate_size"], shape["num_hidden_layers"]
    weights = depth * (4 * width**2 + 3 * width * wide) + width * shape["vocab_size"]
    return 6 * B * T * (weights + depth * width * T) / 1e9


def main() -> None:
    """Run all sides in turns, or one where it is named."""
    steps = int(sys.argv[sys.argv.index("--steps") + 1]) if "--steps" in sys.argv else 16
    turns = int(sys.argv[sys.argv.index("--turns") + 1]) if "--turns" in sys.argv else 3
    text = path("english")
    if "--side" in sys.argv:
        at = sys.argv.index("--side")
        work = {"netwright": ours, "plain loop": plain, "Trainer": trainer}[sys.argv[at + 1]]
        print(json.dumps({**work(text, Path(sys.argv[at + 2]), steps), "peak": peak()}))
        return
    kept: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        from netwright.export import llama

        shape = {
            key: value for key, value in llama.config(run(text, Path(folder), 1)).items() if key != "architectures"
        }
        (Path(folder) / "shape.json").write_text(json.dumps(shape))
        for _ in range(turns):
            for name in SIDES:
                command = [sys.executable, __file__, "--side", name, folder, "--steps", str(steps)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr[-2000:]
                kept.setdefault(name, []).append(json.loads(done.stdout.strip().splitlines()[-1]))
                print(name, kept[name][-1], flush=True)
    KEPT.write_text(json.dumps({"shape": shape, "sides": kept}, indent=1))
    own = median(one["ms"] for one in kept["netwright"])
    best = max(one["peak"] for all_ in kept.values() for one in all_)
    share = asked(shape) / (own / 1000) / best
    lines = ["| side | weights | ms a step | times | loss at the end |", "|---|---|---|---|---|"]
    for name, all_ in kept.items():
        ms = median(one["ms"] for one in all_)
        lines.append(f"| {name} | {all_[0]['weights']:,} | {ms:,.0f} | {ms / own:.2f} | {median(one['loss'] for one in all_):.3f} |")  # fmt: skip
    lines += ["", f"Ours: {100 * share:.0f} % of the {best:.0f} GFLOP/s of one large product on this machine ({asked(shape):,.0f} GFLOP a step). Losses: ours and Trainer's are means over the last epoch or all steps, the loop's is its last step's."]  # fmt: skip
    write_section("A model of 30 million weights", f"{machine()}; {steps:,} steps, medians of {turns}.\n\n" + "\n".join(lines))  # fmt: skip


if __name__ == "__main__":
    main()
