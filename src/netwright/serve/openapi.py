"""The API's document: FastAPI's own, and the ways to predict with a schema made of each model's columns."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from netwright.serve.served import Served
from netwright.serve.settings import Settings
from netwright.serve.shelf import Shelf

_REFUSALS = {
    "400": "the body is no JSON", "401": "a key is needed", "404": "there is no such model",
    "413": "too large: the body, a text or an image", "415": "neither JSON nor a form", "422": "a row cannot be read",
    "429": "too many are waiting: come again after Retry-After", "504": "it took too long",
}  # fmt: skip


def document(app: FastAPI, shelf: Shelf, settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document."""
    from fastapi.openapi.utils import get_openapi

    found = get_openapi(
        title="netwright", version=app.version, routes=app.routes, description="Runs of netwright, served."
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas["Refusal"] = _refusal()
    for name, served in shelf.current.items():
        row = f"Row_{name}"
        schemas[row] = served.reader.schema()
        found["paths"][f"/models/{name}/predict"] = {"post": _way(served, row, name)}
        if shelf.only is not None:
            found["paths"]["/predict"] = {"post": _way(served, row, "only")}
    if settings.key_file:
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
    for path in found["paths"].values():
        for way in path.values():
            for status in [status for status in way["responses"] if status == "422"]:
                way["responses"][status] = _refused("the request cannot be read")
            if "/predict" not in way["operationId"] and "requestBody" in way:
                way["responses"] |= {status: _refused(text) for status, text in _REFUSALS.items()}
    return found


def _way(served: Served, row: str, name: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{row}"}
    many = {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    form = {
        "type": "object", "properties": {
            column.name: {"type": "string", "contentMediaType": "application/octet-stream"} if column.value.files else {"type": "string"}
            for column in served.reader.columns
        },
    }  # fmt: skip
    return {
        "summary": f"Answer rows with {served.name}", "operationId": f"predict_{name}", "tags": ["predict"],
        "requestBody": {"required": True, "content": {
            "application/json": {"schema": many, "example": served.reader.typical()},
            "multipart/form-data": {"schema": form},
        }},
        "responses": {
            "200": {"description": "The answers, a row each", "content": {"application/json": {"schema": _answer(served)}}},
            **{status: _refused(text) for status, text in _REFUSALS.items()},
        },
    }  # fmt: skip


def _answer(served: Served) -> dict[str, Any]:
    target = {"type": "object", "properties": {"predicted": {}}, "required": ["predicted"]}
    names = served.model.targets
    return {
        "type": "object", "required": ["model", "version", "predictions"],
        "properties": {
            "model": {"type": "string"}, "version": {"type": "string", "description": "what answered"},
            "predictions": {"type": "array", "items": {
                "type": "object", "properties": dict.fromkeys(names, target), "required": names,
            }},
            "notes": {"type": "array", "items": {"type": "string"}, "description": "what was read as unknown, cut or missing"},
        },
    }  # fmt: skip


def _refused(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}}


def _refusal() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return {
        "type": "object", "required": ["error"],
        "properties": {"error": {
            "type": "object", "required": ["message", "type", "code", "request"],
            "properties": {
                "message": {"type": "string"}, "type": {"type": "string"}, "code": text, "param": text,
                "request": {"type": "string"},
                "problems": {"type": "array", "items": {"type": "object"}},
            },
        }},
    }  # fmt: skip
