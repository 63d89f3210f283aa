"""Texts: as they are, as tokens with or without their places, or as counted n-grams. A text may be a list of words. n rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from .base import Limits, Read, Value, Wrong, got

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Parted:
    """A text, its words, and the character at which each begins. The text of a list is its words joined by blanks.

    >>> parted("Ann lives  here").begins, parted(["New York", "is"]).text
    ([0, 4, 11], 'New York is')
    """

    text: str
    words: list[str]
    begins: list[int]


def parted(cell: Any) -> Parted:
    """Return the words of one cell; a missing one has none."""
    if cell is None:
        return Parted("", [], [])
    if isinstance(cell, list | tuple):
        words = ["" if word is None else str(word) for word in cell]
        ends = np.cumsum([len(word) + 1 for word in words], dtype=np.int64).tolist()
        return Parted(" ".join(words), words, [0, *ends[:-1]] if words else [])
    found = list(_WORD.finditer(str(cell)))
    return Parted(str(cell), [match[0] for match in found], [match.start() for match in found])


def whole(cell: Any) -> str:
    """Return a cell as one text; a missing one is empty."""
    return cell if isinstance(cell, str) else parted(cell).text


class Text(Value):
    """A text, or a list of words."""

    text: ClassVar[bool] = True
    quick: ClassVar[bool] = False

    def read(self, cells: Sequence[Any]) -> Read:
        """(n,) texts."""
        return {"": np.array([whole(cell) for cell in cells], object)}, {}

    def accept(self, cell: Any, limits: Limits) -> Any:
        """A text or a list of texts, not too long."""
        if cell is None:
            return None
        listed = type(cell) is list and all(type(word) is str for word in cell)
        if type(cell) is not str and not listed:
            raise Wrong(f"expected a text, got {got(cell)}")
        length = sum(map(len, cell))
        if length > limits.characters:
            least = "more than " if listed else ""
            most = "" if listed else f": {limits.characters:,} at most"
            raise Wrong(f"has {least}{limits.characters if listed else length:,} characters{most}", 413)
        return cell

    def schema(self) -> dict[str, Any]:
        """A text or words."""
        either = [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}]
        return {"description": "a text, or a list of words", "anyOf": either}

    def field(self, parts: list[Any]) -> Any:
        """A text, which may be empty."""
        return parts[0].decode("utf-8", "replace") if isinstance(parts[0], bytes) else parts[0]


class Anything(Text):
    """A cell that stands in a prompt: whatever it is, it is written out as a text."""

    text: ClassVar[bool] = False

    def accept(self, cell: Any, limits: Limits) -> Any:
        """A text, a number, a boolean, a list of words."""
        if cell is None or type(cell) in (int, bool) or (type(cell) is float and math.isfinite(cell)):
            return cell
        return super().accept(cell, limits)

    def schema(self) -> dict[str, Any]:
        """A single value or words."""
        either = [{"type": ["string", "number", "boolean", "null"]}, {"type": "array", "items": {"type": "string"}}]
        return {"description": "a text, a number or a list of words", "anyOf": either}


class Cell(Anything):
    """A cell of a kind that says nothing of its values: any of JSON's; the one that is made up is missing."""

    def typical(self) -> Any:
        """None."""
        return None

    def sample(self, at: int) -> Any:
        """None."""
        return None


@lru_cache(8)
def tokenizer(content: str) -> Any:
    """Return a tokenizer from the JSON of its tokenizer.json."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(content)


class Tokens(Text):
    """Token numbers. Form: `content` (the tokenizer's JSON), `length` (tokens that a text is cut to)."""

    def read(self, cells: Sequence[Any]) -> Read:
        """(n, T) int64, -1 behind a text's end."""
        found = tokenizer(self.form["content"]).encode_batch(list(map(whole, cells)), add_special_tokens=False)
        return {"": padded([each.ids[: self.form["length"]] for each in found], -1)}, {}


class Placed(Tokens):
    """Token numbers with the word and the characters that each is of. Form: `content`, `length`, `unknown`, `places`."""

    def read(self, cells: Sequence[Any]) -> Read:
        """(n, T) int64 each: "" and of `places` "word", "begin", "end"; texts of more than `length` tokens are told."""
        rows = placed(tokenizer(self.form["content"]), cells, self.form["unknown"])
        out = {"": padded([row[0].tolist() for row in rows], -1)}
        for number, place in enumerate(("word", "begin", "end"), 1):
            if place in self.form["places"]:
                out[place] = padded([row[number].tolist() for row in rows], -1)
        most = self.form["length"]
        what = f"tokens do not fit: the graph reads {most} at once, so part it into several rows"
        return out, {at: f"its {row.shape[1]} {what}" for at, row in enumerate(rows) if row.shape[1] > most}


def placed(tokens: Any, cells: Sequence[Any], unknown: int) -> list[np.ndarray]:
    """Return (4, T) int32 of each text: a token's number, its word, its first character and that behind its last.

    Every word has a token at least (`unknown`), and the tokens of a word cover it without a gap: a character of which
    several tokens are made (bytes) is in each of them.
    """
    rows = [parted(cell) for cell in cells]
    found = tokens.encode_batch([row.words for row in rows], is_pretokenized=True, add_special_tokens=False)
    return [_row(row, each, unknown) for row, each in zip(rows, found, strict=True)]


def _row(row: Parted, found: Any, unknown: int) -> np.ndarray:
    ids, word = np.array(found.ids, np.int32), np.array(found.word_ids, np.int32)
    ends = np.array(found.offsets, np.int32).reshape(-1, 2)
    bare = np.setdiff1d(np.arange(len(row.words)), word)
    if len(bare):  # words that the tokenizer makes nothing of: empty ones, or nothing but marks that it leaves out
        at = np.searchsorted(word, bare)
        ids, word = np.insert(ids, at, unknown), np.insert(word, at, bare)
        ends = np.insert(ends, at, 0, axis=0)
    if not len(ids):
        return np.zeros((4, 0), np.int32)
    first = np.append(True, word[1:] != word[:-1])
    last = np.append(first[1:], True)
    begin = np.where(first, 0, ends[:, 0])
    lengths = np.array([len(each) for each in row.words], np.int32)
    end = np.where(last, lengths[word], np.maximum(ends[:, 1], np.append(begin[1:], 0)))
    start = np.array(row.begins, np.int32)[word]
    return np.stack([ids, word, start + begin, start + end]).astype(np.int32)


class Grams(Text):
    """Hashed n-grams and how often each stands in a text. Form: `buckets`, `lowercase`, `pattern` (what a word is).

    Words and pairs of them go to the first half of the buckets, one to four characters of a word to the second; the bucket
    is MurmurHash3 of the n-gram's UTF-8. Training uses scikit-learn's HashingVectorizer, which computes the same.
    """

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__(form)
        self.half, self.pattern, self.known = form["buckets"] // 2, re.compile(form["pattern"]), dict[str, int]()

    def read(self, cells: Sequence[Any]) -> Read:
        """(n, T) int64 each: "" the buckets, -1 behind the last, and "counts"."""
        bags = [self.bag(whole(cell)) for cell in cells]
        counts = padded([list(bag.values()) for bag in bags], 0)
        return {"": padded([list(bag) for bag in bags], -1), "counts": counts}, {}

    def bag(self, text: str) -> Counter[int]:
        """Return how often each bucket's n-grams stand in a text."""
        text = text.lower() if self.form["lowercase"] else text
        words = self.pattern.findall(text)
        pairs = (f"{a} {b}" for a, b in zip(words, words[1:], strict=False))
        bag = Counter(self._bucket(gram) for gram in [*words, *pairs])
        bag.update(self.half + self._bucket(gram) for gram in _letters(text))
        return bag

    def _bucket(self, gram: str) -> int:
        found = self.known.get(gram)
        if found is None:
            found = abs(murmur(gram.encode())) % self.half
            if len(self.known) < 100_000:
                self.known[gram] = found
        return found


def murmur(data: bytes) -> int:
    """MurmurHash3, 32 bits, seed 0, as a signed number (Austin Appleby, public domain)."""
    found, end = 0, len(data) // 4 * 4
    for at in range(0, end, 4):
        found ^= _mixed(int.from_bytes(data[at : at + 4], "little"))
        found = (_turned(found, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    found ^= _mixed(int.from_bytes(data[end:], "little")) ^ len(data)
    for shift, times in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        found = ((found ^ found >> shift) * times) & 0xFFFFFFFF
    found ^= found >> 16
    return found - (1 << 32) if found >> 31 else found


def _mixed(block: int) -> int:
    return _turned(block * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & 0xFFFFFFFF


def _letters(text: str) -> Iterator[str]:
    """One to four characters within each word, blanks round it; a short word is counted once."""
    for word in text.split():
        word = f" {word} "
        for size in range(1, 5):
            for at in range(max(len(word) - size, 0) + 1):
                yield word[at : at + size]
            if size >= len(word):
                break


def padded(rows: list[list[int]], filler: int) -> np.ndarray:
    """Return rows of unlike length as (n, longest) int64, at least one wide."""
    out = np.full((len(rows), max(map(len, rows), default=0) or 1), filler, np.int64)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out
