"""Seeds by purpose, and NumPy generators made of them."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_for(*parts: int | str) -> int:
    """Return a seed of 63 bits for a purpose, such as `seed_for(seed, "epoch", 3)`.

    >>> seed_for(0, "split") == seed_for(0, "split") != seed_for(1, "split")
    True
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(*parts: int | str) -> np.random.Generator:
    """Return NumPy's generator for a purpose."""
    return np.random.default_rng(seed_for(*parts))
