"""The names by which folders and files say that their rows are for training, validation or testing."""

from __future__ import annotations

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",  # MNIST's own word for its test set
}


def split_of(name: str) -> str | None:
    """Return the split that a folder's name says, or None.

    >>> split_of("Val"), split_of("cats")
    ('validation', None)
    """
    return SPLITS.get(name.lower())
