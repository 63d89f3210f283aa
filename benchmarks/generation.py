"""Writing with SmolLM2-135M, 64 tokens after one prompt and after eight: netwright in float32 and in 8 bits, and transformers.

    python benchmarks/generation.py [--turns 3]

Same weights, same prompts, greedy, two threads, in turns in one process. What 8 bits cost is told by the perplexity of
alpaca's answers under both. Results are printed into `RESULTS.md`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import models
import polars as pl
import torch
from instructions import path as instructions
from results import machine, write_section

from netwright.nn import quantization
from netwright.nn.heads.text.settings import SamplingParams
from netwright.training.checkpoint_start import writer

KEPT = Path(__file__).parent / "generation.json"
TOKENS, HELD = 64, 24
FORM = "int8_weights"
PROMPT = "Write a long story about a ship, its captain and the sea."


def speed(turns: int) -> dict[str, float]:
    """Tokens a second of each side, the prompt's reading among it, by side and number of prompts."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = str(models.path("smollm2"))
    theirs: Any = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(place)
    ours, small = writer(place, length=512), writer(place, length=512)
    quantization.convert(small.network, FORM)
    sampling = SamplingParams(max_tokens=TOKENS)
    found: dict[str, list[float]] = {}
    for _ in range(turns):
        for count in (1, 8):
            messages = [[{"role": "user", "content": f"{PROMPT} {number}"}] for number in range(count)]
            ids = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
            )

            def said(ids: Any = ids) -> int:
                out = theirs.generate(**ids, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False)
                return (out.shape[1] - ids["input_ids"].shape[1]) * len(out)

            sides = {
                "transformers": said,
                "netwright": lambda messages=messages: sum(len(text.tokens) for text in ours.generate(messages, sampling=sampling)),
                "netwright int8": lambda messages=messages: sum(len(text.tokens) for text in small.generate(messages, sampling=sampling)),
            }  # fmt: skip
            for name, work in sides.items():
                work() if f"{name}, {count}" not in found else None  # the first warms up
                began = time.perf_counter()
                tokens = work()
                found.setdefault(f"{name}, {count}", []).append(tokens / (time.perf_counter() - began))
                print(name, count, round(found[f"{name}, {count}"][-1], 1), flush=True)
    return {name: median(values) for name, values in found.items()}


def cost() -> dict[str, float]:
    """Perplexity of answers under floats and under 8 bits."""
    rows = pl.read_ndjson(instructions()).head(HELD)
    out = {}
    for name in ("float32", "int8"):
        model = writer(str(models.path("smollm2")), length=512)
        if name == "int8":
            quantization.convert(model.network, FORM)
        out[name] = model.evaluate(rows)["metrics"]["perplexity"]["value"]
    return out


def main() -> None:
    """Measure and print."""
    turns = int(sys.argv[sys.argv.index("--turns") + 1]) if "--turns" in sys.argv else 3
    torch.set_num_threads(2)
    rates = speed(turns)
    worth = cost()
    KEPT.write_text(json.dumps({"rates": rates, "perplexity": worth}, indent=1))
    lines = ["| prompts | transformers | netwright, float32 | netwright, int8 |", "|---|---|---|---|"]
    for count in (1, 8):
        base = rates[f"transformers, {count}"]
        cells = [
            f"{rates[f'{name}, {count}']:.1f} tokens/s ({rates[f'{name}, {count}'] / base:.2f}×)"
            for name in ("netwright", "netwright int8")
        ]
        lines.append(f"| {count} | {base:.1f} tokens/s | {cells[0]} | {cells[1]} |")
    told = (
        f"\n\nPerplexity of {HELD} answers of alpaca: {worth['float32']:.3f} in float32, {worth['int8']:.3f} in 8 bits."
    )
    write_section("Writing with SmolLM2-135M", f"{machine()}; medians of {turns}.\n\n" + "\n".join(lines) + told)
    print("\n".join(lines) + told)


if __name__ == "__main__":
    main()
