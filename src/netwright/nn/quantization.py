"""Weights in 8 bits that are computed with, and in 4 bits to be kept. O outputs, I inputs, N rows of inputs.

int8: each output's weights w ≈ s · q with q from -127 to 127 and s = max|w| / 127; inputs likewise, row by row as they come
(`int8`), or all by one scale found on some rows (`int8_static`); products are sums of whole numbers (Dettmers et al. 2022,
arXiv 2208.07339, without its outliers' part). `int8_weights`: weights alone, with inputs and sums rounded to bfloat16, which
loses less than rounding inputs to 8 bits does (docs/dev/log.md) and is as fast for a few rows, and for many where products of
such floats are fast. int4: groups of 32 weights, w ≈ a · q + b with
q from 0 to 15, and a and b of a row's groups in 8 bits: 4.5 bits a weight, made floats again when a run is loaded. Tables of
tokens, to which a language model owes most of what 4 bits cost (docs/dev/log.md), have q from 0 to 31: 5.5 bits.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.runtime import cpu
from netwright.runtime.kernels import operation
from netwright.runtime.kernels.operation import drawn
from netwright.runtime.kernels.products import FEW, Matrix, few, linear_

Form = Literal["int8", "int8_static", "int8_weights", "int4"]
FORMS: tuple[Form, ...] = ("int8", "int8_static", "int8_weights", "int4")
LEAST = 1024  # weights of a matrix from which it is worth while
GROUP = 32
TABLES = re.compile(r"(^|\.)(table|readout|lm_head|wte|embed_tokens|word_embeddings|shared)(\.map)?\.weight$")
WATCH = threading.Lock()
SHRINK = (1.0, 0.95, 0.9, 0.85)  # of a group's range that are tried: outliers cost the others their steps


def whole_products(x: Tensor, weight: Tensor) -> Tensor:
    """(N, I) and (O, I) int8 -> (N, O) int32. torch's own operation is private, so that it stands here alone."""
    try:
        product: Any = torch
        return product._int_mm(x, weight.t())
    except (AttributeError, RuntimeError):  # no such kernel here: floats hold these sums exactly up to 2²⁴
        return (x.float() @ weight.float().t()).round().to(torch.int32)


def _bytes() -> Iterator[tuple[Any, ...]]:
    for inputs in (1, 15, 16, 17, 67, 640):
        weight = (40 * drawn(33, inputs, learns=False)).clamp(-127, 127).to(torch.int8)
        scale = (drawn(33, seed=1, learns=False).abs() / 40).bfloat16()
        for rows in range(1, FEW + 1):
            bias = drawn(33, seed=2, learns=False) if rows % 2 else None
            yield drawn(rows, inputs, seed=rows, learns=False), weight, scale, bias


@operation(
    compiled=lambda x, weight, scale, bias=None: linear_(x, weight, scale, bias),
    takes=lambda x, weight, scale, bias=None: few(x) and Matrix.of(weight, scale, bias) is not None,
    examples=_bytes,
    tolerance=0.02,  # the formula rounds inputs and answers to 16 bits, compiled code does not
)
def part_products(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, I) floats, (O, I) int8, (O,) bfloat16 -> (N, O): inputs and answers in bfloat16, sums in 32 bits.

    Many rows are multiplied in bfloat16 where the processor is fast at it, with weights rounded to it that are made anew.
    torch's own operation is private too, and reads past the end of rows that are no multiple of 16 long (torch 2.13).
    """
    x, plain = x.bfloat16(), x.device.type == "cpu"
    if len(x) > FEW and (cpu.fast() if plain else x.device.type == "cuda"):
        rounded = weight.float().mul_(scale[:, None]).bfloat16()
        return F.linear(x, rounded, None if bias is None else bias.bfloat16()).float()
    out: Tensor | None = None
    if len(x) <= FEW and plain and not weight.shape[1] % 32:
        try:
            product: Any = torch
            out = product._weight_int8pack_mm(x, weight, scale).float()
        except (AttributeError, RuntimeError):  # no such kernel here
            pass
    if out is None:
        out = F.linear(x.float(), weight.float()).mul_(scale).bfloat16().float()
    return out if bias is None else out.add_(bias)


class Map(nn.Module):
    """A linear map whose weights are 8 bits. `fixed`: one scale for all inputs; None: each row's own.

    `floats`: inputs stay floats, of 16 bits.
    """

    q: Tensor
    scale: Tensor
    fixed: Tensor | None

    def __init__(self, outputs: int, inputs: int, *, bias: bool, form: Form) -> None:
        super().__init__()
        self.floats, self.watched = form == "int8_weights", 0.0
        self.watching = False
        self.register_buffer("q", torch.zeros(outputs, inputs, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(outputs, dtype=torch.bfloat16 if self.floats else torch.float32))
        self.register_buffer("fixed", torch.ones(()) if form == "int8_static" else None)
        self.bias = nn.Parameter(torch.zeros(outputs), requires_grad=False) if bias else None

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, form: Form) -> Map:
        """Return the map of a matrix (O, I)."""
        out = cls(*weight.shape, bias=bias is not None, form=form)
        scale = (weight.detach().abs().amax(1).clamp(min=1e-12) / 127).to(out.scale.dtype).float()
        out.q.copy_((weight.detach() / scale[:, None]).round().clamp(-127, 127).to(torch.int8))
        out.scale.copy_(scale)
        if bias is not None and out.bias is not None:
            out.bias.data.copy_(bias.detach())
        return out

    @property
    def weight(self) -> Tensor:
        """(O, I) as floats."""
        return self.q.float() * self.scale[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        if self.watching:
            largest = float(x.abs().amax())
            with WATCH:  # calls are answered side by side
                self.watched = max(self.watched, largest)
            return F.linear(x, self.weight, self.bias)
        flat = x.reshape(-1, x.shape[-1])
        if self.floats:
            out = part_products(flat, self.q, self.scale, self.bias)
        else:
            out = self._whole(flat)
            out = out if self.bias is None else out.add_(self.bias)
        return out.view(*x.shape[:-1], -1)

    def matrix(self) -> Matrix | None:
        """The map as compiled code reads it, where its inputs stay floats."""
        plain = self.floats and not self.watching
        return Matrix.of(self.q, self.scale, None if self.bias is None else self.bias.data) if plain else None

    def _whole(self, flat: Tensor) -> Tensor:
        step = flat.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127 if self.fixed is None else self.fixed
        whole = (flat / step).round_().clamp_(-127, 127).to(torch.int8)
        return whole_products(whole, self.q).float().mul_(step).mul_(self.scale)


class Table(nn.Module):
    """A table of tokens (V, D) in 8 bits, each token's values by their own scale; `answer` is the map that it also is."""

    def __init__(self, size: int, width: int, form: Form) -> None:
        super().__init__()
        self.map = Map(size, width, bias=False, form=form)

    @classmethod
    def of(cls, weight: Tensor, form: Form) -> Table:
        """Return the table of a matrix."""
        out = cls(*weight.shape, form=form)
        out.map = Map.of(weight, None, form)
        return out

    @property
    def weight(self) -> Tensor:
        """(V, D) as floats."""
        return self.map.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """(...) -> (..., D)."""
        return self.map.q[tokens].float() * self.map.scale[tokens][..., None]

    def answer(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""
        return self.map(states)


def convert(network: nn.Module, form: Form, *, empty: bool = False) -> int:
    """Put 8-bit maps in place of a network's large linear maps and token tables; return how many weights they hold.

    `empty`: their values come later, from a file.
    """
    count = 0
    for owner in list(network.modules()):
        if isinstance(owner, Map | Table | nn.MultiheadAttention):  # the last reads its maps' weights itself
            continue
        for name, part in list(owner.named_children()):
            if not isinstance(part, nn.Linear | nn.Embedding) or part.weight.numel() < LEAST:
                continue
            if isinstance(part, nn.Embedding):
                new: nn.Module = Table(*part.weight.shape, form=form) if empty else Table.of(part.weight, form)
            else:
                bias = part.bias is not None
                new = Map(*part.weight.shape, bias=bias, form=form) if empty else Map.of(part.weight, part.bias, form)
            setattr(owner, name, new)
            count += part.weight.numel()
    return count


def maps(network: nn.Module) -> Iterator[Map]:
    """Yield a network's 8-bit maps."""
    yield from (part for part in network.modules() if isinstance(part, Map))


def packed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with each large matrix in 4 bits, as `unpacked` reads them."""
    out: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim != 2 or value.numel() < LEAST or not value.is_floating_point():
            out[name] = value
            continue
        levels = 31 if TABLES.search(name) else 15
        out |= {f"{name}|{part}": tensor for part, tensor in _four(value.float(), levels).items()}
    return out


def unpacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as floats."""
    out: dict[str, Any] = {name: value for name, value in state.items() if "|" not in name}
    for name in {name.rpartition("|")[0] for name in state if "|" in name}:
        part = {key: state[f"{name}|{key}"] for key in ("q", "step", "low", "rows", "size")}
        outputs, inputs = (int(number) for number in part["size"])
        q = torch.stack([part["q"] & 15, part["q"] >> 4], -1).view(outputs, -1, GROUP)
        if f"{name}|more" in state:
            q = q + 16 * (state[f"{name}|more"][..., None] >> torch.arange(8) & 1).view(q.shape)
        q = q.float()
        rows = part["rows"].float()[:, None, :]  # (O, 1, 4): the grids of steps and of lows
        step = part["step"].float()[..., None] * rows[..., 0:1] + rows[..., 1:2]
        low = part["low"].float()[..., None] * rows[..., 2:3] + rows[..., 3:4]
        # (O, G, 32) · (O, G, 1) + (O, G, 1)
        out[name] = (
            (q * step.view(outputs, -1, 1) + low.view(outputs, -1, 1)).view(outputs, -1)[:, :inputs].contiguous()
        )
    return out


def _four(weight: Tensor, levels: int) -> dict[str, Tensor]:
    """A matrix's groups in 4 bits, or 5 for 31 levels: of each row the ranges with the smallest squared error."""
    outputs, inputs = weight.shape
    groups = F.pad(weight, (0, -inputs % GROUP)).view(outputs, -1, GROUP)
    high, low = groups.amax(2), groups.amin(2)
    tries = [_tried(groups, (high + low) / 2, (high - low) / 2 * share, levels) for share in SHRINK]
    best = torch.stack([error for error, *_ in tries]).argmin(0)  # (O,): a row's groups share their grids
    every = torch.arange(outputs)
    q, step, bottom, rows = (torch.stack([one[number] for one in tries])[best, every] for number in range(1, 5))
    four, more = q.view(outputs, -1, 2) & 15, q.view(outputs, -1, 8) >> 4
    return {
        "q": four[..., 0] | (four[..., 1] << 4),
        **({"more": (more << torch.arange(8)).sum(-1).to(torch.uint8)} if levels > 15 else {}),
        "step": step,
        "low": bottom,
        "rows": rows,
        "size": torch.tensor([outputs, inputs]),
    }


def _tried(groups: Tensor, middle: Tensor, half: Tensor, levels: int) -> tuple[Tensor, ...]:
    """Rows' squared errors (O,) with groups from middle - half to middle + half, and what would be kept of them."""
    step, bottom, rows = _gridded(2 * half / levels, middle - half)
    given = rows.float()[:, None, :]
    a = (step.float() * given[..., 0] + given[..., 1])[..., None]
    b = (bottom.float() * given[..., 2] + given[..., 3])[..., None]
    q = ((groups - b) / a.clamp(min=1e-12)).round().clamp(0, levels)
    return (q * a + b - groups).square().sum((1, 2)), q.to(torch.uint8), step, bottom, rows


def _gridded(step: Tensor, low: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(O, G) steps and lows as 8-bit numbers on each row's grid, and the grids (O, 4) in 16 bits."""
    rows = []
    out = []
    for values in (step, low):
        first, last = values.amin(1), values.amax(1)
        grid = torch.stack([((last - first) / 255).clamp(min=1e-7), first], 1).to(torch.float16)
        wide = grid.float()
        out.append(((values - wide[:, 1:2]) / wide[:, 0:1]).round().clamp(0, 255).to(torch.uint8))
        rows.append(grid)
    return out[0], out[1], torch.cat(rows, 1)
