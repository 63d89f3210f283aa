"""The application: FastAPI's routes and document, behind the gate."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from netwright.errors import InputError, nearest
from netwright.serve import embeddings, metrics, openai
from netwright.serve.about import about
from netwright.serve.gate import Gate
from netwright.serve.keys import Keys
from netwright.serve.logs import Log
from netwright.serve.openapi import document
from netwright.serve.refusal import Refusal, sentence
from netwright.serve.served import Served
from netwright.serve.settings import Settings
from netwright.serve.shelf import Shelf, named
from netwright.serve.wire import Gone, written

ENVIRONMENT = "NETWRIGHT_SERVE"  # how a worker process is told what to serve
PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def built(runs: list[str], settings: Settings, *, log: Log | None = None) -> ASGIApp:
    """Return the server as an ASGI application. Raises `InputError` where a run or the key file cannot be used."""
    log = log or Log()
    keys = Keys.read(settings.key_file) if settings.key_file else None
    shelf = Shelf(named(runs), settings, log)
    return Gate(_application(shelf, settings, log), shelf, settings, keys, log)


def from_environment() -> ASGIApp:
    """Return the application that a worker process was started for; what is wrong ends it in one line."""
    told = os.environ[ENVIRONMENT]
    runs, settings = told.split("\n", 1)[0].split("\t"), Settings.model_validate_json(told.split("\n", 1)[1])
    try:
        return built(runs, settings)
    except InputError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        raise SystemExit(3) from None  # uvicorn's own code for what would fail again


def _application(shelf: Shelf, settings: Settings, log: Log) -> FastAPI:
    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(shelf.watch())
        for served in shelf.current.values():
            log.say("serve", model=served.name, version=served.version, pid=os.getpid())
        yield
        shelf.stopping = True
        watch.cancel()
        for served in shelf.current.values():
            served.retire()
        log.flush()

    app = FastAPI(title="netwright", version=version("netwright"), docs_url=None, redoc_url=None, lifespan=life)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(Exception, _refused)
    app.add_exception_handler(Gone, _left)
    app.openapi = lambda: document(app, shelf, settings)  # type: ignore[method-assign]
    _routes(app, shelf, settings)
    _page(app)
    if any(served.writes for served in shelf.current.values()):
        openai.add(app, shelf, settings)
    if any(embeddings.able(served) for served in shelf.current.values()):
        embeddings.add(app, shelf, settings)
    return app


def _refused(request: Request, error: Exception) -> Response:
    """Every refusal in one form."""
    refusal = request.scope.get("refusal") or (error if isinstance(error, Refusal) else _of(request, error))
    headers = {key.decode(): value.decode() for key, value in refusal.headers}
    content = refusal.sent(request.scope.get("request_id", ""))
    return Response(content, refusal.status, headers, "application/json")


def _left(request: Request, error: Exception) -> Response:
    """The client has left: nobody reads this, but it is counted."""
    metrics.left.labels(request.scope["route"].path).inc()
    return Response(status_code=499)


def _of(request: Request, error: Exception) -> Refusal:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        if first["type"] == "json_invalid":
            return Refusal(400, "The body is no JSON.", code="json")
        text = first["msg"].removeprefix("Value error, ")
        return Refusal(400, sentence(where, text[:1].lower() + text[1:]), param=where or None, code="input")
    if not isinstance(error, HTTPException):
        return Refusal(500, "Something went wrong here; the log holds this request's id.", code="internal")
    if error.status_code == 404:
        known = list(request.app.openapi()["paths"])
        return Refusal(404, f"There is nothing at this address; {nearest(request.url.path[:100], known)}")
    if error.status_code == 405:
        return Refusal(405, "This address does not take this method.", headers=_allow(error))
    return Refusal(error.status_code, "The request cannot be answered.")


def _allow(error: HTTPException) -> tuple[tuple[bytes, bytes], ...]:
    allow = (error.headers or {}).get("Allow")
    return ((b"allow", allow.encode()),) if allow else ()


def _routes(app: FastAPI, shelf: Shelf, settings: Settings) -> None:
    def told(served: Served) -> Response:
        return Response(written(about(served, settings)), media_type="application/json")

    @app.get("/health", summary="Whether the process answers", tags=["server"])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", summary="Whether requests are taken", tags=["server"])
    async def ready() -> dict[str, Any]:
        if shelf.stopping:
            raise Refusal(503, "The server is stopping.", code="stopping")
        return {"status": "ready", "models": {name: served.version for name, served in shelf.current.items()}}

    @app.get("/metrics", summary="Counters, in Prometheus' form", tags=["server"])
    async def counted() -> Response:
        for name, served in shelf.current.items():
            if served.batcher is not None:
                metrics.waiting.labels(name).set(served.batcher.rows)
        return Response(metrics.latest(), media_type=metrics.TYPE)

    @app.get("/models", summary="The models that are served", tags=["models"])
    async def models() -> dict[str, Any]:
        each = [
            {"name": name, "version": served.version, "writes": served.writes} for name, served in shelf.current.items()
        ]
        return {"models": each}

    @app.get("/models/{name}", summary="A model: recipe, scores, columns, versions", tags=["models"])
    async def model_of(name: str) -> Response:
        return told(shelf.get(name))

    @app.get("/model", summary="The only model: recipe, scores, columns, versions", tags=["models"])
    async def model() -> Response:
        return told(shelf.get(None, "/models/{}"))


def _page(app: FastAPI) -> None:
    """The page's files, read once."""
    held = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.suffix in KINDS}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response(held["index.html"], media_type="text/html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(held["docs.html"], media_type="text/html")

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in held:
            raise Refusal(404, "There is no such file.")
        return Response(held[name], media_type=KINDS[Path(name).suffix])

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(status_code=204)
