"""A table that is larger than the memory one wants to give: train on it as a user does, and watch what is held.

    python benchmarks/big.py [--rows 10000000] [--columns 20] [--words] [--model linear] [--keep FOLDER] [--dry]

Writes a CSV of random numbers (with `--words` a column of 50 city names too) and a target that depends on them, runs
`netwright train` on it for one epoch in a process of its own, and looks every 0.2 s at what that process holds:
RssAnon is memory that nothing else can use; RssFile is what is mapped from files, which the system takes back at need.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from results import machine, write_section

SLICE = 250_000
EVERY = 0.2


def write_table(path: Path, rows: int, columns: int, words: bool) -> None:
    """Write the CSV, slice by slice."""
    draw = np.random.default_rng(0)
    slopes, cities = draw.normal(size=columns), [f"city {number}" for number in range(50)]
    names = [f"x{number}" for number in range(columns)] + ["city"] * words + ["y"]
    with path.open("wb") as out:
        out.write((",".join(names) + "\n").encode())
        for at in range(0, rows, SLICE):
            n = min(SLICE, rows - at)
            x = draw.normal(size=(n, columns))
            y = x @ slopes + draw.normal(size=n)
            frame = pl.DataFrame({f"x{number}": x[:, number] for number in range(columns)})
            if words:
                city = draw.integers(0, len(cities), n)
                frame = frame.with_columns(city=pl.Series([cities[k] for k in city]))
                y += city / 10
            frame.with_columns(y=pl.Series(y)).write_csv(out, include_header=False, float_precision=5)


def watched(command: list[str], log: Path) -> tuple[float, dict[str, int], list[tuple[float, int]]]:
    """Run a command; return its seconds, the most MB of each sort that it held, and RssAnon over time."""
    began, most, seen = time.time(), {"RssAnon": 0, "RssFile": 0}, []
    with log.open("w") as out, subprocess.Popen(command, stderr=out, stdout=out) as process:
        while process.poll() is None:
            held = _held(process.pid)
            most = {name: max(value, held.get(name, 0)) for name, value in most.items()}
            seen.append((time.time(), held.get("RssAnon", 0)))
            time.sleep(EVERY)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()}")
    return time.time() - began, most, seen


def _held(process: int) -> dict[str, int]:
    """What a process holds, in MB by sort; nothing where it has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith("Rss")}


def peaks(run: Path, seen: list[tuple[float, int]]) -> str:
    """Each event of the run with the seconds and the peak of RssAnon up to it, to find what takes memory."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    lines, last = [], seen[0][0]
    for event in sorted(events, key=lambda event: event["time"]):
        now = event["time"]
        held = [amount for moment, amount in seen if last <= moment <= now]
        if now - last > 0.5:
            lines.append(
                f"{now - last:7.1f} s  {max(held, default=0):5} MB  before {event['name']}: {event['text'][:70]}"
            )
        last = max(last, now)
    held = [amount for moment, amount in seen if moment >= last]
    return "\n".join([*lines, f"{seen[-1][0] - last:7.1f} s  {max(held, default=0):5} MB  to the end"])


def main() -> None:
    """Make the table, train, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--model", default="linear")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--dry", action="store_true", help="show, and leave RESULTS.md as it is")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        path = folder / f"{given.rows}x{given.columns}{'words' * given.words}.csv"
        if not path.exists():
            write_table(path, given.rows, given.columns, given.words)
        os.environ.setdefault("NETWRIGHT_CACHE", str(folder / "cache"))
        run = folder / f"run-{time.time():.0f}"
        command = [sys.executable, "-m", "netwright", "train", str(path), "--target", "y", "--model", given.model]
        command += ["--training.epochs", "1", "--output", str(run)]
        seconds, most, seen = watched(command, folder / "log.txt")
        cost = json.loads((run / "cost.json").read_text())["seconds"]
        size = path.stat().st_size / 1e6
        print(peaks(run, seen))
        body = (
            f"A CSV of {given.rows:,} rows × {given.columns} number columns{', one of 50 city names' * given.words} and a "
            f"target ({size:,.0f} MB), `--model {given.model} --training.epochs 1`, cold cache: "
            f"**{most['RssAnon']} MB** of anonymous memory at most (RssAnon, looked at every {EVERY} s), "
            f"{most['RssFile']:,} MB mapped from files, {seconds:.0f} s in all.\n\n| stage | seconds |\n|---|---:|\n"
            + "".join(f"| {name} | {value:.1f} |\n" for name, value in cost.items())
            + f"\n{machine()}\n"
        )
        print(body)
        if not given.dry:
            write_section("Big data", body)


if __name__ == "__main__":
    main()
