"""Messages: a conversation, of which the assistant's words are learnt and written.

A value is a list of {"role", "content"} (or {"from", "value"}), or its JSON; roles: system, user, assistant, tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from netwright import pretrained
from netwright.kinds import base, language
from netwright.kinds.prompting import CHAT, Piece, Unfit, conversation, turns

if TYPE_CHECKING:
    import polars as pl

    from netwright.kinds.facts import Facts


class Options(language.Options):
    """Settings of a column of conversations."""

    kind: Literal["messages"] = "messages"
    template: str | None = Field(default=None, description="chat template (Jinja, the Hugging Face form): how a conversation becomes one text")  # fmt: skip


class Messages(language.Language):
    """Fitted conversations: one document each, of which the assistants' words and their ends count."""

    nested: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["messages"] = "messages"
    template: str

    @classmethod
    def sniff(cls, facts: Facts, role: base.Role) -> base.Guess | None:
        """Lists of objects with roles and contents, or their JSON."""
        first = facts.present.head(50).to_list()
        try:
            found = [turns(value) for value in first]
        except Unfit:
            return None
        return base.Guess(sure=0.95, reason="its values are lists of messages") if found else None

    @classmethod
    def pieces_of(cls, row: dict[str, Any], columns: tuple[str, ...], template: str, *, answer: bool) -> list[Piece]:
        """The conversation in its template; with `answer` all before the assistant's last message, and its mark."""
        messages = turns(row[columns[0]])
        if answer and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        return conversation(messages, template, answer=answer)

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any, role: base.Role) -> Messages:
        """Learn a vocabulary from all that was said, and choose the context."""
        template = options.template or _template(options.tokenizer) or CHAT
        return cls(**cls.learnt(frame, options.model_copy(update={"template": template}), template), template=template)

    @classmethod
    def own(cls, options: Any) -> dict[str, Any]:
        """The template."""
        return {"template": options.template}

    @property
    def template_text(self) -> str:
        """The chat template."""
        return self.template


def _template(tokenizer: str | None) -> str:
    """The chat template of the checkpoint whose tokenizer is taken, if it has one."""
    return pretrained.opened(tokenizer).chat if tokenizer and pretrained.is_one(tokenizer) else ""
