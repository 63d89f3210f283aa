"""How fast: the same work by netwright and by its peers, in turns, in one run.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install torch==2.13.0 keras tensorflow-cpu "jax[cpu]" scikit-learn skorch
    python benchmarks/speed.py --peers /tmp/peers/bin/python [--turns 5] [WORK ...]

Each figure is a fresh process: same arrays, model, batch size, number of steps, Adam, float32. Our side is the ordinary
`netwright.train` (recorded or compiled where its plan says so, the plan's own measuring included in `cold`). Encoding,
baselines and report are not timed, as the peers do none of these. Nothing else may run beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from results import machine, write_section
from speed_work import WORK

HERE = Path(__file__).parent
PEERS = {
    "dense, cold": ("keras+tensorflow", "pytorch", "pytorch fused"),
    "dense, steady": ("keras+tensorflow", "pytorch", "pytorch fused"),
    "convnet": ("keras+tensorflow", "pytorch", "pytorch fused flush", "pytorch last fused"),
    "lstm": ("keras+tensorflow", "pytorch", "pytorch fused flush"),
    "table": ("scikit-learn", "skorch", "pytorch fused"),
}  # keras+jax can be named too: it stood behind in trials
OURS = "netwright"
VERSIONS = """
from importlib.metadata import PackageNotFoundError, version
for name in ("keras", "tensorflow-cpu", "jax", "torch", "scikit-learn", "skorch"):
    try:
        print(name, version(name), end="  ")
    except PackageNotFoundError:
        pass
"""


def once(python: str, script: str, *arguments: str) -> dict[str, Any] | None:
    """Run one side in a process of its own; None where it fails (which is shown)."""
    done = subprocess.run([python, str(HERE / script), *arguments], capture_output=True, text=True, check=False, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})  # fmt: skip
    if done.returncode:
        print(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def figures(name: str, found: dict[str, Any]) -> dict[str, float]:
    """Milliseconds a step of the first epoch and of the later ones, and all seconds from the made model to the last step."""
    work = WORK[name]
    steps = -(-work.rows // work.batch)
    first, *later = [1e3 * seconds / steps for seconds in found["epochs"]]
    return {"first": first, "later": statistics.median(later), "total": found["total"]}


def measured(name: str, peers: str, turns: int) -> dict[str, dict[str, float]]:
    """Medians of each side's figures over the turns."""
    rounds: dict[str, list[dict[str, float]]] = {}
    for turn in range(turns):
        for side in (OURS, *PEERS[name]):
            found = (
                once(sys.executable, "speed_ours.py", name)
                if side == OURS
                else once(peers, "speed_peers.py", name, side)
            )
            if found is not None:
                rounds.setdefault(side, []).append(figures(name, found))
                print(turn + 1, name, side, {key: round(value, 3) for key, value in rounds[side][-1].items()}, found.get("plan", ""), flush=True)  # fmt: skip
    return {
        side: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for side, runs in rounds.items()
    }


def table(kept: dict[str, dict[str, dict[str, float]]]) -> str:
    """The medians as Markdown; a ratio above 1 is how many times faster netwright is."""
    lines = [
        "| work | side | first epoch, ms/step | later, ms/step | all, s | × first | × later | × all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, sides in kept.items():
        ours = sides[OURS]
        for side, row in sides.items():
            ratios = " | ".join(
                "" if side == OURS else f"{row[key] / ours[key]:.1f}" for key in ("first", "later", "total")
            )
            bold = f"**{side}**" if side == OURS else side
            lines.append(
                f"| {name} | {bold} | {row['first']:.3f} | {row['later']:.3f} | {row['total']:.2f} | {ratios} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure what is asked for, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", nargs="*", default=list(WORK))
    parser.add_argument("--peers", required=True, help="the peers' python")
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    path = HERE / "speed.json"
    for name in given.work:
        found = measured(name, given.peers, given.turns)
        kept = json.loads(path.read_text()) if path.exists() else {}
        kept[name] = found
        path.write_text(json.dumps({name: kept[name] for name in WORK if name in kept}, indent=1))
    kept = json.loads(path.read_text())
    listed = subprocess.run([given.peers, "-c", VERSIONS], capture_output=True, text=True, check=False).stdout.strip()
    about = (
        f"{machine()}. Peers: {listed}. Medians of {given.turns} turns, each side a fresh process, nothing beside it."
    )
    write_section("How fast", f"{about}\n\n{table(kept)}")


if __name__ == "__main__":
    main()
