"""Generate: what a run writes after a prompt; chat: a conversation with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from netwright import pretrained
from netwright.errors import InputError, Problem
from netwright.inference.model import Model, load
from netwright.kinds.language import written
from netwright.nn.heads.text.settings import SamplingParams
from netwright.recipe import validate
from netwright.training.checkpoint_start import writer


def generate(run: str | Path, prompt: str, *, settings: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield what a run, or a pretrained checkpoint, writes after a prompt, as it comes. `settings`: those of `SamplingParams`.

    Raises `InputError` where the run writes no text, the prompt has no room in its context, or a setting is wrong.
    """
    sampling = validate(SamplingParams, dict(settings or {}), where="generate")
    model = _opened(run)
    if sampling.beams > 1:
        yield model.generate(prompt, sampling=sampling)[0].text
        return
    yield from model.stream(prompt, sampling=sampling)


def chat(
    run: str | Path, *, ask: Callable[[], str | None], tell: Callable[[str], None], system: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[dict[str, str]]:  # fmt: skip
    """Hold a conversation: `ask` gives what the user says (None: it is over), `tell` is given the answer as it comes.

    Returns all messages. What no longer fits into the context is forgotten, oldest first. Raises `InputError` where the run
    writes no answers to messages.
    """
    sampling = validate(SamplingParams, {"temperature": 0.7, "top_p": 0.95, **dict(settings or {})}, where="chat")
    model = _opened(run)
    kind = written(model.fitted.targets.values())
    if kind is None or not kind.conversation:
        what = f"{run} was not trained on messages"
        raise InputError(
            Problem("RUN", what, fix=f'netwright generate {run} "the beginning of a text" continues a text')
        )
    said: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    while (text := ask()) is not None:
        said.append({"role": "user", "content": text})
        parts = []
        for part in model.stream(said, sampling=sampling):
            parts.append(part)
            tell(part)
        tell("\n")
        said.append({"role": "assistant", "content": "".join(parts)})
    return said


def _opened(run: str | Path) -> Model:
    """A run's model, or that of a pretrained checkpoint as it is."""
    return writer(str(run)) if pretrained.is_one(run) else load(run)
