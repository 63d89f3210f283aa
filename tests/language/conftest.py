"""Small networks that write, trained once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_runs import chats, pairs, texts, trained

from netwright.inference.model import Model


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("language")


@pytest.fixture(scope="session")
def poet(home: Path) -> Model:
    """A language model."""
    return trained(texts(), "text", home / "poet")


@pytest.fixture(scope="session")
def talker(home: Path) -> Model:
    """One that answers messages."""
    return trained(chats(), "messages", home / "talker")


@pytest.fixture(scope="session", params=["decoder", "encoder_decoder", "lstm", "gru", "rnn"])
def translator(request: pytest.FixtureRequest, home: Path) -> Model:
    """Text to text in every form."""
    form = request.param
    if form in ("lstm", "gru", "rnn"):
        return trained(pairs(), "fr", home / form, family="recurrent", cell=form, epochs=20)
    return trained(pairs(), "fr", home / form, form=form, epochs=20)
