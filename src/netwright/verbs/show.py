"""Show a run: settings, scores and events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright.runtime.run import Run


def show(folder: str | Path) -> dict[str, Any]:
    """Return what is known of a run: about, metrics, plan, what was learnt of the columns, and its events."""
    run = Run.open(folder)
    about = run.read(run.about)
    kinds = run.read(run.kinds) if run.kinds.exists() else {"inputs": {}, "targets": {}, "left_out": {}}
    return {
        "folder": str(folder),
        "about": about,
        "kinds": kinds,
        "plan": run.read(run.plan) if run.plan.exists() else None,
        "metrics": run.read(run.metrics) if run.metrics.exists() or about["state"] == "done" else None,
        "events": run.said(),
    }
