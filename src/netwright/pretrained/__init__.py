"""Pretrained checkpoints on disk, known without torch: folders of the Hugging Face form, GGUF files, plain weights of convnets.

Nothing is ever downloaded, no code of a checkpoint is run, and pickles are read as bare tensors alone.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from netwright.errors import InputError, Problem
from netwright.pretrained import files, template
from netwright.pretrained.checkpoint import Checkpoint, Layout, Marks, Pooling, Role, Sight
from netwright.pretrained.layouts import IMAGENET, is_llama, role_of

__all__ = ["Checkpoint", "Layout", "Marks", "Pooling", "Role", "Sight", "is_one", "opened"]


def is_one(path: str | Path) -> bool:
    """Say whether a path is a pretrained checkpoint: by its files, which are not opened."""
    place = Path(path)
    if (place / "run.json").exists():
        return False
    return (place / "config.json").exists() or (place.is_file() and place.suffix in (".gguf", ".pth", ".pt", ".safetensors"))  # fmt: skip


def opened(path: str | Path) -> Checkpoint:
    """Return what a checkpoint says of itself; its weights are not read yet.

    Raises `InputError` where it is damaged, incomplete, holds pickles alone, or is of an architecture that nobody knows.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(Problem(str(path), "there is no such file or folder", allowed="a checkpoint's folder or file"))
    named = [place] if place.is_file() else files.weights(place)
    stamp = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in [*named, *place.glob("*.json")] if file.exists())  # fmt: skip
    return _opened(str(place), stamp)


@lru_cache(8)
def _opened(path: str, stamp: tuple[tuple[str, int, int], ...]) -> Checkpoint:
    place = Path(path)
    if place.is_file():
        from netwright.pretrained import gguf, plain  # they know arrays, which `--help` must not load

        if place.suffix == ".gguf":
            return gguf.opened(place)
        return plain.opened(place)
    config = files.config(place)
    weights = files.weights(place)
    files.check_sums(place, weights)
    role = role_of(config, place)
    sight = _sight(place, config) if role == "vision" else None
    tokenizer = "" if role == "vision" else files.tokenizer(place)
    if tokenizer:
        _check_size(place, weights, tokenizer)
    return Checkpoint(
        path=place, layout="llama" if is_llama(config) else "transformers", role=role, config=config, files=weights,
        tokenizer=tokenizer, chat=files.chat_template(place), marks=template.marks(tokenizer) if tokenizer else None,
        specials=files.specials(place, config), sight=sight, pooling=files.pooling(place),
    )  # fmt: skip


def _check_size(place: Path, weights: tuple[Path, ...], tokenizer: str) -> None:
    """Raise `InputError` where the tokenizer knows tokens that the embedding lacks."""
    from tokenizers import Tokenizer

    numbers = Tokenizer.from_str(tokenizer).get_vocab(with_added_tokens=True).values()
    rows = files.embedding_rows(weights)
    if rows is not None and numbers and max(numbers) >= rows:
        what = f"its tokenizer has tokens up to number {max(numbers):,}, and its embedding {rows:,} rows"
        raise InputError(Problem(str(place), what, allowed="a tokenizer of this checkpoint"))


def _sight(place: Path, config: dict[str, object]) -> Sight:
    """The size and the normalisation of images, from the processor's settings, else ImageNet's."""
    file = place / "preprocessor_config.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    size = found.get("crop_size") or found.get("size") or config.get("image_size") or 224
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge") or 224
    if isinstance(size, list | tuple):
        size = size[0]
    mean, deviation = found.get("image_mean") or IMAGENET[0], found.get("image_std") or IMAGENET[1]
    channels = int(config.get("num_channels") or 3)  # type: ignore[call-overload]
    return Sight(int(size), tuple(mean)[:channels], tuple(deviation)[:channels])  # type: ignore[call-overload]
