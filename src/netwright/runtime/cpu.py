"""Whether this processor multiplies floats of 16 bits faster than of 32: measured, once a machine.

In a process of its own, since there are machines that announce such instructions and end who uses them. What was found is
kept in the cache folder, under the processor's flags and torch's version.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path

import torch

from netwright.runtime import cache
from netwright.runtime.run import write_json

CLEARLY = 1.5  # times the speed of 32 bits from which 16 are taken
SECONDS = 60  # that the trial may take
ROWS, WIDTH = 512, 512
TRIAL = f"""
import time, torch
from torch.nn.functional import linear
torch.set_num_threads(1)
taken = []
for kind in (torch.float32, torch.bfloat16):
    x, weight = (torch.ones(rows, {WIDTH}, dtype=kind) for rows in ({ROWS}, {WIDTH}))
    times = []
    for _ in range(9):
        began = time.perf_counter()
        linear(x, weight)
        times.append(time.perf_counter() - began)
    taken.append(sorted(times)[4])
print(taken[0] / taken[1])
"""


@functools.cache
def fast() -> bool:
    """Say whether products in bfloat16 are clearly faster on this processor; the first call on a machine takes seconds."""
    place = cache.folder() / f"halves-{processor()}.json"
    try:
        return bool(json.loads(place.read_text(encoding="utf-8"))["times"] >= CLEARLY)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    times = _measured()
    if times is None:
        return False
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(place, {"times": times})
    except OSError:  # nothing can be kept here: the next process measures again
        pass
    return times >= CLEARLY


def _measured() -> float | None:
    """How many times as fast; 0 where the processor ended the trial, None where it could not be made."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", TRIAL], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return float(done.stdout) if done.returncode == 0 else 0.0
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def processor() -> str:
    """The processor, and the torch that uses it, as a few characters."""
    about = [platform.machine(), platform.processor(), torch.__version__]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        about += sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    except OSError:  # another system: its name for the processor must do
        pass
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:12]
