"""Under load and change: back-pressure, time limits, clients that leave, a stop, a newer run."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import Live, until

import netwright as nw

ROW = {"x": 5.0, "z": -3}


def slow(live: Live, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.3, name: str = "flat") -> threading.Event:
    """Make each call of the network take long, beside the loop; the event lets it go on."""
    batcher = live.gate.shelf.current[name].batcher
    answer, free = batcher.answer, threading.Event()

    def work(parts: Any) -> Any:
        free.wait(seconds)
        return answer(parts)

    monkeypatch.setattr(batcher, "answer", work)
    monkeypatch.setattr(batcher, "light", False)
    return free


def test_too_many_are_told_to_come_again(serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch) -> None:
    live = serve("flat", queue=4)
    slow(live, monkeypatch, 1.0)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: live.client.post("/predict", json=ROW), range(12)))
    codes = sorted(each.status_code for each in found)
    assert set(codes) == {200, 429} and 5 <= codes.count(200) < 12
    refused = next(each for each in found if each.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["message"] == "Too many rows are waiting; try again in 1 s."


def test_a_time_limit(serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch) -> None:
    live = serve("flat", time_limit=0.2)
    free = slow(live, monkeypatch, 5.0)
    found = live.client.post("/predict", json=ROW)
    free.set()
    assert found.status_code == 504 and found.json()["error"]["message"] == "The answer took longer than 0.2 s."


def test_a_body_that_does_not_come(serve: Callable[..., Live]) -> None:
    live = serve("poems", time_limit=0.2)
    for path in ("/predict", "/v1/completions"):
        with socket.create_connection(live.socket.getsockname()) as slow_one:
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
            slow_one.sendall(head.encode())
            slow_one.settimeout(5)
            assert slow_one.recv(100).startswith(b"HTTP/1.1 408")


def test_rows_of_a_client_that_left_are_not_answered(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = serve("flat")
    free = slow(live, monkeypatch, 10.0)
    batcher = live.gate.shelf.current["flat"].batcher
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(live.client.post, "/predict", json=ROW)
        until(lambda: batcher.at_work)
        leaver = socket.create_connection(live.socket.getsockname())
        body = b'{"x": 1, "z": 1}'
        leaver.sendall(
            b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        until(lambda: len(batcher.waiting) == 1)
        leaver.close()
        until(lambda: batcher.waiting[0][1].cancelled())
        free.set()
        assert first.result().status_code == 200
    assert '"status": 499' in live.log()


def test_a_text_whose_client_left_leaves_the_running_batch(serve: Callable[..., Live]) -> None:
    live = serve("poems")
    with live.client.stream(
        "POST", "/v1/completions", json={"prompt": "the", "temperature": 1.3, "max_tokens": 60, "stream": True}
    ) as found:
        next(found.iter_lines())
    until(lambda: not _writing(live))
    assert live.client.post("/v1/completions", json={"prompt": "the", "max_tokens": 3}).status_code == 200


def _writing(live: Live) -> bool:
    return 'netwright_writing{model="poems"} 0.0' not in live.client.get("/metrics").text


def test_too_many_texts(serve: Callable[..., Live]) -> None:
    live = serve("poems", texts=1, waiting=2)
    asked = {"prompt": "the", "temperature": 0, "max_tokens": 50}
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: live.client.post("/v1/completions", json=asked), range(10)))
    told = [each.status_code for each in found]  # who comes first is not who was sent first
    assert set(told) <= {200, 429} and 200 in told
    assert len({each.json()["choices"][0]["text"] for each in found if each.status_code == 200}) == 1


def test_what_was_accepted_is_answered_when_it_stops(
    serve: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = serve("flat")
    slow(live, monkeypatch, 0.5)
    batcher = live.gate.shelf.current["flat"].batcher
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(live.client.post, "/predict", json=ROW) for _ in range(4)]
        until(lambda: batcher.at_work and live.gate.under_way == 4)
        live.server.should_exit = True
        assert [each.result().status_code for each in found] == [200] * 4


def replace(run: Path, by: Path) -> None:
    """Put another run in a run's place, as one renames a finished one."""
    fresh = run.with_name("fresh")
    shutil.copytree(by, fresh)
    run.rename(run.with_name(f"old-{time.monotonic_ns()}"))
    fresh.rename(run)


def test_a_newer_run_is_taken_up_without_a_lost_request(serve: Callable[..., Live], runs: Path, tmp_path: Path) -> None:
    run, newer = tmp_path / "live", tmp_path / "newer"
    shutil.copytree(runs / "flat", run)
    rows = [{"x": k / 7, "z": k * 7 % 13 - 6, "y": "low" if k > 30 else "high"} for k in range(60)]
    nw.train(rows, target="y", model={"family": "linear"}, output=newer, settings={"training": {"epochs": 3}})
    live = serve(f"live={run}", watch=0.05)
    version = live.client.get("/model").json()["version"]
    wanted = {version: live.client.post("/predict", json=ROW).json()["predictions"]}
    stop, found = threading.Event(), list[Any]()

    def ask() -> None:
        while not stop.is_set():
            found.append(live.client.post("/predict", json=ROW))

    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            pool.submit(ask)
        replace(run, newer)
        until(lambda: live.client.get("/model").json()["version"] != version)
        stop.set()
    wanted[live.client.get("/model").json()["version"]] = live.client.post("/predict", json=ROW).json()["predictions"]
    assert {each.status_code for each in found} == {200} and len(wanted) == 2
    for each in found:
        told = each.json()
        for one, two in zip(told["predictions"], wanted[told["version"]], strict=True):
            assert one["y"]["probabilities"] == pytest.approx(two["y"]["probabilities"], abs=1e-6)
    assert '"event": "reload"' in live.log()


def test_a_run_that_is_half_written_is_not_taken_up(serve: Callable[..., Live], runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "live"
    shutil.copytree(runs / "flat", run)
    live = serve(f"live={run}", watch=0.05)
    version = live.client.get("/model").json()["version"]
    (run / "model.safetensors").write_bytes(b"half")
    until(lambda: "reload.refused" in live.log())
    found = live.client.post("/predict", json=ROW)
    assert found.status_code == 200 and found.json()["version"] == version
