"""How fast runs are served, beside the handlers that one writes first; and how steadily.

    python benchmarks/serve.py [table one] [--seconds 10] [--turns 5]        /predict, and what one row costs by itself
    python benchmarks/serve.py texts --run RUN [--pipeline FOLDER]           a run that reads one text; the same as transformers' folder
    python benchmarks/serve.py chat --run RUN                                a run that converses, beside `transformers serve`
    python benchmarks/serve.py steady [--minutes 20]                         mixed load, clients that vanish, reloads, killed workers

Both sides serve the same weights from one process, in turns; the load generator runs on the same machine, alike for all.
Nothing else may run beside it. Results go to RESULTS.md; a run shorter than 5 seconds a turn is a trial and is only printed.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from results import machine, write_section

HERE = Path(__file__).parent
SERVER = ["--no-access-log", "--log-level", "warning", "--http", "httptools", "--loop", "uvloop"]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def running(
    command: list[str], port: int, *, ready: str = "/openapi.json", **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, from when it answers until the block ends."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=HERE, stdout=said, stderr=said, env={**os.environ, **more})
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=2).read()
                    break
                except OSError:
                    if process.poll() is not None:
                        said.seek(0)
                        raise RuntimeError(said.read().decode()[-2000:]) from None
                    time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(60)


def ours(run: str, port: int, *more: str) -> list[str]:
    """The command that serves a run."""
    return [sys.executable, "-m", "netwright", "serve", f"it={run}", "--port", str(port), "--watch", "0", *more]


def peer(name: str, port: int) -> list[str]:
    """The command that serves one of `serve_peers`."""
    return [sys.executable, "-m", "uvicorn", f"serve_peers:{name}", "--factory", "--port", str(port), *SERVER]


def load(port: int, clients: int, seconds: float, requests: list[dict[str, Any]]) -> dict[str, float]:
    """Rows and requests a second, and the times of the slowest requests, in milliseconds."""
    command = [sys.executable, str(HERE / "serve_load.py"), str(port), str(clients), str(seconds)]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    times = sorted(found["times"])
    return {
        "requests": len(times) / found["seconds"], "rows": found["rows"] / found["seconds"],
        "p50": 1000 * times[len(times) // 2], "p99": 1000 * times[int(len(times) * 0.99)],
    }  # fmt: skip


def in_turns(
    sides: dict[str, Any], turns: int, clients: int, seconds: float, asked: dict[str, list[dict[str, Any]]]
) -> dict[str, dict[str, float]]:
    """Medians of each side's figures: the servers are started one after the other, again in each turn."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for turn in range(turns):
        for name, start in sides.items():
            port = free_port()
            with start(port):
                load(port, clients, min(2.0, seconds), asked[name])  # warms up
                found[name].append(load(port, clients, seconds, asked[name]))
            print(
                f"turn {turn + 1}, {name}: " + ", ".join(f"{k} {v:,.1f}" for k, v in found[name][-1].items()),
                flush=True,
            )
    return {
        name: {key: statistics.median(each[key] for each in runs) for key in runs[0]} for name, runs in found.items()
    }


def told(found: dict[str, dict[str, float]], unit: str) -> list[str]:
    """Lines of a table."""
    head = f"| side | requests/s | {unit}/s | median, ms | p99, ms |\n|---|---:|---:|---:|---:|"
    return [
        head,
        *(
            f"| {name} | {each['requests']:,.0f} | {each['rows']:,.0f} | {each['p50']:.2f} | {each['p99']:.2f} |"
            for name, each in found.items()
        ),
    ]


def trained(folder: Path) -> str:
    """A table network on real measurements: 569 rows of 30 numbers, with the defaults."""
    from sklearn.datasets import load_breast_cancer

    import netwright as nw

    if (folder / "model.safetensors").exists():
        return str(folder)
    data = load_breast_cancer()
    rows = {f"c{k}": data.data[:, k] for k in range(data.data.shape[1])}
    nw.train({**rows, "y": [data.target_names[t] for t in data.target]}, target="y", output=folder)
    return str(folder)


def table(given: argparse.Namespace, run: str) -> list[str]:
    """`/predict` of a table network, 32 clients."""
    from sklearn.datasets import load_breast_cancer

    values = load_breast_cancer().data
    more = {"NETWRIGHT_PEER_RUN": run, "NETWRIGHT_PEER_COLUMNS": str(values.shape[1])}
    sides = {
        "netwright serve": lambda port: running(ours(run, port), port, ready="/ready"),
        "async handler, torch for each request": lambda port: running(peer("torch", port), port, **more),
        "async handler without a model": lambda port: running(peer("none", port), port, **more),
    }
    lines = []
    for rows in (1, 16):
        bodies = [
            [{f"c{k}": float(v) for k, v in enumerate(values[(at + r) % len(values)])} for r in range(rows)]
            for at in range(0, 400, 5)
        ]
        asked = [{"path": "/predict", "body": body, "rows": rows} for body in bodies]
        mine = [{**each, "body": each["body"][0] if rows == 1 else each["body"]} for each in asked]
        found = in_turns(
            sides,
            given.turns,
            32,
            given.seconds,
            {name: mine if name == "netwright serve" else asked for name in sides},
        )
        own, torch, none = found.values()
        lines += [f"\n**Table MLP, {rows} row{'s' * (rows > 1)} a request, 32 clients**\n", *told(found, "rows")]
        lines.append(
            f"\n{own['requests'] / none['requests']:.2f} of the handler without a model, {own['rows'] / torch['rows']:.2f} times the rows of the "
            f"handler with torch; p99 {own['p99'] / torch['p99']:.2f} of its."
        )
    return lines


def one(given: argparse.Namespace, run: str) -> list[str]:
    """What the way of one row costs beside the network itself, in this process and without sockets."""
    import torch
    from sklearn.datasets import load_breast_cancer

    import netwright as nw
    from netwright.nn import driver
    from netwright.nn.batch import Batch, tensors
    from netwright.serve.columns import Reader
    from netwright.serve.settings import Settings
    from netwright.serve.short import answered, encode
    from netwright.serve.wire import parsed, written

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model = nw.load(run)
    reader = Reader(model.fitted, Settings())
    body = json.dumps({f"c{k}": float(v) for k, v in enumerate(load_breast_cancer().data[7])}).encode()
    part = encode(model, reader.read([parsed(body)]))
    blocks = {key: tensors(arrays) for key, arrays in part.blocks.items()}

    def served() -> bytes:
        return written(answered(model, [encode(model, reader.read([parsed(body)]))])[0])

    def network() -> Any:
        with torch.inference_mode():
            return driver.answer(model.network, Batch(blocks, rows=torch.arange(1)))

    figures = {}
    for _ in range(3):
        for name, work in (("served", served), ("network", network)):
            for _ in range(200):
                work()
            times = []
            for _ in range(2000):
                began = time.perf_counter()
                work()
                times.append(time.perf_counter() - began)
            figures[name] = min(figures.get(name, 1.0), statistics.median(times))
    added = figures["served"] - figures["network"]
    print(figures)
    return [
        f"\n**One row by itself**: JSON in, JSON out, {1e6 * figures['served']:,.0f} µs; the network's own call {1e6 * figures['network']:,.0f} µs: "
        f"the way adds **{1e6 * added:,.0f} µs** (checks, encoding, calibration, decoding, JSON)."
    ]


def texts(given: argparse.Namespace) -> list[str]:
    """`/predict` of a run that reads one text, 16 clients."""
    import netwright as nw

    (column,) = nw.load(given.run).fitted.columns
    words = [
        "a",
        "quiet",
        "film",
        "of",
        "great",
        "patience",
        "that",
        "says",
        "little",
        "and",
        "stays",
        "with",
        "one",
        "for",
        "days",
        "after",
        "it",
        "has",
        "ended",
    ]
    samples = [" ".join(words[k % 7 : k % 7 + 6 + k % 10]) for k in range(64)]
    more = {"NETWRIGHT_PEER_RUN": given.run, "NETWRIGHT_PEER_FOLDER": given.pipeline or ""}
    sides: dict[str, Any] = {
        "netwright serve": lambda port: running(ours(given.run, port), port, ready="/ready"),
        "async handler, torch for each request": lambda port: running(peer("texts", port), port, **more),
    }
    if given.pipeline:
        sides["handler that batches, transformers pipeline"] = lambda port: running(
            peer("pipeline", port), port, **more
        )
    mine = [{"path": "/predict", "body": {column: text}, "rows": 1} for text in samples]
    theirs = [{"path": "/predict", "body": [{"c0": text}], "rows": 1} for text in samples]
    found = in_turns(
        sides, given.turns, 16, given.seconds, {name: mine if name == "netwright serve" else theirs for name in sides}
    )
    own, *others = found.values()
    ratios = ", ".join(f"{own['rows'] / other['rows']:.2f}" for other in others)
    return ["\n**Texts, 1 row a request, 16 clients**\n", *told(found, "rows"), f"\nTimes the others' rows: {ratios}."]


def chat(given: argparse.Namespace) -> list[str]:
    """Conversations with the same weights, 8 clients, beside `transformers serve` on the exported folder."""
    from netwright.verbs.export import export

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "exported"
        export(given.run, to="transformers", output=folder)
        sides = {
            "netwright serve": lambda port: running(ours(given.run, port, "--texts", "8"), port, ready="/ready"),
            "transformers serve": lambda port: running(
                ["transformers", "serve", str(folder), "--port", str(port), "--device", "cpu"], port, ready="/health"
            ),
        }
        prompts = [f"Tell me about the number {k} and why one would like it." for k in range(16)]
        asked = {}
        for name, model in (("netwright serve", "it"), ("transformers serve", str(folder))):
            asked[name] = [
                {"path": "/v1/chat/completions", "count": "tokens", "rows": 0,
                 "body": {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 64, "temperature": 0}}
                for prompt in prompts
            ]  # fmt: skip
        found = in_turns(sides, given.turns, 8, given.seconds, asked)
    own, other = found.values()
    return [
        "\n**Conversations, 8 clients, up to 64 tokens each**\n",
        *told(found, "tokens"),
        f"\n{own['rows'] / other['rows']:.2f} times the tokens.",
    ]


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", default=["table", "one"], metavar="table|one|texts|chat|steady")
    parser.add_argument("--run", help="the run's folder; for table, one and steady one is trained")
    parser.add_argument("--pipeline", help="a folder that transformers' text-classification pipeline loads")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=20.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.work:
            if name == "steady":
                from serve_steady import steady

                lines, title, trial = steady(given.minutes, Path(scratch)), "Served steadily", given.minutes < 20
            else:
                run = given.run or (trained(Path(scratch) / "table") if name in ("table", "one") else "")
                work = {
                    "table": lambda run=run: table(given, run),
                    "one": lambda run=run: one(given, run),
                    "texts": lambda: texts(given),
                    "chat": lambda: chat(given),
                }[name]
                lines, title, trial = work(), f"How fast runs are served: {name}", given.seconds < 5
                lines += (
                    [
                        f"\nMedians of {given.turns} turns of {given.seconds:g} s; one process a side, uvicorn with httptools and uvloop."
                    ]
                    if name != "one"
                    else []
                )
            body = "\n".join([machine(), *lines])
            print(body)
            if not trial:
                write_section(title, body)


if __name__ == "__main__":
    main()
