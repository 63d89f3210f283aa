"""Predictions for ten million rows, as a user asks for them: how fast, in how much memory, and after kills.

    python benchmarks/batch_predict.py [--rows 10000000] [--ending parquet] [--kill] [--keep FOLDER] [--dry]

Writes a Parquet file of 20 numbers and a category, trains `linear` on its first rows, and runs `netwright predict` in a
process of its own, which is looked at every 0.2 s. RssAnon is memory that nothing else can use. With `--kill` the process is
killed (SIGKILL) every few seconds and started again; its output must be byte for byte that of one that was not.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from big import watched
from results import machine, write_section

SLICE, COLUMNS, LEARNT = 500_000, 20, 50_000


def write_table(path: Path, rows: int) -> None:
    """Write the rows, slice by slice, in the memory of one."""
    draw = np.random.default_rng(0)
    slopes, parts = draw.normal(size=COLUMNS), []
    for at in range(0, rows, SLICE):
        n = min(SLICE, rows - at)
        x, city = draw.normal(size=(n, COLUMNS)), draw.integers(0, 50, n)
        y = x @ slopes + city / 10 + draw.normal(size=n)
        frame = pl.DataFrame({f"x{k}": x[:, k] for k in range(COLUMNS)})
        parts.append(path.with_suffix(f".{at}"))
        frame.with_columns(city="city " + pl.Series(city).cast(pl.String), y=pl.Series(y)).write_ipc(parts[-1])
    pl.scan_ipc(parts).sink_parquet(path)
    for part in parts:
        part.unlink()


def killed(command: list[str], path: Path) -> int:
    """Run a command until its output stands, killing it every few seconds; return how often."""
    draw, kills = np.random.default_rng(1), 0
    while not path.exists():
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(float(draw.uniform(6, 14)))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
    return kills


def main() -> None:
    """Make the rows, train, predict, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--ending", choices=["parquet", "csv", "jsonl"], default="parquet")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--dry", action="store_true", help="show, and leave RESULTS.md as it is")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        os.environ.setdefault("NETWRIGHT_CACHE", str(folder / "cache"))
        path, run = folder / f"{given.rows}.parquet", folder / "run"
        if not path.exists():
            write_table(path, given.rows)
        if not run.exists():
            pl.scan_parquet(path).head(LEARNT).sink_parquet(folder / "few.parquet")
            command = [sys.executable, "-m", "netwright", "train", str(folder / "few.parquet"), "--target", "y"]
            subprocess.run([*command, "--model", "linear", "--output", str(run)], check=True, stderr=subprocess.DEVNULL)
        output = folder / f"scored.{given.ending}"
        output.unlink(missing_ok=True)
        command = [sys.executable, "-m", "netwright", "predict", str(run), str(path), "--output", str(output)]
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", "import netwright.verbs.predict"], check=True)
        start = time.monotonic() - begin
        seconds, most, _ = watched(command, folder / "log.txt")
        body = (
            f"A Parquet file of {given.rows:,} rows × {COLUMNS} numbers and a category ({path.stat().st_size / 1e6:,.0f} MB) "
            f"through a `linear` run into .{given.ending} ({output.stat().st_size / 1e6:,.0f} MB): "
            f"**{given.rows / seconds:,.0f} rows/s** from start to end ({seconds:.0f} s, of which {start:.0f} s start Python and "
            f"torch; asked: over 300,000), **{most['RssAnon']:,} MB** of anonymous memory at most (asked: under 1,500).\n"
        )
        if given.kill:
            again = folder / f"again.{given.ending}"
            again.unlink(missing_ok=True)
            kills = killed([*command[:-1], str(again)], again)
            same = again.read_bytes() == output.read_bytes()
            body += f"\nKilled {kills} times on its way and started again: the file is {'the same, byte for byte' if same else 'ANOTHER'}.\n"  # fmt: skip
        body += f"\n{machine()}\n"
        print(body)
        if not given.dry:
            write_section("Batch prediction", body)


if __name__ == "__main__":
    main()
