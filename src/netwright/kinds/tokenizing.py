"""Tokenizers of texts that are written: byte-level, so that every text can be read and written back exactly.

`bpe` learns byte pairs (Sennrich et al. 2016, arXiv 1508.07909) over bytes (Radford et al. 2019, "Language Models are
Unsupervised Multitask Learners", section 2.2). `words` and `characters` are the same scheme without merges: what the
list holds is one token, all else its bytes. V tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from netwright.errors import InputError, Problem
from netwright.events import say

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Level = Literal["bpe", "words", "characters"]
SPECIAL = ("<|pad|>", "<|begin|>", "<|end|>", "<|answer|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
PAD, BEGIN, END, ANSWER = range(4)
MOST = 10_000_000  # characters that a vocabulary is learnt from: more hardly move it, and take minutes (assumed)


def train(texts: Iterable[str], level: Level, vocabulary: int) -> str:
    """Return a tokenizer learnt from texts, as the JSON of its `tokenizer.json`.

    `vocabulary` counts all tokens: the special ones, 256 bytes, and what is learnt.

    >>> read(train(["ab ab ab"], "bpe", 300)).encode("ab ab").ids
    [264, 265]
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    alphabet, bytes_ = pre_tokenizers.ByteLevel.alphabet(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    if level == "characters":
        cut = pre_tokenizers.Split("", "isolated")
        bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        pre = pre_tokenizers.Sequence([cut, bytes_])
    else:
        pre = bytes_
    drawn = list(_some(texts))
    if level == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(drawn, trainer)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=SPECIAL[PAD]))
        tokenizer.pre_tokenizer = pre
        first = [*SPECIAL, *sorted(alphabet)]
        trainer = trainers.WordLevelTrainer(vocab_size=vocabulary, special_tokens=first, show_progress=False)
        tokenizer.train_from_iterator(drawn, trainer)
        found = tokenizer.get_vocab()
        names = [*first, *sorted((name for name in found if name not in set(first)), key=lambda name: found[name])]
        whole = {name: number for number, name in enumerate(names[:vocabulary])}
        tokenizer = Tokenizer(models.BPE(whole, [], ignore_merges=True))
        tokenizer.pre_tokenizer = pre
        tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str()


def _some(texts: Iterable[str]) -> Iterator[str]:
    """Texts up to MOST characters, evenly taken."""
    held = [text for text in texts if text]
    total = sum(map(len, held))
    step = -(-total // MOST)
    if step > 1:
        say("notice", "text.sample", f"the vocabulary is trained on every {step}th text, {total // step:,} characters")
    return iter(held[:: max(step, 1)])


@lru_cache(8)
def read(content: str) -> Tokenizer:
    """Return a tokenizer from its JSON. Special tokens that stand in a text are read as plain text.

    Raises `InputError` where it is no tokenizer's JSON.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:  # noqa: BLE001 - the library raises plain Exception
        raise InputError(Problem("tokenizer", f"cannot be read: {error}", allowed="a tokenizer.json")) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[np.ndarray]:
    """Return the token numbers of each text, int32, without special tokens."""
    return [np.array(item.ids, np.int32) for item in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def clean(text: str) -> str:
    """Return a text without lone surrogates, which no encoding can hold: each becomes U+FFFD, two halves their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Writer:
    """Turns tokens that come one by one into text, whole characters only.

    >>> writer = Writer(read(train(["床前"], "bpe", 264)))
    >>> [writer.add(token) for token in read(train(["床前"], "bpe", 264)).encode("床").ids]
    ['', '', '床']
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        from tokenizers.decoders import DecodeStream

        self.tokenizer, self.stream = tokenizer, DecodeStream(skip_special_tokens=True)

    def add(self, token: int) -> str:
        """Return what is now complete: nothing while a character's bytes are still coming."""
        return self.stream.step(self.tokenizer, token) or ""
