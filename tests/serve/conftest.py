"""Small runs, and servers that serve them on sockets of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from serving import Live, images, table
from written_runs import chats, pairs, texts, trained

import netwright as nw
from netwright.evaluation import evaluate
from netwright.report.page import build
from netwright.training import autotune


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: flat (number), table (all kinds, several targets), pictures, tone, chat, pairs, poems."""
    folder = tmp_path_factory.mktemp("runs")
    small = {"training": {"epochs": 2}, "plan": {"threads": 1}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("NETWRIGHT_CACHE", str(folder / "cache"))
        patch.setattr(evaluate, "compare", lambda *_, **__: {})
        patch.setattr(autotune, "TRIAL", 1e-4)
        patch.setattr(build, "page", lambda found: "")
        torch.set_num_threads(1)
        flat = [{"x": k / 7, "z": k * 7 % 13 - 6, "y": "high" if k > 30 else "low"} for k in range(60)]
        nw.train(
            flat, target="y", model={"family": "mlp", "width": 8, "members": 2}, output=folder / "flat", settings=small
        )
        columns = {
            "columns": {
                "marks": {"kind": "labels"},
                "tags": {"kind": "labels"},
                "since": {"kind": "date"},
                "advert": {"kind": "text"},
            }
        }
        mlp = {"family": "mlp", "width": 8, "members": 2}
        nw.train(
            table(), target=["price", "sold", "tags"], model=mlp, output=folder / "table", settings={**small, **columns}
        )
        nw.train(images(), target="side", model={"family": "convnet"}, output=folder / "pictures", settings=small)
        tone = [{"note": f"{word} day {k % 5}", "tone": word[0]} for k, word in enumerate(["good", "bad"] * 30)]
        columns = {"columns": {"note": {"kind": "text"}}}
        nw.train(
            tone,
            target="tone",
            model={"family": "mlp", "width": 8, "members": 2},
            output=folder / "tone",
            settings={**small, **columns},
        )
        trained(chats(), "messages", folder / "chat", epochs=2)
        trained(pairs(), "fr", folder / "pairs", epochs=2)
        trained(texts(), "text", folder / "poems", epochs=2)
    return folder


@pytest.fixture
def serve(runs: Path) -> Iterator[Callable[..., Live]]:
    """Start servers, which stop at the test's end."""
    begun: list[Live] = []

    def start(*names: str, **settings: Any) -> Live:
        begun.append(Live(list(names), runs, **settings))
        return begun[-1]

    yield start
    for live in begun:
        live.stop()


@pytest.fixture(scope="session")
def every(runs: Path) -> Iterator[Live]:
    """A server of all runs, for tests that only ask."""
    live = Live(["flat", "table", "pictures", "tone", "chat", "pairs", "poems"], runs, watch=0)
    yield live
    live.stop()
