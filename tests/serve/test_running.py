"""A running batch: a text that joins is what it would be alone, whoever else is in the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from written_runs import pairs, texts, trained

from netwright.inference.generation import Generator, Running
from netwright.inference.model import Model
from netwright.nn.heads.text.settings import SamplingParams

GREEDY = SamplingParams(max_tokens=12)
FORMS = {
    "decoder": {"family": "transformer"},
    "encoder_decoder": {"family": "transformer", "form": "encoder_decoder"},
    "recurrent": {"family": "recurrent"},
}
PROMPTS = ["the red cat", "the blue dog and the car", "cat", "the white house the white house", "the pink"]


@pytest.fixture(scope="module", params=list(FORMS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("written") / "run"
    return trained(pairs(40), "fr", folder, epochs=2, **FORMS[request.param])  # type: ignore[arg-type]


def alone(model: Model, prompts: list[str], samplings: list[SamplingParams]) -> list[list[int]]:
    return [
        model.generate(prompt, sampling=sampling)[0].tokens for prompt, sampling in zip(prompts, samplings, strict=True)
    ]


def together(model: Model, prompts: list[str], samplings: list[SamplingParams], *, every: int = 1) -> list[list[int]]:
    """All prompts join one running batch, `every` steps apart."""
    running = Running(Generator(model.network, model.fitted, "cpu"))
    states = []
    for prompt, sampling in zip(prompts, samplings, strict=True):
        states.append(running.join(prompt, sampling))
        for _ in range(every):
            if len(running):
                running.step()
    while len(running):
        running.step()
    return [running.text(state).tokens for state in states]


@pytest.mark.parametrize("every", [0, 1, 3])
def test_texts_that_join_are_what_they_are_alone(model: Model, every: int) -> None:
    samplings = [GREEDY] * len(PROMPTS)
    assert together(model, PROMPTS, samplings, every=every) == alone(model, PROMPTS, samplings)


def test_each_text_keeps_its_own_manner(model: Model) -> None:
    samplings = [
        SamplingParams(max_tokens=10, temperature=1.0, seed=3), SamplingParams(max_tokens=3), SamplingParams(max_tokens=9, temperature=0.7, top_k=5, seed=3),
        SamplingParams(max_tokens=8, repetition_penalty=1.3), SamplingParams(max_tokens=12, stop=("e",)),
    ]  # fmt: skip
    assert together(model, PROMPTS, samplings) == alone(model, PROMPTS, samplings)


def test_one_that_leaves_changes_nothing_for_the_others(model: Model) -> None:
    running = Running(Generator(model.network, model.fitted, "cpu"))
    states = [running.join(prompt, GREEDY) for prompt in PROMPTS]
    running.step()
    running.leave(states[3])
    while len(running):
        running.step()
    found = [running.text(state).tokens for at, state in enumerate(states) if at != 3]
    assert found == [tokens for at, tokens in enumerate(alone(model, PROMPTS, [GREEDY] * 5)) if at != 3]


def test_the_padding_of_those_who_left_is_dropped(tmp_path: Path) -> None:
    model = trained(texts(30), "text", tmp_path / "run", epochs=1)
    running = Running(Generator(model.network, model.fitted, "cpu"))
    long = running.join("the moon shines and snow the moon shines and snow", SamplingParams(max_tokens=40))
    running.join("the", SamplingParams(max_tokens=40))
    assert running.memory is not None and running.memory.document is not None
    wide = running.memory.cache[0][0].shape[2]
    running.leave(long)
    assert len(running) == 1
    assert running.memory.document is None and running.memory.cache[0][0].shape[2] < wide
    assert torch.isfinite(running.memory.cache[0][0]).all()
