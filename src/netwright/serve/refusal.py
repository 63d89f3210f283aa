"""What is answered when a request cannot be: a status, one clear sentence, and nothing of the machine's own."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from netwright.errors import InputError

SHOWN = 20  # problems of one request that are told

TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    405: "invalid_request_error", 408: "invalid_request_error", 413: "invalid_request_error", 415: "invalid_request_error",
    421: "permission_error", 422: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip


class Refusal(Exception):
    """A request that is not answered. The form of its body is OpenAI's, so that their clients understand it too."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None,
        problems: tuple[dict[str, str], ...] = (), headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers
        self.code, self.param, self.problems = code or HTTPStatus(status).name.lower(), param, problems

    def body(self, request: str) -> dict[str, Any]:
        """Return what is sent; `request`: the request's id."""
        error: dict[str, Any] = {
            "message": self.message, "type": TYPES.get(self.status, "server_error"), "code": self.code,
            "param": self.param, "request": request,
        }  # fmt: skip
        if self.problems:
            error["problems"] = list(self.problems)
        return {"error": error}

    def sent(self, request: str) -> bytes:
        """Return the body as JSON."""
        return json.dumps(self.body(request), ensure_ascii=False).encode("utf-8", "replace")


def of_input(error: InputError, *, status: int = 422) -> Refusal:
    """Return the refusal of what a user's input could not be read as."""
    told = tuple({"where": each.where, "what": each.what} for each in error.problems[:SHOWN])
    first = error.problems[0]
    return Refusal(status, sentence(first.where, first.what), code="input", problems=told)


def sentence(where: str, what: str) -> str:
    """Return one sentence of a place and what is wrong there.

    >>> sentence("age", "expected a number"), sentence("", "did you mean age?")
    ('age: expected a number.', 'did you mean age?')
    """
    text = f"{where}: {what}" if where else what
    return text if text.endswith(("?", ".")) else text + "."


def busy(what: str, *, seconds: int = 1) -> Refusal:
    """Return the refusal of one who came when too many were waiting."""
    again = (b"retry-after", str(seconds).encode())
    return Refusal(429, f"Too many {what} are waiting; try again in {seconds} s.", code="busy", headers=(again,))
