"""Whether a checkpoint fits into this machine's memory, said with the numbers before anything is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from netwright.errors import InputError, Problem

if TYPE_CHECKING:
    from netwright.pretrained.checkpoint import Checkpoint


def check(held: Checkpoint, *, learns: float) -> None:
    """Raise `InputError` where a checkpoint's weights cannot fit.

    In float32 a weight takes 4 bytes, and while they are read as much again; one that learns takes 16: itself, its gradient
    and AdamW's two means. `learns`: the share that learns.
    """
    room = left()
    read, trained = 8 * held.count, (4 + 12 * learns) * held.count
    if room is None or max(read, trained) <= room:
        return
    what = f"its {held.count / 1e9:.2f} G weights take {4 * held.count / 1e9:.1f} GB in float32, twice that while they are read"
    if trained > read:
        what += f", and {trained / 1e9:.1f} GB to learn them all"
    fix = "take a smaller checkpoint" if read > room else "--adapt lora learns small matrices beside them"
    raise InputError(Problem(str(held.path), what, allowed=f"{room / 1e9:.1f} GB, which are free", fix=fix))


def left() -> int | None:
    """Return the bytes of memory that are free, of this container where it has a bound; None where the system says nothing."""
    found = [value for value in (_free(), _bound()) if value is not None]
    return min(found) if found else None


def _free() -> int | None:
    told = Path("/proc/meminfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _bound() -> int | None:
    """What a container may take yet: its bound without what it holds now."""
    group = Path("/sys/fs/cgroup")
    try:
        most, now = ((group / name).read_text(encoding="utf-8").strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return max(int(most) - int(now), 0) if most.isdigit() and now.isdigit() else None
