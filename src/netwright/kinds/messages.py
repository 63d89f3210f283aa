"""Messages: a conversation, of which the assistant's words are learnt and written.

A value is a list of {"role", "content"} (or {"from", "value"}), or its JSON; roles: system, user, assistant, tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from netwright import pretrained
from netwright.events import say_rows
from netwright.kinds import base, language
from netwright.kinds.prompting import CHAT, Piece, Unfit, conversation, turns

if TYPE_CHECKING:
    import polars as pl

    from netwright.kinds.facts import Facts


LOOKED = 50  # values that tell whether a column holds conversations


class Options(language.Options):
    """Settings of a column of conversations."""

    kind: Literal["messages"] = "messages"
    template: str | None = Field(default=None, description="chat template (Jinja, the Hugging Face form): turns a conversation into text")  # fmt: skip
    bad_rows: Literal["refuse", "leave_out"] = Field(default="refuse", description="what to do with rows that the chat template rejects")  # fmt: skip


class Target(language.Language):
    """Fitted conversations: one document each, of which the assistants' words and their ends count."""

    nested: ClassVar[bool] = True
    conversation: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["messages"] = "messages"
    template: str
    bad_rows: Literal["refuse", "leave_out"] = "refuse"

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Lists of objects with roles and contents, or their JSON."""
        first = facts.present.head(LOOKED).to_list()
        fit = sum(map(_is_one, first))
        if fit <= len(first) // 2:  # the others are named one by one when they are read
            return None
        most = "its values are" if fit == len(first) else f"{fit} of its first {len(first)} values are"
        return base.Guess(sure=0.95, reason=f"{most} lists of messages")

    @classmethod
    def pieces_of(cls, row: dict[str, Any], columns: tuple[str, ...], template: str, *, answer: bool) -> list[Piece]:
        """The conversation in its template; with `answer` all before the assistant's last message, and its mark."""
        messages = turns(row[columns[0]])
        if answer and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        return conversation(messages, template, answer=answer)

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn a vocabulary from all that was said, and choose the context."""
        template = options.template or _template(options.tokenizer) or CHAT
        learnt = cls.learnt(frame, options.model_copy(update={"template": template}), template)
        return cls(**learnt, template=template, bad_rows=options.bad_rows)

    @classmethod
    def own(cls, options: Any) -> dict[str, Any]:
        """The template."""
        return {"template": options.template}

    def refuse_rows(self, wrong: dict[int, str], ids: base.RowIds) -> None:
        """Raise for rows that are no conversation, or say that they are left out: they hold no word to be learnt."""
        if self.bad_rows == "refuse":
            super().refuse_rows(wrong, ids)
        text = (
            f"{self.columns[0]}: rows that are not conversations are left out; the first: {next(iter(wrong.values()))}"
        )
        say_rows("messages.bad_rows", text, ids(list(wrong)))

    @property
    def template_text(self) -> str:
        """The chat template."""
        return self.template


def _is_one(value: Any) -> bool:
    """Whether a value is a conversation."""
    try:
        return bool(turns(value))
    except Unfit:
        return False


def _template(tokenizer: str | None) -> str:
    """The chat template of the checkpoint whose tokenizer is taken, if it has one."""
    return pretrained.opened(tokenizer).chat if tokenizer and pretrained.is_one(tokenizer) else ""
