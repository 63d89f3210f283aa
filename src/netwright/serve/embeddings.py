"""`POST /v1/embeddings`, in OpenAI's form: vectors of texts, by runs that read one text column."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, Literal

import numpy as np
import torch
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from netwright.inference import embeddings
from netwright.inference.model import precisely
from netwright.runtime.arrays import Ragged
from netwright.serve.predict import waited
from netwright.serve.refusal import Refusal
from netwright.serve.served import Served
from netwright.serve.settings import Settings
from netwright.serve.shelf import Shelf
from netwright.serve.short import encode
from netwright.serve.wire import written

MOST = 2048  # texts of a request, as OpenAI has it


class Embedding(BaseModel):
    """Texts to be made vectors of."""

    model_config = ConfigDict(extra="forbid")

    input: str | list[str] = Field(description="a text, or several")
    model: str | None = Field(default=None, description="model name; optional if there is only one")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


def able(served: Served) -> bool:
    """Whether a run reads one text and nothing else, or the two of a pair."""
    texts = [column.value.text for column in served.reader.columns]
    return not served.writes and texts == [True] * (1 + served.model.network.paired)


def add(app: FastAPI, shelf: Shelf, settings: Settings) -> None:
    """Add the way to an application."""

    @app.post("/v1/embeddings", summary="Vectors of texts: near where texts mean alike", tags=["openai"])
    async def embed(asked: Embedding, request: Request) -> Response:
        served = shelf.get(asked.model)
        if not able(served):
            raise Refusal(400, f"{served.name} does not read one text alone.", code="not_text", param="model")
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        if not texts or len(texts) > MOST:
            raise Refusal(400, f"Give a text, or up to {MOST:,} texts.", param="input")
        own, *other = [column.name for column in served.reader.columns]
        rows = [{own: text, **dict.fromkeys(other)} for text in texts]
        work = asyncio.get_running_loop().run_in_executor(served.threads.caller, _vectors, served, rows)
        found, tokens = await waited(work, request.receive, settings.time_limit)
        if asked.dimensions not in (None, found.shape[1]):
            raise Refusal(400, f"dimensions: this model's vectors have {found.shape[1]:,}.", param="dimensions")
        data = [{"object": "embedding", "index": at, "embedding": _form(row, asked)} for at, row in enumerate(found)]
        told = {"object": "list", "data": data, "model": served.name, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}  # fmt: skip
        return Response(written(told), media_type="application/json")


def _vectors(served: Served, rows: list[dict[str, Any]]) -> tuple[np.ndarray, int]:
    """(n, D) float32, and how many tokens were read."""
    part = encode(served.model, served.reader.read(rows))
    tokens = sum(len(ids.values) for arrays in part.blocks.values() if isinstance(ids := arrays.get("ids"), Ragged))
    with precisely(served.model.plan), torch.inference_mode():
        return embeddings.vectors(served.model.network, served.model.fitted, part.blocks, part.count), tokens


def _form(row: np.ndarray, asked: Embedding) -> Any:
    return row.tolist() if asked.encoding_format == "float" else base64.b64encode(row.astype("<f4").tobytes()).decode()
