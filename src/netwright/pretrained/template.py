"""The special tokens that a tokenizer puts round one text and round two, found by asking it."""

from __future__ import annotations

from netwright.pretrained.checkpoint import Marks


def marks(content: str) -> Marks:
    """Return the tokens round texts, of a tokenizer's JSON.

    The tokenizer is asked for one text and for a pair, with and without its special tokens.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    one = tokenizer.encode("a").ids
    at = _place(bare, one)
    if at is None:
        return Marks((), (), ())
    before, behind = tuple(one[:at]), tuple(one[at + len(bare) :])
    pair = tokenizer.encode("a", "b")
    second = tokenizer.encode("b", add_special_tokens=False).ids
    start = _place(second, pair.ids[at + len(bare) :])
    between = tuple(pair.ids[at + len(bare) : at + len(bare) + start]) if start is not None else ()
    return Marks(before, between, behind, typed=len(set(pair.type_ids)) > 1)


def _place(part: list[int], whole: list[int]) -> int | None:
    return next((k for k in range(len(whole) - len(part) + 1) if whole[k : k + len(part)] == part), None) if part else None  # fmt: skip
