"""Tries the packed model: it answers as the run did when it was packed, and the server comes up and takes requests.

python smoke.py [MODEL]
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
FAR = 1e-3  # other processors round otherwise
LONG = 120  # seconds that a server may take to come up


def main() -> int:
    """Compare, then serve."""
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "model"
    kept = json.loads((HERE / "smoke.json").read_text(encoding="utf-8"))
    wrong = compared(model, kept)
    if not wrong:
        wrong = served(model)
    print(f"smoke test: {wrong}" if wrong else "smoke test: it answers as it did when it was packed, and it is served")
    return 1 if wrong else 0


def compared(model: Path, kept: dict) -> str:
    """Return what is answered otherwise than when it was packed; empty: nothing."""
    import netwright

    loaded = netwright.load(model)
    if "prompt" in kept:
        text = loaded.generate(kept["prompt"])[0].text
        return "" if isinstance(text, str) else "nothing is written"
    found = json.loads(loaded.predict(kept["rows"]).write_json())
    for row, (one, other) in enumerate(zip(found, kept["answers"], strict=True), 1):
        for name, value in other.items():
            if not same(one.get(name), value):
                return f"row {row}: {name} is {one.get(name)!r}, and was {value!r} when it was packed"
    return ""


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=FAR, abs_tol=FAR)
    return one == other


def served(model: Path) -> str:
    """Return why the server does not come up; empty: it does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "netwright", "serve", f"model={model}", "--port", str(port)]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"}
    )
    try:
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            if server.poll() is not None:
                return "the server stopped: " + (server.stderr.read() if server.stderr else b"").decode()[-500:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                    return "" if answer.status == 200 else f"/ready says {answer.status}"
            except OSError:
                time.sleep(0.2)
        return f"the server was not ready within {LONG} seconds"
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
