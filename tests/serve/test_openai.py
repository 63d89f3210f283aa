"""The real `openai` client, against a run that converses and runs that go on with a text."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from serving import Live

import netwright as nw

HI: Any = [{"role": "user", "content": "say 3"}]


@pytest.fixture(scope="module")
def client(every: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{every.base}/v1", api_key="none", max_retries=0)


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["chat", "pairs", "poems"]
    assert client.models.retrieve("chat").owned_by == "netwright"


def test_chat_is_what_the_model_writes(client: openai.OpenAI, runs: Any) -> None:
    found = client.chat.completions.create(model="chat", messages=HI, temperature=0)
    alone = nw.load(runs / "chat").generate("say 3")[0]
    (choice,) = found.choices
    assert choice.message.content == alone.text and choice.finish_reason in ("stop", "length")
    assert found.usage is not None and found.usage.prompt_tokens == alone.prompt_tokens
    assert found.usage.completion_tokens == len(alone.tokens) and found.system_fingerprint


def test_a_stream_is_the_same_text(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HI, temperature=0)
    pieces = list(
        client.chat.completions.create(
            model="chat", messages=HI, temperature=0, stream=True, stream_options={"include_usage": True}
        )
    )
    assert pieces[0].choices[0].delta.role == "assistant"
    assert (
        "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
        == whole.choices[0].message.content
    )
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices][-1] == whole.choices[0].finish_reason
    assert pieces[-1].usage == whole.usage and not pieces[-1].choices


def test_completions_stop_and_seed(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="poems", prompt="the", temperature=0, max_tokens=16).choices[0]
    mark = whole.text[4:6]
    cut = client.completions.create(model="poems", prompt="the", temperature=0, max_tokens=16, stop=mark).choices[0]
    assert cut.text == whole.text[: whole.text.find(mark)] and cut.finish_reason == "stop"
    drawn = [
        client.completions.create(model="poems", prompt="the", max_tokens=12, temperature=1.5, seed=seed)
        .choices[0]
        .text
        for seed in (5, 5, 6)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    length = client.completions.create(model="poems", prompt="the", temperature=0, max_tokens=2)
    assert length.choices[0].finish_reason == "length" and length.usage and length.usage.completion_tokens == 2


def test_several_choices_and_prompts(client: openai.OpenAI) -> None:
    found = client.completions.create(model="poems", prompt=["the", "and"], n=2, max_tokens=6, temperature=1.2, seed=1)
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    assert found.choices[0].text != found.choices[1].text
    pieces = client.completions.create(
        model="poems", prompt=["the", "and"], n=2, max_tokens=6, temperature=1.2, seed=1, stream=True
    )
    texts = ["", "", "", ""]
    for piece in pieces:
        texts[piece.choices[0].index] += piece.choices[0].text
    assert texts == [choice.text for choice in found.choices]


def test_log_probabilities(client: openai.OpenAI) -> None:
    chat = client.chat.completions.create(
        model="chat", messages=HI, temperature=0, logprobs=True, top_logprobs=3, max_tokens=5
    )
    logs = chat.choices[0].logprobs
    assert (
        logs is not None
        and logs.content is not None
        and chat.usage
        and len(logs.content) == chat.usage.completion_tokens
    )
    for token in logs.content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3 and token.top_logprobs[0].token == token.token
    written = client.completions.create(model="poems", prompt="the", temperature=0, logprobs=2, max_tokens=5).choices[0]
    assert written.logprobs is not None and written.logprobs.tokens and "".join(written.logprobs.tokens) == written.text
    assert all(len(best) == 2 for best in written.logprobs.top_logprobs or [])


def test_a_run_with_inputs_completes_them(client: openai.OpenAI, runs: Any) -> None:
    found = client.completions.create(model="pairs", prompt="the red cat", temperature=0)
    assert found.choices[0].text == nw.load(runs / "pairs").generate("the red cat")[0].text


def test_texts_written_side_by_side_are_those_written_alone(client: openai.OpenAI) -> None:
    asked = [
        {"model": "poems", "prompt": prompt, "temperature": t, "seed": 3, "max_tokens": 20}
        for t in (0, 0.9)
        for prompt in ("the", "and snow", "床前", "")
    ]
    alone = [client.completions.create(**each).choices[0].text for each in asked]  # type: ignore[call-overload]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda each: client.completions.create(**each).choices[0].text, asked))
    assert together == alone


def test_embeddings_are_those_of_the_model(client: openai.OpenAI, runs: Any) -> None:
    texts = ["good day 1", "bad day 1", "good day 2"]
    found = client.embeddings.create(model="tone", input=texts)
    own = nw.load(runs / "tone").embed([{"note": text} for text in texts])["vector"].to_numpy()
    assert [item.index for item in found.data] == [0, 1, 2] and found.usage.prompt_tokens > 0
    for item, vector in zip(found.data, own, strict=True):
        assert item.embedding == pytest.approx(vector.tolist(), abs=1e-6)
    plain = client.embeddings.create(model="tone", input=texts[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(found.data[0].embedding, abs=1e-6)
    for asked, sentence in (({"model": "flat"}, "flat does not read one text"), ({"dimensions": 3}, "dimensions: this model's"), ({"input": []}, "Give a text")):  # fmt: skip
        with pytest.raises(openai.BadRequestError, match=sentence):
            client.embeddings.create(**{"model": "tone", "input": "a", **asked})  # type: ignore[arg-type]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": "nobody", "prompt": "a"}, "There is no such model"),
    ({"model": "flat", "prompt": "a"}, "flat writes no text"),
    ({"model": "poems"}, "prompt: field required"),
    ({"model": "poems", "prompt": 3}, "prompt."),
    ({"model": "poems", "prompt": "a", "max_tokens": 0}, "max_tokens: input should be greater"),
    ({"model": "poems", "prompt": "a", "temperature": -1}, "temperature: input should be greater"),
    ({"model": "poems", "prompt": "a", "frequency_penalty": 1}, "frequency_penalty: not offered here"),
    ({"model": "poems", "prompt": "a", "suffix": "b"}, "suffix: not offered here"),
    ({"model": "poems", "prompt": "a", "sed": 1}, "sed: extra inputs are not permitted"),
    ({"model": "poems", "prompt": "moon " * 500}, "prompt: has"),
    ({"model": "poems", "prompt": "a", "stop": ""}, "stop: up to 16 texts"),
    ({"model": "poems", "messages": HI}, "poems was not trained on conversations"),
    ({"model": "chat", "messages": []}, "messages: list should have at least 1 item"),
    ({"model": "chat", "messages": [{"role": "judge", "content": "a"}]}, "messages: message 1 has the role"),
    ({"model": "chat", "messages": [{"role": "user"}]}, "messages: message 1 has no content"),
    ({"model": "chat", "messages": HI, "tools": [{}]}, "tools: not offered here"),
    ({"model": "chat", "messages": HI, "top_logprobs": 2}, "top_logprobs needs logprobs: true."),
]


@pytest.mark.parametrize(("asked", "sentence"), REFUSED, ids=[json.dumps(each[0])[:60] for each in REFUSED])
def test_what_cannot_be_given_is_refused(every: Live, asked: dict[str, Any], sentence: str) -> None:
    for stream in (False, True):
        path = "/v1/chat/completions" if "messages" in asked else "/v1/completions"
        found = every.client.post(path, json={**asked, "stream": stream})
        assert found.status_code in (400, 404), found.text
        assert found.json()["error"]["message"].startswith(sentence)


def test_the_client_raises_its_own_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="There is no such model"):
        client.chat.completions.create(model="nobody", messages=HI)
    with pytest.raises(openai.BadRequestError, match="not offered"):
        client.completions.create(model="poems", prompt="a", echo=True)
