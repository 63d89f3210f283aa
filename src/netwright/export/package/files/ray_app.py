"""The same server on Ray Serve.

    pip install 'ray[serve]' -r requirements.txt ./netwright-*.whl
    serve run ray_app:app                 # on this machine; http://127.0.0.1:8000
    serve run ray_app:app replicas=4      # so many processes, on whichever machines the cluster has
    serve build ray_app:app -o ray.yaml   # a file to deploy

Each replica gathers requests by itself. KEYS names a key file (netwright key keys.txt NAME): without it anyone who reaches
Ray's address may ask.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ray import serve  # pyright: ignore[reportMissingImports]

MODEL = os.environ.get("MODEL", str(Path(__file__).resolve().parent / "model"))
KEYS = os.environ.get("KEYS")


def server():
    """Return netwright's server as an ASGI application: each replica makes its own."""
    from netwright.serve.app import built
    from netwright.serve.settings import Settings

    return built([f"model={MODEL}"], Settings(key_file=KEYS))


@serve.deployment(max_ongoing_requests=100, health_check_period_s=10)
@serve.ingress(server)
class Model:
    """A replica."""


def app(args: dict[str, str]) -> serve.Application:
    """Return the application; `replicas`: how many processes answer."""
    of: Any = Model
    return of.options(num_replicas=int(args.get("replicas", 1))).bind()
