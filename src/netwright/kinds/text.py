"""Text: words to be understood. Read as a sequence of tokens, or as a bag of hashed word and character n-grams.

The bag follows fastText's and scikit-learn's practice: words of 1 and 2, characters of 1 to 4 within words, weighted
(1 + ln count) · ln(1 + rows / rows with it), each half scaled to length 1. n rows.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.kinds import base, words
from netwright.kinds.values import Value, value
from netwright.kinds.values.text import placed, tokenizer, whole
from netwright.kinds.written import Target as Target
from netwright.runtime.arrays import Arrays, Ragged
from netwright.runtime.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from tokenizers import Tokenizer

    from netwright.kinds.facts import Facts

Tokens = Literal["words", "characters", "bpe", "ngrams", "given"]
PAD, UNKNOWN = 0, 1
_WORDS = r"(?u)\b\w+\b|[^\w\s]"
_WIDE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese and Japanese, written without blanks
_APART = rf"(?u)[{_WIDE}]|[^\W{_WIDE}]+|[^\w\s]"
PATTERNS = {False: _WORDS, True: _APART}  # words of a bag, by whether scripts without blanks are parted


class Options(base.Options):
    """Settings of a text column."""

    kind: Literal["text"] = "text"
    tokens: Tokens = Field(
        default="ngrams",
        description="words, characters, bpe (byte pairs), a bag of hashed n-grams, or those of a given tokenizer",
    )
    tokenizer: str | None = Field(
        default=None, description="with tokens given: a tokenizer.json, or a pretrained checkpoint that has one"
    )
    vocabulary: int = Field(default=10_000, ge=16, le=2**24, description="vocabulary size, or hash buckets of the bag")
    length: int = Field(default=256, ge=1, le=2**20, description="maximum length in tokens; longer texts are truncated")
    lowercase: bool = Field(default=True, description="whether to lower-case texts")
    windows: bool = Field(
        default=False,
        description="whether a longer text is read in windows of `length` tokens that overlap by half, in place of being "
        "cut; tokens then know their words and characters, and words are parted by blanks",
    )


class Input(base.Input):
    """A fitted text column. A value may be a list of words."""

    signal: ClassVar = "sequence"
    costly: ClassVar[bool] = True
    nested: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["text"] = "text"
    tokens: Tokens
    vocabulary: int
    length: int
    lowercase: bool
    windows: bool = False
    tokenizer: str = ""
    rows: int = 0
    rows_with: tuple[int, ...] = ()
    unknown: int | None = UNKNOWN  # the number of what the vocabulary lacks; None: it holds every text
    apart: bool = (
        False  # whether characters of scripts without blanks are words of their own; in older runs they are not
    )

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Strings that mostly differ and are several words long; long lists of words, of which there are many."""
        if facts.many_words:
            return base.Guess(sure=0.92, reason="its values are long lists of words, too many to be labels")
        if not facts.is_text or not facts.sample:
            return None
        reason = f"{facts.distinct_share:.0%} of its values are distinct and {facts.words:.0f} words long on average"
        if facts.words >= 3 and facts.distinct_share > 0.5:
            return base.Guess(sure=0.7, reason=reason)
        if facts.words >= 12:
            return base.Guess(sure=0.65, reason=reason)
        return base.Guess(sure=0.3 if facts.words > 1.5 else 0.1, reason=reason)

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn the vocabulary, or how many rows each hash bucket stands in.

        Columns behind the first are those that share its vocabulary.
        """
        column = frame.to_series(0)
        settings = options.model_dump(exclude={"kind", "tokenizer"})
        if options.windows and options.tokens == "ngrams":
            what = "a bag of n-grams has no positions, which windows, tags and spans need"
            raise InputError(Problem(f"columns.{column.name}.tokens", what, allowed="bpe, words, characters"))
        if options.tokens == "given":
            content, unknown = _given(options, column.name)
            size = tokenizer(content).get_vocab_size()
            return cls(
                columns=(column.name,),
                tokenizer=content,
                unknown=unknown,
                **{**settings, "vocabulary": size, "lowercase": False},
            )
        texts = words.whole(column)
        if options.tokens != "ngrams":
            every = [each for name in frame.columns for each in words.values(frame[name])]
            parts = [word for value in every for word in words.parted(value).words]
            trained = _train(parts if options.windows else texts, options)
            settings["vocabulary"] = trained.get_vocab_size()
            return cls(columns=(column.name,), tokenizer=trained.to_str(), **settings)
        bare = cls(columns=(column.name,), apart=True, **settings)
        seen = np.zeros(options.vocabulary, np.int64)
        for name in frame.columns:
            for part in bare._counts(words.whole(frame[name])):
                seen += np.bincount(part.indices, minlength=options.vocabulary)
        return bare.model_copy(update={"rows": frame.height * frame.width, "rows_with": tuple(seen.tolist())})

    @property
    def shared(self) -> str:
        """The tokenizer: texts that share it share their embedding."""
        return self.tokenizer

    @property
    def width(self) -> int:
        """How many different tokens there are."""
        return self.vocabulary

    def value(self, column: str) -> Value:
        """A text, or a list of words."""
        return value({"form": "text"})

    @property
    def cut(self) -> dict[str, Any]:
        """Tokens at most."""
        return {"length": self.length}

    @classmethod
    def lengths(cls, arrays: Arrays) -> np.ndarray | None:
        """(n,) tokens; a bag of n-grams has none."""
        tokens = arrays["ids"]
        return tokens.lengths if isinstance(tokens, Ragged) and "weights" not in arrays else None

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokenizer(self.tokenizer)

    def encode(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """{"ids": ragged int32} of tokens, or {"ids", "weights": ragged float32} of a bag.

        With windows also {"word", "begin", "end"}, ragged int32: the word and the characters that each token is of.
        """
        texts = words.texts(cells[0], self.columns[0])
        if self.tokens == "ngrams":
            return self._bags(list(map(whole, texts)))
        if self.windows:
            rows = placed(self._tokenizer, texts, self.unknown or 0)
            names = ("ids", "word", "begin", "end")
            found: Arrays = {name: Ragged.of([row[k] for row in rows]) for k, name in enumerate(names)}
            tokens = found["ids"]
            assert isinstance(tokens, Ragged)
            self._say(tokens, tokens.lengths > self.length, ids, "read in windows of")
            return found
        encoded = self._tokenizer.encode_batch(list(map(whole, texts)), add_special_tokens=False)
        tokens = Ragged.of([np.array(item.ids, np.int32) for item in encoded])
        long = tokens.lengths > self.length
        self._say(tokens, long, ids, "cut to")
        return {
            "ids": Ragged.of([tokens.row(row)[: self.length] for row in range(len(tokens))]) if long.any() else tokens
        }

    def _say(self, tokens: Ragged, long: np.ndarray, ids: base.RowIds, what: str) -> None:
        """Say which texts are too long, and how many tokens are unknown."""
        name = self.columns[0]
        if long.any():
            rows, event = np.flatnonzero(long).tolist(), "text.windows" if self.windows else "text.cut"
            text = f"{name}: texts {what} {self.length} tokens"
            say_rows(event, text, ids(rows), kind="notice" if self.windows else "warning")
        unknown = 0 if self.unknown is None else int((tokens.values == self.unknown).sum())
        if unknown:
            share = unknown / max(len(tokens.values), 1)
            text = f"{name}: {share:.1%} of the tokens are not in the vocabulary"
            say("notice", "text.unknown", text, count=unknown)

    def _counts(self, texts: list[str]) -> list[Any]:
        """Two sparse (n, buckets) matrices of counts: words in the first half's buckets, characters in the second's."""
        from sklearn.feature_extraction.text import HashingVectorizer

        common = {
            "norm": None,
            "alternate_sign": False,
            "lowercase": self.lowercase,
            "n_features": self.vocabulary // 2,
        }
        words: Any = HashingVectorizer(ngram_range=(1, 2), token_pattern=PATTERNS[self.apart], **common).transform(
            texts
        )
        letters: Any = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 4), **common).transform(texts)
        letters.indices += self.vocabulary // 2
        for part in (words, letters):
            part.resize(part.shape[0], self.vocabulary)
        return [words, letters]

    def _bags(self, texts: list[str]) -> Arrays:
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        rarity = np.log((1 + self.rows) / (1 + np.array(self.rows_with))) + 1
        parts = []
        for part in self._counts(texts):
            part.data = (1 + np.log(part.data)) * rarity[part.indices]
            parts.append(normalize(part, copy=False))
        half = self.vocabulary // 2
        both: Any = hstack([parts[0][:, :half], parts[1][:, half:]], format="csr")
        offsets = both.indptr.astype(np.int64)
        return {
            "ids": Ragged(both.indices.astype(np.int32), offsets),
            "weights": Ragged(both.data.astype(np.float32), offsets),
        }

    def show(self) -> str:
        """How it is read."""
        what = (
            f"{self.vocabulary:,} hashed n-grams" if self.tokens == "ngrams" else f"{self.vocabulary:,} {self.tokens}"
        )
        return f"{self.columns[0]} ({what})"


def _given(options: Options, column: str) -> tuple[str, int | None]:
    """A given tokenizer's JSON, and the number of what it does not know."""
    from netwright import pretrained

    where = f"columns.{column}.tokenizer"
    if not options.tokenizer:
        raise InputError(Problem(where, "tokens given, and no tokenizer", allowed="a tokenizer.json, or a checkpoint"))
    path = Path(options.tokenizer)
    if Run(path).kinds.exists():
        content = _of_run(Run(path).kinds, where)
    elif path.is_dir() or path.suffix == ".gguf":
        content = pretrained.opened(path).tokenizer
    else:
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(Problem(where, f"{path} cannot be read: {error}", allowed="a tokenizer.json")) from error
    try:
        found = tokenizer(content)
    except Exception as error:  # noqa: BLE001 - the library raises plain Exception
        raise InputError(Problem(where, f"{path} is not a tokenizer: {error}", allowed="a tokenizer.json")) from error
    found.no_padding()
    found.no_truncation()
    content = found.to_str()
    named = json.loads(content)["model"].get("unk_token")
    return content, None if named is None else tokenizer(content).token_to_id(named)


def _of_run(file: Path, where: str) -> str:
    """The tokenizer by which a run reads its texts."""
    kinds = json.loads(file.read_text(encoding="utf-8"))["inputs"].values()
    found = next((kind["tokenizer"] for kind in kinds if kind.get("tokenizer")), "")
    if not found:
        raise InputError(Problem(where, f"{file.parent} reads no text by a tokenizer", allowed="a tokenizer.json, a checkpoint, or a run"))  # fmt: skip
    return found


def _train(texts: list[str], options: Options) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    special = ["[PAD]", "[UNK]"]
    # bytes hold every character; where each token is to know its characters, none is changed
    exact = options.windows and options.tokens == "bpe"
    steps = [] if exact else [normalizers.NFKC()]
    steps += [normalizers.Lowercase()] if options.lowercase else []
    if options.tokens == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=options.vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        split = pre_tokenizers.BertPreTokenizer() if options.tokens == "words" else pre_tokenizers.Split("", "isolated")
        steps += [normalizers.BertNormalizer(lowercase=False, strip_accents=False)] if options.tokens == "words" else []
        tokenizer.pre_tokenizer = split
        trainer = trainers.WordLevelTrainer(vocab_size=options.vocabulary, special_tokens=special, show_progress=False)
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
