"""What a run is served beside: the handlers that one writes first. `uvicorn serve_peers:none --factory`.

`none`: typed by pydantic, answers a constant: no model at all. `torch`: the same, and calls the run's own network for each
request. `texts`: the same for a run that reads texts. The run is NETWRIGHT_PEER_RUN.
"""

import os  # annotations are not put off here: FastAPI reads those of models made within functions
from typing import Any

import numpy as np
from fastapi import FastAPI
from pydantic import create_model


def _typed(names: list[str], kind: type) -> Any:
    fields: Any = {f"c{k}": (kind, ...) for k in range(len(names))}
    return create_model("Row", **fields)


def none() -> FastAPI:
    """A handler without a model."""
    app, Row = FastAPI(), _typed(["c"] * int(os.environ["NETWRIGHT_PEER_COLUMNS"]), float)

    @app.post("/predict")
    async def predict(rows: list[Row]) -> dict[str, Any]:  # type: ignore[valid-type]
        return {"predictions": [{"label": "a", "probability": [0.5, 0.5]} for _ in rows]}

    return app


def torch() -> FastAPI:
    """An `async def` handler that scales the numbers and calls the network, request by request."""
    import torch

    import netwright as nw
    from netwright.nn.batch import Batch
    from netwright.nn.driver import answer

    torch.set_num_threads(1)
    model = nw.load(os.environ["NETWRIGHT_PEER_RUN"])
    ((key, kind),) = model.fitted.inputs.items()
    ((target, classes),) = model.fitted.targets.items()
    app, Row = FastAPI(), _typed(list(kind.columns), float)
    names = [f"c{k}" for k in range(len(kind.columns))]

    @app.post("/predict")
    async def predict(rows: list[Row]) -> dict[str, Any]:  # type: ignore[valid-type]
        values = np.array([[getattr(row, name) for name in names] for row in rows])
        scaled = torch.from_numpy(kind._scaled(values).astype(np.float32))  # type: ignore[attr-defined]
        found = answer(model.network, Batch({key: {"values": scaled}}, rows=torch.arange(len(rows))))
        probability = found[target]["probability"]
        chosen = probability.argmax(1)
        return {
            "predictions": [
                {"label": classes.classes[at], "probability": row}  # type: ignore[attr-defined]
                for at, row in zip(chosen.tolist(), probability.tolist(), strict=True)
            ]
        }

    return app


def texts() -> FastAPI:
    """An `async def` handler that tokenizes a text and calls the network, request by request."""
    import torch

    import netwright as nw
    from netwright.serve.columns import Reader
    from netwright.serve.settings import Settings
    from netwright.serve.short import answered, encode

    torch.set_num_threads(2)
    model = nw.load(os.environ["NETWRIGHT_PEER_RUN"])
    reader, app, Row = Reader(model.fitted, Settings()), FastAPI(), create_model("Row", c0=(str, ...))
    (name,) = model.fitted.columns

    @app.post("/predict")
    async def predict(rows: list[Row]) -> dict[str, Any]:  # type: ignore[valid-type]
        return {"predictions": answered(model, [encode(model, reader.read([{name: row.c0} for row in rows]))])[0]}  # type: ignore[attr-defined]

    return app


def pipeline() -> FastAPI:
    """A handler that puts texts into a queue, from which a task takes what is there and calls a transformers pipeline."""
    import asyncio

    from transformers import pipeline as made

    pipe = made("text-classification", model=os.environ["NETWRIGHT_PEER_FOLDER"], device="cpu", top_k=None)
    app, Row = FastAPI(), create_model("Row", c0=(str, ...))
    queue: asyncio.Queue[tuple[str, asyncio.Future[Any]]] = asyncio.Queue()

    async def work() -> None:
        while True:
            held = [await queue.get()]
            await asyncio.sleep(0.002)
            while not queue.empty() and len(held) < 32:
                held.append(queue.get_nowait())
            found = await asyncio.to_thread(pipe, [text for text, _ in held], batch_size=len(held), truncation=True)
            for (_, future), answer in zip(held, found, strict=True):
                future.set_result(answer)

    @app.on_event("startup")
    async def begin() -> None:
        app.state.work = asyncio.create_task(work())

    @app.post("/predict")
    async def predict(rows: list[Row]) -> dict[str, Any]:  # type: ignore[valid-type]
        futures = []
        for row in rows:
            futures.append(asyncio.get_running_loop().create_future())
            queue.put_nowait((row.c0, futures[-1]))  # type: ignore[attr-defined]
        return {"predictions": list(await asyncio.gather(*futures))}

    return app
