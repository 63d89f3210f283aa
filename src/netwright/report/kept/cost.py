"""What a training cost: time by stage, memory, weights, operations, disk, and the machine that it ran on."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from netwright.nn import driver
from netwright.nn.batch import Batch
from netwright.nn.network import Network, sizes_of
from netwright.runtime.run import Run

if TYPE_CHECKING:
    from netwright.report.kept.clock import Clock

VERSIONS = ("torch", "numpy", "polars", "scikit-learn")


def cost(
    run: Run, network: Network, some: Batch, clock: Clock, history: list[dict[str, float]], rows: int
) -> dict[str, Any]:
    """Return what the training cost. `some`: a few rows, to count operations with; `rows`: how many trained."""
    training = history[-1]["seconds"] if history else 0.0
    weights = sizes_of(network)
    return {
        "seconds": {name: round(value, 3) for name, value in clock.seconds.items()},
        "training": {
            "epochs": len(history),
            "rows": rows,
            "seconds": round(training, 3),
            "rows_a_second": round(rows * len(history) / training, 1) if training > 0 else None,
        },
        "memory": peak_memory(),
        "weights": {**weights, "all": sum(weights.values())},
        "flops_a_row": flops(network, some),
        "bytes": {
            path.relative_to(run.folder).as_posix(): path.stat().st_size
            for path in sorted(run.folder.rglob("*"))
            if path.is_file() and path != run.report
        },
        "machine": machine(),
    }


def peak_memory() -> int | None:
    """Return the most memory that this process has held at once, in bytes, or None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def flops(network: Network, some: Batch) -> int:
    """Return the floating-point operations of one row's answer: matrix products, convolutions and attention.

    A multiplication with its addition counts as two.
    """
    learns = [weight for weight in network.parameters() if weight.requires_grad]
    try:
        for weight in learns:  # the counter follows gradients, and stumbles over weights that a layer hands to another
            weight.requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            driver.answer(network, some)
    finally:
        for weight in learns:
            weight.requires_grad_(True)
    return round(counter.get_total_flops() / max(len(some), 1))


def machine() -> dict[str, Any]:
    """Return what ran: processor, cores, memory, system and versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS},
    }


def _processor() -> str:
    """The processor's name, as the system gives it."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    """The machine's memory in bytes, where the system says it."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
