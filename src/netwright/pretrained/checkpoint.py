"""What is known of a checkpoint: its form, its configuration, what it brings along, and where its weights are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["encoder", "decoder", "encoder_decoder", "vision"]
Layout = Literal["llama", "transformers", "efficientnet_lite0", "resnet18", "resnet50"]
Pooling = Literal["mean", "cls", "last"]


@dataclass(frozen=True)
class Sight:
    """How images are to come: pixels a side, and each channel's mean and deviation (of values from 0 to 1)."""

    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True)
class Marks:
    """The special tokens round texts: before the first, between two, behind the last; and whether the second text is of
    another type (BERT's segments)."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    behind: tuple[int, ...]
    typed: bool = False

    @property
    def count(self) -> int:
        """How many there are round one text."""
        return len(self.before) + len(self.behind)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was opened. `specials`: its own names of `bos`, `eos`, `pad`, where it has them."""

    path: Path
    layout: Layout
    role: Role
    config: dict[str, Any]
    files: tuple[Path, ...]
    tokenizer: str = ""
    chat: str = ""
    marks: Marks | None = None
    specials: dict[str, str] | None = None
    sight: Sight | None = None
    pooling: Pooling | None = None

    @property
    def size(self) -> int:
        """How many bytes its weights take on disk."""
        return sum(file.stat().st_size for file in self.files)

    @cached_property
    def count(self) -> int:
        """How many weights it has."""
        from netwright.pretrained import files

        return files.count(self.files) or self.size // 4

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its weights and configuration: whether it is still the same."""
        digest = hashlib.sha256(repr(sorted(self.config.items(), key=str)).encode())
        for file in self.files:
            with file.open("rb") as opened:
                while part := opened.read(2**22):
                    digest.update(part)
        return digest.hexdigest()

    @property
    def starts(self) -> tuple[int, ...]:
        """The tokens that a text which it writes begins with: of an encoder-decoder first that which sets its decoder off."""
        before = self.marks.before if self.marks else ()
        if self.role != "encoder_decoder":
            return before
        names = ("decoder_start_token_id", "bos_token_id", "pad_token_id")
        first = next((int(self.config[name]) for name in names if self.config.get(name) is not None), 0)
        return (first, *before)

    def weights(self, *, writes: bool = False) -> dict[str, Tensor]:
        """Return all weights in float32, under the names of the network that `netwright.nn.trunks.pretrained` builds of it.

        `writes`: with those that answer tokens. Raises `InputError` where a file is damaged or lacks some of them.
        """
        from netwright.pretrained import weights

        return weights.read(self, writes=writes)
