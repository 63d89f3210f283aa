"""A character model: 4 layers, 4 heads, width 128, 64 characters, 12 at once, AdamW, float32; beside a plain PyTorch loop.

    python benchmarks/character.py [--steps 2000] [--turns 1]

The plain loop is written here as one writes it after nanoGPT's example (pre-norm layers, learnt positions, GELU), with the same
data, batch, steps, rate, warm-up, cosine and clipping, on one thread and on two. Each side in a process of its own, in turns.
Loss: mean -ln p of a character of the last tenth of a million characters of English, in windows of 64. Kept in
`character.json`, printed into `RESULTS.md`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from results import machine, write_section
from texts import path
from torch import Tensor, nn
from torch.nn import functional as F

KEPT = Path(__file__).parent / "character.json"
D, DEPTH, HEADS, T, B, RATE, WARM = 128, 4, 4, 64, 12, 1e-3, 100
SIDES = ("netwright", "plain, 1 thread", "plain, 2 threads")


class Block(nn.Module):
    """x + attention, x + two dense maps, each after a layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        width = x.shape[2]
        parts = self.qkv(self.first(x)).split(width, 2)
        q, k, v = (part.view(len(x), -1, self.heads, width // self.heads).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + self.out(seen)
        return x + self.narrow(F.gelu(self.wide(self.second(x))))


class Plain(nn.Module):
    """The plain model; its loss."""

    def __init__(self, tokens: int, *, width: int = D, depth: int = DEPTH, heads: int = HEADS, length: int = T) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(tokens, width), nn.Embedding(length, width)
        self.blocks, self.norm = nn.ModuleList(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width)
        self.answer = nn.Linear(width, tokens, bias=False)
        self.answer.weight = self.table.weight
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                late = name.endswith(("out.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / (math.sqrt(2 * depth) if late else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean -ln p of the next tokens."""
        h = self.table(x) + self.places.weight
        for block in self.blocks:
            h = block(h)
        return F.cross_entropy(self.answer(self.norm(h)).flatten(0, 1), y.flatten())


def plain(text: str, steps: int, threads: int) -> dict[str, float]:
    """Train the plain model."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    letters = {letter: number for number, letter in enumerate(sorted(set(text)))}
    data = torch.tensor([letters[letter] for letter in text])
    cut = len(data) * 9 // 10
    train, held = data[:cut], data[cut:]
    model = Plain(len(letters))
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.1)
    began = time.perf_counter()
    for step in range(steps):
        factor = min((step + 1) / WARM, 1) * 0.5 * (1 + math.cos(math.pi * max(step - WARM, 0) / (steps - WARM)))
        for group in optimizer.param_groups:
            group["lr"] = RATE * factor
        at = torch.randint(len(train) - T - 1, (B,))
        x, y = (torch.stack([train[i + more : i + more + T] for i in at]) for more in (0, 1))
        loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
    seconds = time.perf_counter() - began
    model.eval()
    count = len(held) // T - 1
    x, y = held[: count * T].view(count, T), held[1 : count * T + 1].view(count, T)
    with torch.no_grad():
        pairs = zip(x.split(100), y.split(100), strict=True)
        total = sum(model(a, b).item() * len(a) for a, b in pairs)
    return {"ms": 1000 * seconds / steps, "loss": total / count}


def ours(text: str, steps: int) -> dict[str, float]:
    """Train the same through netwright's ordinary `train`."""
    import polars as pl

    import netwright as nw

    cut, size = len(text) * 9 // 10, 20_000
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("train", text[:cut]), ("test", text[cut:])):
            pl.DataFrame({"text": [part[at : at + size] for at in range(0, len(part), size)]}).write_ndjson(Path(folder) / f"{name}.jsonl")  # fmt: skip
        settings = {
            "model": {"family": "transformer", "width": D, "depth": DEPTH, "heads": HEADS, "dropout": 0.0},
            "columns": {"text": {"kind": "text", "tokens": "characters", "length": T}},
            "split": {"validation": 0.0, "test_data": str(Path(folder) / "test.jsonl")},
            "training": {"optimizer": "adamw", "learning_rate": RATE, "batch_size": B, "steps": steps, "weight_decay": 0.1, "beta2": 0.99, "pack": True, "warmup": WARM / steps, "epochs": 100, "patience": 0},
        }  # fmt: skip
        model = nw.train(Path(folder) / "train.jsonl", target="text", output=Path(folder) / "run", settings=settings)
        return {
            "ms": 1000 * model.metrics["history"][-1]["seconds"] / steps,
            "loss": model.metrics["test"]["loss"]["value"],
        }


def main() -> None:
    """Run all sides in turns, or one where it is named."""
    steps = int(sys.argv[sys.argv.index("--steps") + 1]) if "--steps" in sys.argv else 2000
    turns = int(sys.argv[sys.argv.index("--turns") + 1]) if "--turns" in sys.argv else 1
    if "--side" in sys.argv:
        name, text = sys.argv[sys.argv.index("--side") + 1], path("english").read_text(encoding="utf-8")
        found = ours(text, steps) if name == "netwright" else plain(text, steps, 1 if "1" in name else 2)
        print(json.dumps(found))
        return
    kept: dict[str, list[dict[str, Any]]] = {}
    for _ in range(turns):
        for name in SIDES:
            command = [sys.executable, __file__, "--side", name, "--steps", str(steps)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            kept.setdefault(name, []).append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(name, kept[name][-1], flush=True)
    KEPT.write_text(json.dumps(kept, indent=1))
    own = median(one["ms"] for one in kept["netwright"])
    lines = ["| side | ms a step | times | loss of the last tenth |", "|---|---|---|---|"]
    for name, all_ in kept.items():
        ms = median(one["ms"] for one in all_)
        lines.append(f"| {name} | {ms:.1f} | {ms / own:.2f} | {median(one['loss'] for one in all_):.4f} |")
    write_section("A character model", f"{machine()}; {steps:,} steps, medians of {turns}.\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
