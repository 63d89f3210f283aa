"""Templates: how a row's inputs, or a conversation, become the tokens that a written answer follows.

A conversation's template is Jinja in the form of Hugging Face's chat templates: it is given `messages`, special tokens
and `add_generation_prompt`. What people wrote is put in after rendering, so that a special token in their words stays
plain text.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import jinja2

CHAT = (
    "{{ '<|begin|>' }}{% for message in messages %}"
    "{% if message['role'] == 'system' and not loop.first %}{{ raise_exception('a system message must be the first') }}{% endif %}"
    "{% if message['role'] == 'assistant' and (loop.first or loop.previtem['role'] == 'assistant') %}"
    "{{ raise_exception('an assistant message must follow one of user, system or tool') }}{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
ROLES = ("system", "user", "assistant", "tool")
_OTHER_NAMES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "function": "tool", "observation": "tool"}  # fmt: skip
_MARK = re.compile("\ue000(\\d+)\ue001")


class Piece(NamedTuple):
    """A part of a document: its text, whether special tokens in it count as such, and whether it is to be learnt."""

    text: str
    special: bool
    counted: bool


class Unfit(ValueError):
    """A value that no template takes; the text says why."""


def turns(value: Any) -> list[dict[str, str]]:
    """Return a conversation as a list of {"role", "content"}. Raises `Unfit`.

    >>> turns('[{"from": "human", "value": "hi"}]')
    [{'role': 'user', 'content': 'hi'}]
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise Unfit(f"is no JSON list of messages: {error}") from error
    if not isinstance(value, list) or not value:
        raise Unfit("is no list of messages, or an empty one")
    out = []
    for number, item in enumerate(value, 1):
        if not isinstance(item, dict):
            raise Unfit(f"message {number} is no object with role and content")
        role = item.get("role") or item.get("from")
        role = _OTHER_NAMES.get(str(role), role)
        if role not in ROLES:
            raise Unfit(f"message {number} has the role {role!r}; roles are {', '.join(ROLES)}")
        out.append({"role": str(role), "content": _content(item, number)})
    return out


def _content(item: dict[str, Any], number: int) -> str:
    content = item.get("content") if item.get("content") is not None else item.get("value")
    if isinstance(content, list):  # parts, of which texts alone can be read
        kinds = {part.get("type") for part in content if isinstance(part, dict)} - {"text"}
        if kinds:
            raise Unfit(f"message {number} holds parts of type {', '.join(map(str, sorted(kinds, key=str)))}, not text")
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if item.get("tool_calls") and isinstance(content or "", str):  # what it asks of tools is part of what it says
        content = "\n".join(part for part in (content, json.dumps(item["tool_calls"], ensure_ascii=False)) if part)
    if not isinstance(content, str):
        raise Unfit(f"message {number} has no content")
    return content


@lru_cache(8)
def _compiled(template: str) -> jinja2.Template:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)


def conversation(messages: list[dict[str, str]], template: str, *, answer: bool = False) -> list[Piece]:
    """Return a conversation's pieces; what assistants wrote, with the mark that ends it, is counted.

    `answer`: the assistant is to go on: its mark is added. Raises `Unfit` where the template does not take the roles.

    >>> [piece.text for piece in conversation([{"role": "user", "content": "hi"}], CHAT, answer=True)]
    ['<|begin|><|user|>', 'hi', '<|end|><|assistant|>']
    """
    whole = _rendered(messages, template, answer=answer)
    pieces: list[Piece] = []
    at = 0
    for found in _MARK.finditer(whole):
        own = int(found[1])
        before = messages[own - 1]["role"] == "assistant" if own else False
        pieces += _between(whole[at : found.start()], before, template)
        pieces.append(Piece(messages[own]["content"], False, messages[own]["role"] == "assistant"))
        at = found.end()
    last = messages[-1]["role"] == "assistant" if messages else False
    return [piece for piece in pieces + _between(whole[at:], last, template) if piece.text]


def _between(text: str, after_answer: bool, template: str) -> list[Piece]:
    """What the template puts between two contents: after an answer, up to its ending mark it is counted."""
    if not after_answer:
        return [Piece(text, True, False)]
    end = endings(template)
    cut = len(end) if text.startswith(end) else 0
    return [Piece(text[:cut], True, True), Piece(text[cut:], True, False)]


@lru_cache(8)
def endings(template: str) -> str:
    """The mark that a template puts after an answer: the special token, without what follows it."""
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    tail = _rendered(messages, template, answer=False).split("\ue001")[-1]
    found = re.match(r"\s*(<\|[^|]*\|>|</s>|<[a-z_]+>)", tail)
    return found[0] if found else tail


def _rendered(messages: list[dict[str, str]], template: str, *, answer: bool) -> str:
    """The template's text with a mark in each content's place."""
    import jinja2

    def refuse(text: str) -> None:
        raise Unfit(text)

    marked = [{**message, "content": f"\ue000{number}\ue001"} for number, message in enumerate(messages)]
    tokens = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "raise_exception": refuse}
    try:
        return _compiled(template).render(messages=marked, add_generation_prompt=answer, **tokens)
    except jinja2.TemplateError as error:
        raise Unfit(f"the chat template does not take it: {error}") from error


def filled(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    """Return a row's inputs as the text that its answer follows: the only one as it is, several with their names.

    >>> filled({"title": "Rain", "year": 1999}, ("title", "year"))
    'title: Rain\\nyear: 1999'
    """
    if len(columns) == 1:
        return _shown(row[columns[0]])
    return "\n".join(f"{name}: {_shown(row[name])}" for name in columns)


def _shown(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)  # fmt: skip
