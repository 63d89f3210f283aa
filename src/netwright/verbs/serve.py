"""Serve: runs behind an address, until it is told to stop."""

from __future__ import annotations

import importlib.util
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netwright.errors import InputError, Problem, absent
from netwright.events import say
from netwright.recipe import validate
from netwright.runtime.run import Run
from netwright.serve.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PATIENCE = 5  # seconds that a stop waits beyond the time limit of an answer


def serve(runs: list[str], *, settings: Mapping[str, Any] | None = None) -> None:
    """Serve runs by name until a signal comes; what was accepted is answered first. `settings`: those of `Settings`.

    Raises `InputError` where a run, the key file or the port cannot be used, or where others could ask without a key.
    """
    chosen = validate(Settings, dict(settings or {}), where="serve")
    for package in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
        if importlib.util.find_spec(package) is None:
            raise absent(package, "serve", where="netwright serve")
    if chosen.host not in LOOPBACK and not chosen.key_file:
        what = f"{chosen.host} is reachable from other machines without a key"
        fix = "netwright key keys.txt NAME makes a key; then --key-file keys.txt"
        raise InputError(Problem("host", what, allowed="127.0.0.1 without keys", fix=fix))
    for run in runs:  # before processes are started for it
        folder = Path(run.partition("=")[2] or run)
        if not Run.open(folder).weights.exists():
            raise InputError(Problem(str(folder), "this run is not complete", fix=f"netwright train --resume {folder}"))
    listener = _listener(chosen)
    try:
        _run(runs, chosen, listener)
    finally:
        listener.close()


def _listener(settings: Settings) -> socket.socket:
    """A socket that listens. Raises `InputError` where the port is taken, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        taken = f"port {settings.port} of {settings.host} cannot be listened on: {error.strerror or error}"
        raise InputError(Problem("port", taken, fix="name another --port; 0 takes any that is free")) from None
    listener.set_inheritable(True)
    return listener


def _run(runs: list[str], settings: Settings, listener: socket.socket) -> None:
    from uvicorn import Config, Server
    from uvicorn.supervisors import Multiprocess

    common: dict[str, Any] = {
        "log_config": None, "access_log": False, "server_header": False, "lifespan": "on", "ws": "none",
        "proxy_headers": False, "timeout_graceful_shutdown": int(settings.time_limit) + PATIENCE, "timeout_keep_alive": 30,
    }  # fmt: skip
    host, port = listener.getsockname()[:2]
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if settings.workers == 1:
        from netwright.serve.app import built

        app = built(runs, settings)
        say("result", "serve.ready", f"serving {', '.join(runs)} on {where}; Ctrl-C stops it", address=where)
        Server(Config(app, **common)).run(sockets=[listener])
        return
    from netwright.serve.app import ENVIRONMENT

    os.environ[ENVIRONMENT] = "\t".join(runs) + "\n" + settings.model_dump_json()
    with tempfile.TemporaryDirectory(prefix="netwright-serve-") as counts:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts  # workers count in files that any of them can add up
        config = Config(
            "netwright.serve.app:from_environment", factory=True, workers=settings.workers, timeout_worker_healthcheck=60,
            **common,
        )  # fmt: skip
        say("result", "serve.ready", f"serving {', '.join(runs)} on {where} by {settings.workers} processes; Ctrl-C stops it", address=where)  # fmt: skip
        Multiprocess(config, sockets=[listener]).run()
