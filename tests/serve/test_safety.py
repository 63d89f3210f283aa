"""Safe by default: who may ask, and what is never said."""

from __future__ import annotations

import base64
import io
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving import Live, images

import netwright as nw
from netwright.cli.main import main
from netwright.evaluation import evaluate
from netwright.report.page import build
from netwright.serve.keys import Keys, made
from netwright.training import autotune
from netwright.verbs.serve import serve as verb

ROW = {"x": 5.0, "z": -3}


def test_beyond_loopback_keys_are_demanded(runs: Path) -> None:
    with pytest.raises(nw.InputError, match="is reachable from other machines without a key.*--key-file"):
        verb([str(runs / "flat")], settings={"host": "0.0.0.0"})


def test_a_key_is_printed_once_and_kept_as_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.txt"
    assert main(["key", str(path), "ann"]) == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("nw-") and key not in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    keys = Keys.read(path)
    assert keys.owner(key) == "ann" and keys.owner(key + "x") is None and keys.owner("é\udc80") is None
    assert main(["key", str(path), "ann"]) == 2


def test_key_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    made(path, "ann")
    path.chmod(0o644)
    with pytest.raises(nw.InputError, match=r"is readable by others \(mode 644\).*chmod 600"):
        Keys.read(path)
    path.chmod(0o600)
    path.write_text("nw-a-key-itself\n")
    with pytest.raises(nw.InputError, match="line 1 of .* is not a key hash"):
        Keys.read(path)
    path.write_text("")
    with pytest.raises(nw.InputError, match="holds no key"):
        Keys.read(path)
    with pytest.raises(nw.InputError, match="cannot be read: No such file"):
        Keys.read(tmp_path / "none.txt")


def test_who_has_no_key_is_refused(serve: Any, tmp_path: Path) -> None:
    key = made(tmp_path / "keys.txt", "ann")
    live: Live = serve("flat", key_file=str(tmp_path / "keys.txt"))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {key}"}, {"x-api-key": ""}):
        for way in ("/model", "/metrics", "/openapi.json", "/nothing"):
            assert live.client.get(way, headers=headers).status_code == 401
        found = live.client.post("/predict", json=ROW, headers=headers)
        assert found.status_code == 401 and found.headers["www-authenticate"] == "Bearer"
    assert live.client.post("/predict", json=ROW, headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert live.client.post("/predict", json=ROW, headers={"x-api-key": key}).status_code == 200
    for way in ("/", "/docs", "/page/page.js", "/health", "/ready"):
        assert live.client.get(way).status_code == 200
    assert key not in live.log()


def test_pages_of_others_may_not_ask(every: Live) -> None:
    for headers, status in (
        ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421), ({"origin": every.base}, 200), ({"host": "localhost:1"}, 200), ({"host": "[::1]:80"}, 200),
    ):  # fmt: skip
        assert every.client.post("/models/flat/predict", json=ROW, headers=headers).status_code == status, headers
    found = every.client.options("/models/flat/predict", headers={"origin": "http://evil.example"})
    assert not any(name.startswith("access-control") for name in found.headers)


def test_what_a_browser_shows_has_its_security_headers(every: Live) -> None:
    for found in (
        every.client.get("/"),
        every.client.get("/docs"),
        every.client.get("/models"),
        every.client.get("/nothing"),
    ):
        assert "default-src 'none'" in found.headers["content-security-policy"]
        assert found.headers["x-content-type-options"] == "nosniff" and found.headers["x-frame-options"] == "DENY"
        assert "server" not in found.headers


def test_the_page_loads_nothing_from_elsewhere() -> None:
    import netwright.serve

    folder = Path(netwright.serve.__file__).parent / "page"
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path.name
        assert "style=" not in text and 'onclick="' not in text, path.name


def test_what_goes_wrong_here_is_not_told(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live: Live = serve("flat")

    def broken(*_: Any) -> Any:
        raise RuntimeError("/secret/place and a user's words")

    monkeypatch.setattr(live.gate.shelf.current["flat"].batcher, "answer", broken)
    found = live.client.post("/predict", json=ROW, headers={"x-request-id": "mine-1"})
    assert found.status_code == 500 and found.json()["error"]["request"] == "mine-1"
    assert "secret" not in found.text and "Traceback" not in found.text
    log = live.log()
    assert "RuntimeError" in log and "mine-1" in log and "secret" not in log


def test_the_log_holds_no_content(every: Live) -> None:
    every.client.post("/models/table/predict?q=hidden-query", json={"advert": "hidden-advert", "hidden-column": 1})
    every.client.post("/models/pairs/predict", json={"en": "hidden-prompt"})
    every.client.get("/hidden-path")
    log = every.log()
    assert '"status": 422' in log and "hidden" not in log
    assert all(line.startswith('{"time": "') for line in log.strip().split("\n"))


def test_request_ids_are_taken_only_where_they_are_plain(every: Live) -> None:
    assert every.client.get("/health", headers={"x-request-id": "abc.1"}).headers["x-request-id"] == "abc.1"
    assert '"' not in every.client.get("/health", headers={"x-request-id": 'a"b'}).headers["x-request-id"]


WATCHED: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHED is not None and event in ("open", "socket.connect", "socket.getaddrinfo"):
        WATCHED.append(str(arguments[:2]))


@pytest.fixture(scope="session")
def captions(runs: Path) -> Path:
    """A run that writes a text about a picture."""
    shown = {**images(), "caption": [f"picture {k} shows {side}" for k, side in enumerate(images()["side"])]}
    del shown["side"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "compare", lambda *_, **__: {})
        patch.setattr(autotune, "TRIAL", 1e-4)
        patch.setattr(build, "page", lambda found: "")
        model = {"family": "transformer", "depth": 1, "width": 16, "heads": 2, "key_heads": 1}
        settings = {"training": {"epochs": 1}, "columns": {"caption": {"kind": "text", "vocabulary": 300}}}
        nw.train(shown, target="caption", model=model, output=runs / "captions", settings=settings)
    return runs / "captions"


@pytest.fixture
def asks(serve: Any, captions: Path) -> Any:
    """Each way in which a request may name a picture, and what is answered; a good picture is read in some of them."""
    live: Live = serve("pictures", "tone", str(captions))

    def ask(value: Any) -> dict[str, Any]:
        jpeg = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": value}}]}
        post = live.client.post
        return {
            "json": post("/models/pictures/predict", json={"picture": value}),
            "rows": post("/models/pictures/predict", json=[{"picture": value}] * 2),
            "record": post("/models/pictures/predict", json={"picture": {"path": value, "bytes": None}}),
            "form": post("/models/pictures/predict", files={"picture": (None, value)}),
            "file's name": post("/models/pictures/predict", files={"picture": (value, b"no picture")}),
            "written": post("/models/captions/predict", json={"picture": value}),
            "completion": post("/v1/completions", json={"model": "captions", "prompt": value, "max_tokens": 2}),
            "completions": post("/v1/completions", json={"model": "captions", "prompt": [value], "max_tokens": 2}),
            "chat": post("/v1/chat/completions", json={"model": "captions", "messages": [jpeg], "max_tokens": 2}),
            "embedding": post("/v1/embeddings", json={"model": "pictures", "input": value}),
        }

    return ask


def test_nothing_that_a_request_names_is_opened(asks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    global WATCHED
    (tmp_path / "secret.png").write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    sys.addaudithook(_watch)
    for form in (
        "{}/secret.png",
        "secret.png",
        "../{name}/secret.png",
        "file://{}/secret.png",
        "http://127.0.0.1:9/secret.png",
    ):
        WATCHED = []
        found = asks(form.format(tmp_path, name=tmp_path.name))
        opened, WATCHED = [one for one in WATCHED if "secret" in one or ", 9)" in one], None
        assert not opened, form
        for way, answer in found.items():
            assert answer.status_code in (400, 422), (form, way, answer.text)
            assert "predictions" not in answer.text, (form, way)


def test_a_missing_file_is_not_told_from_one_that_is_no_picture(asks: Any, tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("no picture")
    (tmp_path / "pic1.png").write_bytes(picture())

    def told(name: str) -> dict[str, str]:
        return {
            way: re.sub(r'"request":"?[^,}]*', "", answer.text.replace(" ", "")).replace(name, "")
            for way, answer in asks(str(tmp_path / name)).items()
        }

    assert told("none.txt") == told("there.txt") == told("pic1.png")


def test_a_picture_is_brought_as_bytes(asks: Any) -> None:
    found = asks(base64.b64encode(picture()).decode())
    assert found["completion"].status_code == 200, found["completion"].text
    assert {way for way, answer in found.items() if answer.status_code == 200} == {
        "json", "rows", "form", "written", "completion", "completions",
    }  # fmt: skip


def picture() -> bytes:
    """A picture's bytes."""
    out = io.BytesIO()
    Image.fromarray(images()["picture"][0]).save(out, "png")
    return out.getvalue()


def test_a_port_in_use(runs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            nw.InputError, match=f"port {port} of 127.0.0.1 cannot be listened on: Address already in use.*--port"
        ):
            verb([str(runs / "flat")], settings={"port": port})


def test_runs_that_cannot_be_served(runs: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(nw.InputError, match="there is no such folder"):
        verb([str(tmp_path / "none")])
    half = tmp_path / "half"
    shutil.copytree(runs / "flat", half)
    (half / "model.safetensors").unlink()
    with pytest.raises(nw.InputError, match="this run is not complete"):
        verb([str(half)])
    (half / "model.safetensors").write_bytes((runs / "flat" / "model.safetensors").read_bytes()[:300])
    with pytest.raises(nw.InputError, match="this file is damaged"):
        verb([str(half)], settings={"port": 0})
    with pytest.raises(nw.InputError, match="the name 'flat' occurs twice"):
        verb([str(runs / "flat"), f"flat={half}"], settings={"port": 0})
    os.rename(half, tmp_path / "a b")
    with pytest.raises(nw.InputError, match="cannot be a model's name"):
        verb([str(tmp_path / "a b")], settings={"port": 0})
