"""A load generator for one process: keep-alive connections that each ask, wait for the answer and ask again.

    python benchmarks/serve_load.py PORT CLIENTS SECONDS < requests.json      prints {"rows", "seconds", "times"}

requests.json: a list of {"path", "body", "rows", "count"}; a client takes them in turn. `count: tokens` counts the tokens of
an answer's `usage` in place of its rows. Plain sockets: a client library would take more time than what it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


async def client(
    port: int, asked: list[tuple[bytes, dict[str, Any]]], at: int, end: float, found: dict[str, Any]
) -> None:
    """Ask until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < end:
        content, told = asked[at % len(asked)]
        at += 1
        began = time.perf_counter()
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200"), answer[:300]
        found["times"].append(time.perf_counter() - began)
        found["rows"] += (
            json.loads(answer)["usage"]["completion_tokens"] if told.get("count") == "tokens" else told["rows"]
        )
    writer.close()


async def main(port: int, clients: int, seconds: float, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """Let all clients ask side by side."""
    asked = []
    for each in requests:
        body = json.dumps(each["body"]).encode()
        head = f"POST {each['path']} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        asked.append((head.encode() + body, each))
    found: dict[str, Any] = {"rows": 0, "times": []}
    began = time.perf_counter()
    await asyncio.gather(*(client(port, asked, at, began + seconds, found) for at in range(clients)))
    return {**found, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    import uvloop

    port, clients, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(uvloop.run(main(port, clients, seconds, json.load(sys.stdin)))))
