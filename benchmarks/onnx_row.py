"""One row through an exported table model: what its own run.py adds to the bare call of ONNX Runtime.

    python benchmarks/onnx_row.py [--calls 3000] [--dry]

Trains an mlp on a table of 6 number and 8 category columns, exports it, and calls in turns: the session with a feed that is
there already, and `Model` of the exported folder with a dict of Python values, which also makes the feed and the answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "NETWRIGHT_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.pop(0)  # this folder, in which a file is named like the package onnx

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

import netwright as nw  # noqa: E402

ROWS, NUMBERS, CATEGORIES = 6000, 6, 8


def table() -> pl.DataFrame:
    """Numbers and categories, some of them missing, and a class that depends on them."""
    draw = np.random.default_rng(0)
    x, codes = draw.normal(size=(ROWS, NUMBERS)), draw.integers(0, 12, (ROWS, CATEGORIES))
    y = x.sum(1) + (codes % 3 == 0).sum(1) + draw.normal(size=ROWS)
    frame = pl.DataFrame({f"x{k}": x[:, k] for k in range(NUMBERS)})
    frame = frame.with_columns(pl.Series(f"c{k}", [f"value {code}" for code in codes[:, k]]) for k in range(CATEGORIES))
    gaps = pl.Series(draw.random(ROWS) < 0.05)
    return frame.with_columns(
        x0=pl.when(gaps).then(None).otherwise("x0"), y=pl.Series(np.where(y > np.median(y), "yes", "no"))
    )


def timed(call: object, times: list[float]) -> None:
    begin = time.perf_counter()
    call()  # type: ignore[operator]
    times.append((time.perf_counter() - begin) * 1e6)


def main() -> None:
    """Train, export, call in turns, tell."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--dry", action="store_true", help="show, and leave RESULTS.md as it is")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, frame = Path(folder) / "table.csv", table()
        frame.write_csv(path)
        nw.train(path, target="y", model="mlp", output=Path(folder) / "run", settings={"training": {"epochs": 2}})
        nw.export(Path(folder) / "run", to="onnx", output=Path(folder) / "onnx")
        from netwright.export.onnx.run import Model

        model = Model(Path(folder) / "onnx", threads=1)
        row = frame.drop("y").row(1, named=True)
        feed, names = model.feed([row]), model.outputs
        bare: list[float] = []
        whole: list[float] = []
        for _ in range(given.calls):
            timed(lambda: model.session.run(names, feed), bare)
            timed(lambda: model([row]), whole)
        once = {n: [] for n in (16, 256)}
        for n, times in once.items():
            many = [row] * n
            for _ in range(50):
                timed(lambda many=many: model(many), times)
    lines = [f"| {name} | {np.median(t):,.0f} | {np.quantile(t, 0.99):,.0f} |" for name, t in (("session.run, the feed ready", bare), ("Model of run.py, a dict of values in, a dict out", whole))]  # fmt: skip
    added = float(np.median(whole) - np.median(bare))
    body = (
        f"A table of {NUMBERS} number and {CATEGORIES} category columns, the default mlp, one row a call, one thread, "
        f"{given.calls:,} calls each in turns. **The way from Python values and back adds {added:,.0f} µs** to the bare call "
        "(asked: at most 150). Other work ran beside, for both sides alike.\n\n| one row | median µs | 99 % µs |\n|---|---:|---:|\n" + "\n".join(lines) + "\n\n"
        + ", ".join(f"{n} rows a call: {n / np.median(t) * 1e6:,.0f} rows/s" for n, t in once.items()) + "\n"
    )  # fmt: skip
    sys.path.insert(0, str(Path(__file__).parent))
    from results import machine, write_section

    body += f"\n{machine()}\n"
    print(body)
    if not given.dry:
        write_section("ONNX, one row", body)


if __name__ == "__main__":
    main()
