"""What texts and conversations that are written have in common: a tokenizer, a prompt, a context of so many tokens.

A row becomes one document of tokens: begin, prompt, answer, end. A goal's token counts in the loss where it is the
answer's. n rows, V tokens, L the context: how many tokens the network sees at most.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from netwright import pretrained
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.kinds import base, tokenizing
from netwright.kinds.prompting import Piece, Unfit, endings
from netwright.runtime.arrays import Arrays, Ragged

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl
    from tokenizers import Tokenizer

LOOK = 5_000  # rows by whose lengths the context is chosen
BY_CHARACTERS = ((5_000_000, 8192), (1_000_000, 4096), (300_000, 2048), (50_000, 1024), (0, 512))  # characters: V
LONGEST = 1024  # tokens of a context that is chosen


class Options(base.Options):
    """Settings of texts that are written."""

    tokens: tokenizing.Level = Field(default="bpe", description="tokenization: bpe (byte pairs), words or characters; other text is encoded as bytes")  # fmt: skip
    vocabulary: int | None = Field(
        default=None, ge=264, le=2**20, description="vocabulary size; 264 tokens are bytes and special tokens"
    )
    length: int | None = Field(default=None, ge=4, le=2**20, description="context length in tokens")
    tokenizer: str | None = Field(
        default=None,
        description="a tokenizer.json, or a pretrained checkpoint that has one, instead of one trained on the rows",
    )


def written(targets: Iterable[base.Target]) -> Language | None:
    """Return the target that is written, or None."""
    return next((kind for kind in targets if isinstance(kind, Language)), None)


class Language(base.Target):
    """A fitted column of texts to be written, with the input columns that are its prompt.

    `longest`: tokens of the longest answer seen while fitting, by which an answer's room is known. A pretrained tokenizer has
    special tokens of its own: `names` says its own for ours, `starts` what a text begins with, `stops` what ends an answer.
    """

    needs: ClassVar = "stimulus"
    scored: ClassVar[str] = "text"

    prompt: tuple[str, ...] = ()
    tokens: tokenizing.Level
    vocabulary: int
    length: int
    tokenizer: str
    longest: int
    names: dict[str, str] = {}
    starts: tuple[int, ...] = (tokenizing.BEGIN,)
    stops: tuple[int, ...] = (tokenizing.END,)

    @classmethod
    @abstractmethod
    def pieces_of(cls, row: dict[str, Any], columns: tuple[str, ...], template: str, *, answer: bool) -> list[Piece]:
        """Return a row's document, or with `answer` its prompt alone. `columns`: the target, then the prompt's.

        Raises `Unfit`.
        """

    @classmethod
    def texts_of(cls, frame: pl.DataFrame, template: str) -> Iterable[str]:
        """Yield the texts that a vocabulary is learnt from."""
        columns = tuple(frame.columns)
        for row in frame.iter_rows(named=True):
            try:
                pieces = cls.pieces_of(row, columns, template, answer=False)
            except Unfit:  # encoding names it
                continue
            yield from (tokenizing.clean(piece.text) for piece in pieces if not piece.special)

    @classmethod
    def learnt(cls, frame: pl.DataFrame, options: Any, template: str) -> dict[str, Any]:
        """Return the fields that are learnt from the training rows: tokenizer, vocabulary, context."""
        foreign = _foreign(options, template)
        texts = [] if options.tokenizer else list(cls.texts_of(frame, template))
        if options.tokenizer:
            content = foreign.pop("tokenizer")
        else:
            total = sum(map(len, texts))
            size = options.vocabulary or next(size for least, size in BY_CHARACTERS if total >= least)
            content = tokenizing.train(texts, options.tokens, size)
        tokenizer = tokenizing.read(content)
        fields = {
            "columns": (frame.columns[0],), "prompt": tuple(frame.columns[1:]), "tokens": options.tokens,
            "vocabulary": max(tokenizer.get_vocab_size(), options.vocabulary or 0 if foreign else 0), "tokenizer": content, **foreign,
        }  # fmt: skip
        every = frame.gather_every(max(1, frame.height // LOOK))
        bare = cls.model_validate({**fields, "length": 2**31 - 1, "longest": 2**30, **cls.own(options)})
        ids, counted = bare.documents(every)
        lengths = np.array([len(row) for row in ids] or [1])
        longest = int(max((int(mask.sum()) for mask in counted), default=1)) or 1
        length = options.length or _context(lengths, whole=bare.whole)
        if options.length is None:
            say("choice", "text.length", f"{frame.columns[0]}: a context of {length} tokens: the median row has {int(np.median(lengths))}, the longest {lengths.max():,}")  # fmt: skip
        return {**fields, "length": length, "longest": min(longest, length)}

    @classmethod
    def own(cls, options: Any) -> dict[str, Any]:
        """Return the fields that only this kind has."""
        return {}

    @property
    def prompted(self) -> tuple[str, ...]:
        """The input columns that are its beginning."""
        return self.prompt

    @property
    def template_text(self) -> str:
        """The conversation's template; nothing for plain texts."""
        return ""

    @cached_property
    def reader(self) -> Tokenizer:
        """The tokenizer."""
        return tokenizing.read(self.tokenizer)

    @property
    def width(self) -> int:
        """V, how many different tokens there are."""
        return self.vocabulary

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"ids": ragged int32, "counted": ragged uint8 of the same rows, "tokens", "bytes": (n,) int64 counted ones}."""
        documents, counted = self.documents(frame, ids)
        tokens = np.array([int(mask.sum()) for mask in counted], np.int64)
        values = self.reader.decode_batch([row[mask > 0].tolist() for row, mask in zip(documents, counted, strict=True)])  # fmt: skip
        size = np.array([len(text.encode()) for text in values], np.int64)
        bare = np.flatnonzero((tokens == 0) & frame[self.columns[0]].is_not_null().to_numpy())
        if len(bare):
            say_rows("text.nothing", f"{self.columns[0]}: rows without a token to train on", ids(bare.tolist()))
        return {"ids": Ragged.of(documents), "counted": Ragged.of(counted, np.uint8), "tokens": tokens, "bytes": size}

    def documents(
        self, frame: pl.DataFrame, ids: base.RowIds | None = None, *, answer: bool = False
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return each row's tokens and which of them count. `answer`: prompts alone; the target's column may lack."""
        columns = (*self.columns, *self.prompt)
        rows: list[list[Piece]] = []
        wrong: dict[int, str] = {}
        for number, row in enumerate(frame.iter_rows(named=True)):
            try:
                there = answer or row[self.columns[0]] is not None
                rows.append(self.pieces_of(row, columns, self.template_text, answer=answer) if there else [])
            except Unfit as error:
                rows.append([])
                wrong[number] = str(error)
        if wrong and ids is not None:
            self.refuse_rows(wrong, ids)
        return self._numbered(rows, ids, answer=answer)

    def refuse_rows(self, wrong: dict[int, str], ids: base.RowIds) -> None:
        """Raise `InputError` that names rows and what is wrong with them."""
        named = [f"{name} {wrong[number]}" for number, name in zip(list(wrong)[:5], ids(list(wrong)[:5]), strict=True)]
        more = f", and {len(wrong) - 5:,} more" if len(wrong) > 5 else ""
        leave = ", or leave them out: --read.bad_rows leave_out" if self.conversation else ""
        raise InputError(Problem(self.columns[0], "; ".join(named) + more, fix=f"fix or remove these rows{leave}"))

    def _numbered(
        self, rows: list[list[Piece]], ids: base.RowIds | None, *, answer: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Pieces as numbers; a prompt is cut to leave the answer its room, an answer to the context; both are said."""
        flat = [piece for row in rows for piece in row]
        plain = [tokenizing.clean(piece.text) for piece in flat if not piece.special]
        spoilt = sum(old.text != new for old, new in zip((p for p in flat if not p.special), plain, strict=True))
        if spoilt:
            say("notice", "text.surrogates", f"{self.columns[0]}: lone surrogates in {spoilt:,} texts are read as U+FFFD", count=spoilt)  # fmt: skip
        encoded = iter(tokenizing.encode(self.reader, plain))
        documents, counted, cut = [], [], []
        for number, row in enumerate(rows):
            parts = [(self.marks(p.text) if p.special else next(encoded), p.counted) for p in row]
            tokens, mask, lost = self.fitted(parts, answer=answer)
            documents.append(tokens)
            counted.append(mask)
            if lost:
                cut.append(number)
        if cut and ids is not None:
            say_rows(
                "text.cut", f"{self.columns[0]}: rows truncated to the context length of {self.length} tokens", ids(cut)
            )
        return documents, counted

    def fitted(self, parts: list[tuple[np.ndarray, bool]], *, answer: bool) -> tuple[np.ndarray, np.ndarray, bool]:
        """Return tokens, which of them count, and whether some were cut."""
        tokens = np.concatenate([part for part, _ in parts]) if parts else np.zeros(0, np.int32)
        mask = np.concatenate([np.full(len(part), count, np.uint8) for part, count in parts]) if parts else np.zeros(0, np.uint8)  # fmt: skip
        if not self.whole:
            return tokens, mask, False
        room = self.length - min(self.longest, self.length // 2)
        if answer and len(tokens) > room:  # of inputs the beginning matters most, of a conversation the end
            kept = [tokens[: room - 1], tokens[-1:]] if self.prompt else [tokens[:1], tokens[1 - room :]]
            return np.concatenate(kept), np.zeros(room, np.uint8), True
        first = int(mask.argmax()) if mask.any() else len(mask)  # the prompt's length
        if self.prompt and first > room:
            keep = np.r_[0 : room - 1, first - 1 : len(tokens)]
            tokens, mask = tokens[keep], mask[keep]
            return tokens[: self.length + 1], mask[: self.length + 1], True
        return tokens[: self.length + 1], mask[: self.length + 1], len(tokens) > self.length + 1

    @property
    def whole(self) -> bool:
        """Whether a row must stand in the context as a whole: prompt and answer. A lone text may be read in parts."""
        return bool(self.prompt) or self.conversation

    @property
    def first(self) -> int:
        """The mark that every document begins with."""
        return self.starts[0] if self.starts else self.stops[0]  # of no mark, that which parts texts

    @property
    def opening(self) -> list[int]:
        """The tokens that a text from nothing begins with."""
        return list(self.starts) or [self.first]

    @property
    def pad(self) -> int:
        """The token that fills rows up; of a pretrained tokenizer that which ends them."""
        return tokenizing.PAD if not self.names else self.stops[0]

    @property
    def ends(self) -> frozenset[int]:
        """The tokens after which an answer is complete."""
        return frozenset(self.stops)

    @cached_property
    def marks_apart_from_ends(self) -> list[int]:
        """Special tokens that an answer does not hold."""
        added = self.reader.get_added_tokens_decoder()
        return sorted(number for number, token in added.items() if token.special and number not in self.ends)

    def marks(self, text: str) -> np.ndarray:
        """Return the tokens of a template's text, special tokens read as such."""
        for name, own in self.names.items():
            text = text.replace(name, own)
        self.reader.encode_special_tokens = False
        found = np.array(self.reader.encode(text, add_special_tokens=False).ids, np.int32)
        self.reader.encode_special_tokens = True
        return found

    def prompts(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """Return the tokens that each row's answer follows: {"ids": ragged int32}."""
        return {"ids": Ragged.of(self.documents(frame, ids, answer=True)[0])}

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows without a token to be learnt."""
        tokens = arrays["tokens"]
        assert isinstance(tokens, np.ndarray)
        return tokens == 0

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) the texts to be written, as Python strings."""
        ids, counted = arrays["ids"], arrays["counted"]
        assert isinstance(ids, Ragged) and isinstance(counted, Ragged)
        rows = [ids.row(k)[counted.row(k) > 0].tolist() for k in range(len(ids))]
        return _objects(self.reader.decode_batch(rows))

    def in_unit(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Written tokens as texts."""
        if "ids" not in found:
            return found
        rest = {name: array for name, array in found.items() if name != "ids"}
        return {**rest, "text": _objects(self.reader.decode_batch([list(row) for row in found["ids"]]))}

    def rebased(self, found: dict[str, np.ndarray], whole: Any) -> dict[str, np.ndarray]:
        """Each fold has a vocabulary of its own: texts are what they share."""
        return self.in_unit(found)

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted`, and where the truth was read `TARGET_bits_per_byte`: how much it surprised the network."""
        import polars as pl

        found, name, columns = self.in_unit(arrays), self.columns[0], []
        if "text" in found:
            columns.append(pl.Series(f"{name}_predicted", list(found["text"]), dtype=pl.String))
        if "nats" in found:
            bits = found["nats"] / np.log(2) / np.maximum(found["bytes"], 1)
            columns.append(pl.Series(f"{name}_bits_per_byte", np.where(found["tokens"] > 0, bits, np.nan)))
        return pl.DataFrame(columns)

    def show(self) -> str:
        """Vocabulary and context."""
        after = f" after {', '.join(self.prompt)}" if self.prompt else ""
        return f"{self.columns[0]} ({self.vocabulary:,} tokens, a context of {self.length}{after})"


def _objects(texts: list[str]) -> np.ndarray:
    out = np.empty(len(texts), object)
    out[:] = texts
    return out


def _context(lengths: np.ndarray, *, whole: bool) -> int:
    """The context for rows of these lengths: all of a prompt and its answer; of plain texts, nine in ten."""
    wanted = int(lengths.max() if whole else np.quantile(lengths, 0.9))
    if whole:
        return min(LONGEST, max(32, -(-wanted // 16) * 16))
    return int(min(LONGEST // 2, max(64, 2 ** int(np.ceil(np.log2(max(wanted, 2)))))))


def _foreign(options: Any, template: str) -> dict[str, Any]:
    """The fields that a given tokenizer brings: its JSON, and its own special tokens where it does not know ours."""
    if not options.tokenizer:
        return {}
    content, specials, before = options.tokenizer, dict[str, str](), tuple[int, ...]()
    if not content.lstrip().startswith("{"):
        path = Path(options.tokenizer)
        if path.is_dir() or path.suffix == ".gguf":
            held = pretrained.opened(path)
            content, specials = held.tokenizer, held.specials or {}
            before = held.starts
        else:
            try:
                content = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(Problem(options.tokenizer, f"cannot be read: {error}", allowed="a tokenizer.json")) from error  # fmt: skip
    reader = tokenizing.read(content)
    if all(reader.token_to_id(name) is not None for name in tokenizing.SPECIAL):
        return {"tokenizer": content}
    known = {name for name in ("<|endoftext|>", "</s>", "<eos>", "<|im_end|>") if reader.token_to_id(name) is not None}
    end = specials.get("eos") or next(iter(sorted(known)), None)
    if end is None or reader.token_to_id(end) is None:
        what = "has no token that ends a text"
        raise InputError(
            Problem(options.tokenizer, what, allowed="a tokenizer with </s>, <|endoftext|> or an eos_token")
        )
    begin = "".join(reader.id_to_token(number) or "" for number in before)
    ending = endings(template) if template else None
    stops = [reader.token_to_id(end)]
    if ending and reader.token_to_id(ending.strip()) not in (None, *stops):
        stops.append(reader.token_to_id(ending.strip()))
    names = {
        tokenizing.SPECIAL[tokenizing.BEGIN]: begin,
        tokenizing.SPECIAL[tokenizing.END]: end,
        tokenizing.SPECIAL[tokenizing.ANSWER]: "\n",
    }
    return {"tokenizer": content, "names": names, "starts": before, "stops": tuple(stops)}
