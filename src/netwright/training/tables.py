"""Large tables of vectors: what a step's gradient says of them are the rows that were read.

torch's gradient of a table is as large as the table: of BERT's 30,522 rows a step reads some hundred, and zeros were written,
measured and clipped for all others, a tenth of its time (docs/dev/log.md). Here the rows alone are summed and clipped, then laid
into zeros that are kept, so that any optimizer takes the same step as ever. V rows of a table, D width, n rows that were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LARGE = 2**14  # rows of a table of which a step reads few


class Tables:
    """The large tables of a network that learn.

    In a step: `clear()`, the gradient within `apart()`, `weights()` to be clipped, then `lay()`, or an optimizer that takes
    what was `read` as it is (`adam.py`). Not `few`: their gradients
    are torch's, for steps that are recorded, compiled, shared with other processes or taken by a graphics card.
    """

    def __init__(self, network: nn.Module, *, few: bool) -> None:
        self.network = network
        found = [part for part in network.modules() if few and isinstance(part, nn.Embedding)]
        self.found = [part for part in found if part.weight.requires_grad and part.num_embeddings >= LARGE and not part.scale_grad_by_freq]  # fmt: skip
        self.kept: dict[Tensor, Tensor] = {}  # (V, D) a table's gradient: zeros, but for the rows laid last
        # the rows (n,) of a table that were read, and a tensor (n, D) whose gradient is theirs
        self.read: dict[Tensor, tuple[Tensor, Tensor]] = {}

    def clear(self) -> None:
        """Make zeros of the rows that were laid last."""
        for weight, (rows, _) in self.read.items():
            if weight in self.kept:
                self.kept[weight].index_fill_(0, rows, 0.0)
        self.read = {}

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within the block a table's gradient is of the rows that were read (torch's sparse form)."""
        for part in self.found:
            part.sparse = True
        try:
            yield
        finally:
            for part in self.found:
                part.sparse = False

    def weights(self) -> list[Tensor]:
        """Return all weights of the network, in a table's place one of the rows that were read alone."""
        for part in self.found:
            weight = part.weight
            if weight.grad is not None and weight.grad.is_sparse:  # not where it is tied to a map, or penalised
                summed = weight.grad.coalesce()
                rows, values = summed.indices()[0], summed.values()
                part_read = torch.empty_like(values)
                part_read.grad, weight.grad = values, None
                self.read[weight] = rows, part_read
        return [self.read[weight][1] if weight in self.read else weight for weight in self.network.parameters()]

    def lay(self) -> None:
        """Lay the rows' gradients where an optimizer looks for them."""
        for weight, (rows, read) in self.read.items():
            if weight not in self.kept:
                self.kept[weight] = torch.zeros_like(weight)
            assert read.grad is not None
            weight.grad = self.kept[weight].index_copy_(0, rows, read.grad)
