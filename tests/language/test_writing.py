"""Writing: cached as uncached, together as alone, beams, bounds, streams, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import netwright as nw
from netwright.errors import InputError
from netwright.events import listening
from netwright.export.side import Ours
from netwright.inference.model import Model
from netwright.nn.heads.text.sampling import chosen, penalised
from netwright.nn.heads.text.settings import SamplingParams
from netwright.recipe import validate
from netwright.verbs.generate import chat
from netwright.verbs.quantize import quantize

PROMPTS = ["the red cat", "the blue house", "white dog", "the green car and the black one"]
SAMPLINGS = [
    SamplingParams(max_tokens=12),
    SamplingParams(max_tokens=12, temperature=1.0, top_p=0.9, seed=3),
    SamplingParams(max_tokens=8, beams=3),
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=["greedy", "drawn", "beams"])
def test_prompts_of_unlike_length_together_give_what_each_gives_alone(
    translator: Model, sampling: SamplingParams
) -> None:
    together = translator.generate(PROMPTS, sampling=sampling)
    for prompt, text in zip(PROMPTS, together, strict=True):
        alone = translator.generate(prompt, sampling=sampling)[0]
        assert alone.text == text.text
        assert alone.log_probability == pytest.approx(text.log_probability, abs=1e-4)


def test_the_cache_changes_nothing(poet: Model) -> None:
    ours = Ours(poet)
    ids = [ours.kind.first, *ours.encode("床前")]
    text = poet.generate("床前", sampling=SamplingParams(max_tokens=20))[0]
    uncached = ours.greedy(ids, 20)
    assert [token for token in uncached if token not in ours.kind.ends] == text.tokens


def test_a_manner_may_be_a_dict_of_its_settings(poet: Model) -> None:
    known = poet.generate("the", sampling=SamplingParams(max_tokens=4))[0].text
    assert poet.generate("the", sampling={"max_tokens": 4})[0].text == known
    with pytest.raises(
        InputError,
        match=r"sampling\.temperature: got -1\. Allowed: greater than or equal to 0\.\nsampling\.max_token: .* max_tokens",
    ):
        poet.generate("the", sampling={"temperature": -1, "max_token": 4})


def test_a_beam_is_never_less_probable_than_greedy(translator: Model) -> None:
    greedy = translator.generate(PROMPTS, sampling=SamplingParams(max_tokens=12))
    beams = translator.generate(PROMPTS, sampling=SamplingParams(max_tokens=12, beams=4, length_penalty=0))
    for one, other in zip(greedy, beams, strict=True):
        if one.reason == "end":
            assert other.log_probability >= one.log_probability - 1e-4


def test_it_learns_to_translate(translator: Model) -> None:
    metrics = translator.metrics["test"]
    assert metrics["bits_per_byte"]["value"] < 2.0
    assert {"chrf", "bleu", "rouge_l", "exact_match"} <= set(metrics)
    assert {"nearest", "lead", "ngrams"} <= set(translator.metrics["baseline"])


def test_streamed_text_is_the_text_and_stops_before_its_stop(poet: Model) -> None:
    sampling = SamplingParams(max_tokens=30, temperature=1.0, seed=5)
    whole = poet.generate("the", sampling=sampling)[0].text
    assert "".join(poet.stream("the", sampling=sampling)) == whole
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    stopped = sampling.model_copy(update={"stop": (stop,)})
    assert "".join(poet.stream("the", sampling=stopped)) == whole[: whole.find(stop)]
    assert poet.generate("the", sampling=stopped)[0].text == whole[: whole.find(stop)]


def test_the_same_seed_gives_the_same_text_and_another_seed_another(poet: Model) -> None:
    drawn = [
        poet.generate("a", sampling=SamplingParams(max_tokens=30, temperature=1.0, seed=s))[0].text for s in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_log_probabilities_are_those_of_the_network(poet: Model) -> None:
    text = poet.generate("the", sampling=SamplingParams(max_tokens=5, logprobs=3))[0]
    assert len(text.alternatives) == len(text.tokens) + (text.reason == "end")
    first = text.alternatives[0]
    assert len(first) == 3 and max(first.values()) == next(iter(first.values()))
    assert sum(np.exp(list(first.values()))) <= 1 + 1e-6


def test_bounds_leave_out_what_they_say() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, -5.0]]).expand(500, 4)
    rows = torch.arange(500)
    kept = {
        "top_k": (SamplingParams(temperature=1.0, top_k=2), {0, 1}), "top_p": (SamplingParams(temperature=1.0, top_p=0.6), {0}),
        "min_p": (SamplingParams(temperature=1.0, min_p=0.3), {0, 1}), "all": (SamplingParams(temperature=3.0), {0, 1, 2, 3}),
    }  # fmt: skip
    for name, (sampling, allowed) in kept.items():
        assert set(chosen(sampling, logits, rows, 0).tolist()) == allowed, name


def test_what_is_drawn_has_the_networks_probabilities() -> None:
    logits = torch.tensor([[1.0, 0.0, 2.0]]).expand(20_000, 3)
    drawn = chosen(SamplingParams(temperature=0.5), logits, torch.arange(20_000), 0)
    share = torch.bincount(drawn, minlength=3) / 20_000
    torch.testing.assert_close(share, (logits[0] / 0.5).softmax(-1), atol=0.015, rtol=0)


def test_the_repetition_penalty_lowers_what_is_there() -> None:
    out = penalised(torch.tensor([[2.0, -2.0, 1.0]]), [[0, 1]], 2.0)
    assert out.tolist() == [[1.0, -4.0, 1.0]]


def test_a_conversation_is_answered(talker: Model) -> None:
    said = [{"role": "user", "content": "say 3"}]
    assert talker.generate(said)[0].text == talker.generate("say 3")[0].text
    assert talker.metrics["history"][-1]["loss"] < talker.metrics["history"][0]["loss"]


@pytest.mark.parametrize(
    ("values", "named"),
    [({"top_p": 0}, "top_p"), ({"beams": 0}, "beams"), ({"beams": 2, "temperature": 1}, "beams"), ({"stop": [""]}, "stop"), ({"tempreture": 1}, "temperature")],
)  # fmt: skip
def test_manners_that_make_no_sense_are_named(values: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        validate(SamplingParams, values, where="generate")


def test_prompts_beyond_the_context_are_refused(poet: Model) -> None:
    with pytest.raises(InputError, match="the context holds"):
        poet.generate("the moon " * 200)


def test_prompts_of_half_characters_are_read_and_said(poet: Model, talker: Model) -> None:
    """Bytes of a terminal that are no UTF-8 come as lone surrogates."""
    for model in (poet, talker):
        with listening(heard := []):
            found = model.generate(["the \udcff"], sampling=SamplingParams(max_tokens=3))
        assert found and [event.name for event in heard] == ["prompt.surrogates"]


def test_only_conversations_are_held(poet: Model, tmp_path) -> None:
    assert poet.run is not None
    with pytest.raises(InputError, match="was not trained on messages. Fix: netwright generate"):
        chat(poet.run.folder, ask=lambda: "hello", tell=lambda part: None)


def test_runs_that_write_nothing_say_what_to_do(tmp_path) -> None:
    model = nw.train(
        {"x": [x / 7 for x in range(60)], "y": [3.0 * x for x in range(60)]},
        target="y",
        model="linear",
        output=tmp_path / "r",
    )
    with pytest.raises(InputError, match="generates no text"):
        model.generate("x")


def test_a_language_model_has_no_rows_to_answer(poet: Model) -> None:
    with pytest.raises(InputError, match="netwright generate"):
        poet.predict([{"text": "x"}])


def test_a_run_that_writes_is_quantized_in_its_weights_alone(translator: Model, tmp_path: Path) -> None:
    """The form is chosen and said; the run goes on writing, cached as uncached."""
    assert translator.run is not None
    with listening(heard := []):
        quantize(translator.run.folder, output=tmp_path / "small")
    assert any(event.name == "quantize.form" and "int8_weights" in event.text for event in heard)
    small = nw.load(tmp_path / "small")
    together = small.generate(PROMPTS, sampling=SamplingParams(max_tokens=12))
    same = [text.text == large.text for text, large in zip(together, translator.generate(PROMPTS, sampling=SamplingParams(max_tokens=12)), strict=True)]  # fmt: skip
    assert sum(same) >= 3


def test_a_language_model_is_quantized(poet: Model, tmp_path: Path) -> None:
    """It has no rows to answer: what it writes is timed."""
    assert poet.run is not None
    found = quantize(poet.run.folder, output=tmp_path / "small")
    assert found["tokens_a_second"]["after"] > 0
    assert (
        abs(found["score"]["after"]["bits_per_byte"]["value"] - found["score"]["before"]["bits_per_byte"]["value"])
        < 0.05
    )
    assert nw.load(tmp_path / "small").generate("床前", sampling=SamplingParams(max_tokens=8))[0].tokens
    with pytest.raises(InputError, match="cannot be trained"):
        nw.train([{"text": "床前明月光"}] * 9, target="text", model=str(tmp_path / "small"), output=tmp_path / "more")
    for to in ("gguf", "transformers"):
        with pytest.raises(InputError, match="8 bits"):
            nw.export(tmp_path / "small", to=to, output=tmp_path / to)


def test_a_language_model_has_no_vectors(poet: Model) -> None:
    with pytest.raises(InputError, match="no input columns"):
        poet.embed([{"text": "床前"}])
