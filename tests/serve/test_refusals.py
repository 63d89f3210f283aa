"""Bad input: each has its status and one clear sentence."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from serving import Live, table

ROW = {"x": 5.0, "z": -3}
ASKED = {"/models/flat/predict": ROW, "/models/table/predict": table(2)[1]}


def bomb() -> bytes:
    """A PNG of 50,000 × 50,000 pixels in some kilobytes: its head tells the size, and its rows are all alike."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))
        + chunk(b"IEND", b"")
    )


def refused(live: Live, path: str, **asked: Any) -> tuple[int, str]:
    found = live.client.post(path, **asked)
    error = found.json()["error"]
    assert error["request"] == found.headers["x-request-id"]
    return found.status_code, error["message"]


FLAT = [
    (b"{", 400, "The body is no JSON: EOF while parsing"),
    (b"", 400, "The request has no body: send JSON."),
    (b"\xff\xfe{}", 400, "The body is no"),
    (b'{"x": "\xff", "z": 1}', 400, "The body is no valid UTF-8."),
    (b'{"x": NaN, "z": 1}', 400, "The body is no JSON"),
    (b'{"x": Infinity, "z": 1}', 400, "The body is no JSON"),
    (b'{"x": 1e999, "z": 1}', (400, 422), ""),
    (b"[" * 100_000, 400, "The body is no JSON"),
    (b"[]", 422, "There is no row: send an object, or a list of objects."),
    (b"3", 422, "row 1: expected an object of columns, got a number."),
    (b"null", 422, "row 1: expected an object of columns, got null."),
    (b"[[1, 2]]", 422, "row 1: expected an object of columns, got a list."),
    (b"{}", 422, "row 1: lacks the column 'x' (null where its value is not known)."),
    (b'{"x": 1}', 422, "row 1: lacks the column 'z' (null where its value is not known)."),
    (b'{"x": "one", "z": 1}', 422, "x: expected a number or null, got a text."),
    (b'{"x": true, "z": 1}', 422, "x: expected a number or null, got true or false."),
    (b'{"x": [1], "z": 1}', 422, "x: expected a number or null, got a list."),
    (b'{"x": {}, "z": 1}', 422, "x: expected a number or null, got an object."),
    (b'{"x": 1' + b"0" * 400 + b', "z": 1}', 422, "x: expected a number, got a whole number that is too large."),
    (b'{"x": 1, "z": 1, "w": 1}', 422, "row 1: there is no column 'w'; there is: "),
    (b'[{"x": 1, "z": 1}, {"x": "", "z": 1}]', 422, "row 2, x: expected a number or null, got a text."),
]


@pytest.mark.parametrize(("content", "status", "sentence"), FLAT, ids=[str(each[0][:40]) for each in FLAT])
def test_bodies(every: Live, content: bytes, status: int | tuple[int, ...], sentence: str) -> None:
    found, said = refused(every, "/models/flat/predict", content=content, headers={"content-type": "application/json"})
    assert found in (status if isinstance(status, tuple) else (status,))
    assert said.startswith(sentence) and said.endswith((".", "?")) and "\n" not in said


def test_every_problem_is_told_at_once(every: Live) -> None:
    error = every.client.post("/models/flat/predict", json=[{"x": "a", "z": "b"}, {"y": 1}]).json()["error"]
    assert [each["where"] for each in error["problems"]] == ["row 1, x", "row 1, z", "row 2", "row 2"]


def test_a_missing_number_is_answered(every: Live) -> None:
    assert every.client.post("/models/flat/predict", json={"x": None, "z": None}).status_code == 200


def test_many_categories_never_seen(serve: Callable[..., Live]) -> None:
    live = serve("table", rows=1000)
    rows = [{**table(2)[1], "city": f"city {k}"} for k in range(1000)]
    found = live.client.post("/predict", json=rows)
    assert found.status_code == 200 and "and 995 more" in found.json()["notes"][0]
    assert refused(live, "/predict", json=[rows[0]] * 1001) == (
        413,
        "1,001 rows are too many for one request: 1,000 at most.",
    )


def test_bodies_that_are_too_large(every: Live, serve: object) -> None:
    live = serve("flat", body=2048)  # type: ignore[operator]
    status, said = refused(
        live, "/predict", content=b"[" + b" " * 4000 + b"]", headers={"content-type": "application/json"}
    )
    assert (status, said) == (413, "The request is larger than 2,048 bytes.")

    def parts() -> Any:
        yield from [b" " * 1000] * 5

    status, _ = refused(live, "/predict", content=parts(), headers={"content-type": "application/json"})
    assert status == 413
    # a body of 2 GB is refused by what it says of itself: it is not waited for
    import http.client

    raw = http.client.HTTPConnection(every.base.removeprefix("http://"), timeout=10)
    raw.putrequest("POST", "/models/flat/predict")
    raw.putheader("content-type", "application/json")
    raw.putheader("content-length", str(2 * 2**30))
    raw.endheaders()
    assert raw.getresponse().status == 413
    raw.close()


def test_texts_that_are_too_long(serve: object) -> None:
    live = serve("table", characters=100)  # type: ignore[operator]
    row = {**table(2)[1], "advert": "x" * 101}
    assert refused(live, "/predict", json=row) == (413, "advert: has 101 characters: 100 at most.")


IMAGES = {
    "a text": ("hello!", 422, "picture: expected an image as base64, got a text that is no base64."),
    "no image": (base64.b64encode(b"hello").decode(), 422, "picture: is no image that can be read ("),
    "a path": ("/etc/passwd", 422, "picture: "),
    "nothing": (None, 422, "picture: expected an image as base64, got none."),
    "numbers": ([[0, 1]], 422, "picture: expected an image as base64, got a list."),
    "half an image": (base64.b64encode(bomb()[:60]).decode(), (413, 422), "picture: "),
    "a bomb": (base64.b64encode(bomb()).decode(), 413, "picture: is an image of "),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images(every: Live, name: str) -> None:
    value, status, sentence = IMAGES[name]
    found, said = refused(every, "/models/pictures/predict", json={"picture": value})
    assert found in (status if isinstance(status, tuple) else (status,)) and said.startswith(sentence)


def test_an_image_that_breaks_off(every: Live) -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(out, "PNG")
    half = base64.b64encode(out.getvalue()[:1000]).decode()
    status, said = refused(every, "/models/pictures/predict", json={"picture": half})
    assert status == 422 and "0x" not in said


def test_other_forms(every: Live) -> None:
    assert refused(every, "/models/flat/predict", content=b"x=1", headers={"content-type": "text/plain"})[0] == 415
    assert (
        refused(every, "/models/flat/predict", content=b"--", headers={"content-type": "multipart/form-data"})[0] == 400
    )
    assert (
        refused(every, "/models/flat/predict", files={"x": (None, "one"), "z": (None, "1")})[1]
        == "x: expected a number or null, got a text."
    )
    assert every.client.get("/models/flat/predict").status_code == 405
    assert refused(every, "/models/nobody/predict", json=ROW)[0] == 404
    assert every.client.get("/nothing").json()["error"]["message"].startswith("There is nothing at this address")
    assert every.client.delete("/health").status_code == 405
