"""Milliseconds of each operation, forward and backward, by compiled code and by its formula in torch, in turns in one process.

    python benchmarks/kernels.py [--threads 1] [--turns 9]

docs/dev/kernels.md shows what was found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from netwright.nn import quantization
from netwright.nn.trunks.transformer.decoder import decoder
from netwright.nn.trunks.transformer.layer import Layer, RMSNorm, frequencies, rotation
from netwright.nn.trunks.transformer.settings import Settings
from netwright.runtime.kernels.attention import attention
from netwright.runtime.kernels.operation import drawn
from netwright.runtime.kernels.optimizer import RULE, adam, adam_rows
from netwright.runtime.kernels.products import linear
from netwright.runtime.kernels.rows import added_layer_norm, added_norm, cross_entropy, gelu, norm, rotary, swiglu

ROWS, D, F, V = 4096, 384, 1024, 8000


def work() -> dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    """Operations with arguments as a small Transformer has them: 32 texts of 128 tokens, 384 wide; for writing, one row."""
    x, more, wide = drawn(ROWS, D), drawn(ROWS, D, seed=1), drawn(ROWS, 2 * F)
    vectors = [drawn(D, seed=seed) for seed in range(3)]
    turn = rotation(torch.arange(128)[None], frequencies(32, 1e4), torch.float32)
    heads = [drawn(32, 12, 128, 32, seed=seed) for seed in range(3)]
    row, weight = drawn(1, D, learns=False), drawn(V, D, learns=False)
    q, scale = weight.mul(30).clamp(-127, 127).to(torch.int8), torch.full((V,), 0.03).bfloat16()
    settings = Settings(width=576, depth=6, heads=9, key_heads=3, hidden=1536, dropout=0.0)
    layers = nn.ModuleList(Layer(settings) for _ in range(6)).eval()
    past = tuple((drawn(1, 3, 100, 64, learns=False), drawn(1, 3, 100, 64, learns=False)) for _ in layers)
    place = rotation(torch.tensor([[100]]), frequencies(64, 1e4), torch.float32)
    states = [drawn(4_000_000, seed=seed, learns=False).abs() for seed in range(4)]
    table = [drawn(30_000, D, seed=seed, learns=False).abs() for seed in range(3)]
    rows = torch.arange(0, 30_000, 60)
    return {
        "norm": (norm, (x, vectors[0], 1e-6), {}),
        "added_norm": (added_norm, (x, more, vectors[0], 1e-6), {}),
        "added_layer_norm": (added_layer_norm, (x, vectors[0], more, vectors[1], vectors[2], 1e-6), {}),
        "swiglu": (swiglu, (wide,), {}),
        "gelu": (gelu, (x, vectors[0]), {}),
        "rotary": (rotary, (drawn(32, 128, 36, 32), *turn, 12, 12), {}),
        "attention": (attention, (*heads,), {"causal": True}),
        "cross_entropy": (cross_entropy, (drawn(512, V), torch.arange(512)), {}),
        "linear": (linear, (row, weight), {}),
        "part_products": (quantization.part_products, (row, q, scale), {}),
        "decoder": (decoder, (layers, RMSNorm(576, 1e-6), drawn(1, 1, 576, learns=False), place, None, past, None), {}),
        "adam": (adam, (*states, RULE), {}),
        "adam_rows": (adam_rows, (table[0], rows, drawn(len(rows), D, learns=False), table[1], table[2], torch.zeros(30_000, dtype=torch.bool), RULE), {}),
    }  # fmt: skip


def seconds(function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> float:
    """The time of one call, and of its backward pass where something learns."""
    learns = [part for part in given if isinstance(part, Tensor) and part.requires_grad]
    copies = [part * 1.0 if isinstance(part, Tensor) and part.requires_grad else part for part in given]
    with torch.set_grad_enabled(bool(learns)):
        began = time.perf_counter()
        out = function(*copies, **named)
        if learns:
            parts = [part for part in (out if isinstance(out, tuple) else (out,)) if part.requires_grad]
            torch.autograd.backward(parts, [torch.ones_like(part) for part in parts])
        return time.perf_counter() - began


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print("| operation | compiled, ms | formula, ms | times |\n|---|---|---|---|")
    for name, (own, arguments, named) in work().items():
        ways = {"compiled": own.compiled, "formula": own.formula}
        least = dict.fromkeys(ways, float("inf"))
        for _ in range(given.turns):
            for way, function in ways.items():
                least[way] = min(least[way], seconds(function, arguments, named))
        ours, theirs = (1e3 * least[way] for way in ways)
        print(f"| {name} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.1f} |", flush=True)


if __name__ == "__main__":
    main()
