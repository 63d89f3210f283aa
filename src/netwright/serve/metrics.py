"""What the server counts, in the form of Prometheus. Several workers count together through files in a folder
(`PROMETHEUS_MULTIPROC_DIR`, which the verb sets before the first import).
"""

from __future__ import annotations

import os
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

requests = Counter("netwright_requests_total", "Requests answered", ["route", "status"])
seconds = Histogram("netwright_request_seconds", "Seconds from the first byte to the last", ["route"], buckets=_SECONDS)
rows = Counter("netwright_rows_total", "Rows answered", ["model"])
batch = Histogram("netwright_batch_rows", "Rows of a call of the network", ["model"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))  # fmt: skip
call = Histogram("netwright_call_seconds", "Seconds of a call of the network", ["model"], buckets=_SECONDS)
tokens = Counter("netwright_tokens_total", "Tokens read (prompt) and written (completion)", ["model", "sort"])
waiting = Gauge("netwright_waiting", "Rows or texts that wait", ["model"], multiprocess_mode="livesum")
writing = Gauge("netwright_writing", "Texts being written", ["model"], multiprocess_mode="livesum")
loaded = Gauge("netwright_loaded_timestamp_seconds", "When the version that answers was loaded", ["model"], multiprocess_mode="livemax")  # fmt: skip
reloads = Counter("netwright_reloads_total", "Newer versions that were taken up, or refused", ["model", "outcome"])
left = Counter("netwright_clients_left_total", "Clients that left before their answer", ["route"])


@cache
def of_route(route: str, status: int) -> tuple[Counter, Histogram]:
    """Return the counters of a route and status."""
    return requests.labels(route, str(status)), seconds.labels(route)


def latest() -> bytes:
    """Return everything counted, of all workers."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)
