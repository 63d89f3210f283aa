"""Adapting pretrained weights: which of them learn, at which rate, and LoRA's small matrices beside them.

LoRA (Hu et al. 2021, arXiv 2106.09685): a map W (O, I) answers W x + s · B A x, of A (r, I), B (O, r) and s = alpha / r; W
stays. A is drawn as a map's weights are, B begins at 0, so that the first answer is the checkpoint's. D width.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.errors import InputError, Problem
from netwright.nn.trunks.family import Adapt
from netwright.nn.trunks.narrow import Narrow, widened

OF_ATTENTION = re.compile(r"(^|\.|_)(q|k|v|o|qkv|merge|query|key|value|q_proj|k_proj|v_proj|o_proj|out_proj|c_attn|q_lin|k_lin|v_lin|out_lin|in_proj|Wqkv|Wo|query_proj|key_proj|value_proj)$")  # fmt: skip
QUERIES_VALUES = re.compile(r"(^|\.)(q|v|query|value|q_proj|v_proj|q_lin|v_lin|qkv|c_attn|Wqkv|query_proj|value_proj)$")


class Lora(nn.Module):
    """A linear map with LoRA's matrices beside it: of a map that is several in one, a pair for each part that learns.

    `sizes`: the outputs of each part; `learns`: which of them have matrices.
    """

    scale: Tensor

    def __init__(self, base: nn.Module, rank: int, alpha: float, sizes: list[int], learns: list[bool]) -> None:
        super().__init__()
        weight: Tensor = base.weight  # type: ignore[assignment]
        self.base, self.turned = base, type(base).__name__ == "Conv1D"  # GPT-2's maps hold (I, O)
        inputs, outputs = weight.shape if self.turned else weight.shape[::-1]
        self.rank, self.sizes, self.learns = min(rank, inputs, outputs), sizes, learns
        count = sum(learns)
        kept = {"device": weight.device, "dtype": weight.dtype}
        self.A = nn.Parameter(torch.empty(count * self.rank, inputs, **kept))
        for part in self.A.data.split(self.rank):
            nn.init.kaiming_uniform_(part, a=math.sqrt(5))
        self.B = nn.ParameterList(nn.Parameter(torch.zeros(size, self.rank, **kept)) for size, own in zip(sizes, learns, strict=True) if own)  # fmt: skip
        self.register_buffer("scale", torch.tensor(alpha / self.rank, **kept))

    @property
    def weight(self) -> Tensor:
        """The map's matrix with what was learnt, as if it were one."""
        weight: Tensor = self.base.weight  # type: ignore[assignment]
        change = self.change()
        return weight + (change.T if self.turned else change)

    @property
    def bias(self) -> Tensor | None:
        """The map's own."""
        return self.base.bias  # type: ignore[return-value]

    def change(self) -> Tensor:
        """(O, I): s · B A."""
        halves, pairs = iter(self.A.split(self.rank)), iter(self.B)
        inputs = self.A.shape[1]
        parts = [next(pairs) @ next(halves) if own else self.A.new_zeros(size, inputs) for size, own in zip(self.sizes, self.learns, strict=True)]  # fmt: skip
        return self.scale * torch.cat(parts)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        if self._as_one(x):
            starts = [sum(self.sizes[:number]) for number, own in enumerate(self.learns) if own]
            return Added.apply(x, self.base.weight, self.base.bias, self.scale, starts, self.A, *self.B)  # type: ignore[return-value]
        y = self.base(x)
        narrow = F.linear(x, self.A) * self.scale  # (..., parts · r)
        if len(self.sizes) == 1:
            return y + F.linear(narrow, self.B[0])
        halves, pairs = iter(narrow.split(self.rank, -1)), iter(self.B)
        more = [F.linear(next(halves), next(pairs)) if own else None for own in self.learns]
        parts = [part if add is None else part + add for part, add in zip(y.split(self.sizes, -1), more, strict=True)]
        return torch.cat(parts, -1)

    def _as_one(self, x: Tensor) -> bool:
        """Whether the gradients written out may be taken: a plain map whose weights stay, in code that runs as it stands."""
        plain = isinstance(self.base, nn.Linear) and not self.base.weight.requires_grad and x.device.type == "cpu"
        whole = x.dtype == self.A.dtype and not torch.is_autocast_enabled(x.device.type)
        return plain and whole and not torch.compiler.is_compiling() and not torch.compiler.is_exporting()


class Added(torch.autograd.Function):
    """y = W x + b, and s Bₖ Aₖ x added at the outputs of each part k where they stand: torch's own would lay y anew.

    With gₖ the gradient at part k: ∂x = Wᵀ g + Σ Aₖᵀ tₖ, tₖ = s Bₖᵀ gₖ; ∂Aₖ = tₖ xᵀ, ∂Bₖ = gₖ (s Aₖ x)ᵀ. `starts`: part k's
    first output. N rows.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, scale: Tensor, starts: list[int], A: Tensor, *B: Tensor) -> Tensor:  # fmt: skip
        rows = x.flatten(0, -2)  # (N, I)
        y, narrow = F.linear(rows, weight, bias), F.linear(rows, A) * scale  # (N, O), (N, parts · r)
        for start, pair, half in zip(starts, B, narrow.chunk(len(B), 1), strict=True):
            y[:, start : start + len(pair)].addmm_(half, pair.T)
        ctx.save_for_backward(rows, weight, scale, narrow, A, *B)
        ctx.starts, ctx.shape = starts, x.shape
        return y.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        rows, weight, scale, narrow, A, *B = ctx.saved_tensors
        g = gradients[0].flatten(0, -2)  # (N, O)
        parts = [g[:, start : start + len(pair)] for start, pair in zip(ctx.starts, B, strict=True)]
        t = torch.cat([part @ pair for part, pair in zip(parts, B, strict=True)], 1) * scale  # (N, parts · r)
        dx = torch.mm(g, weight).addmm_(t, A).view(ctx.shape) if ctx.needs_input_grad[0] else None
        dB = [part.T @ half for part, half in zip(parts, narrow.chunk(len(B), 1), strict=True)]
        return dx, None, None, None, None, t.T @ rows, *dB


def prepare(network: Any, settings: Adapt | None) -> None:
    """Make a network's pretrained part learn as far as the settings say; `network.rates` holds unlike learning rates.

    Raises `InputError` where a rank is above a map's width, or there are fewer blocks than are to learn.
    """
    network.rates = {}
    if settings is None:
        return
    body: nn.Module = network.trunk.body
    written = [head for head in network.heads.values() if getattr(head, "table", None) is not None]
    own = [body, *written] if body is not network.trunk else [network.stems, body, *written]
    if settings.how == "frozen" or settings.how == "lora" or settings.top is not None:
        for part in own:
            part.requires_grad_(False)
    if settings.how == "frozen":
        network.trunk.fixed = True
        for head in written:  # there is nothing else to learn
            head.requires_grad_(True)
    if settings.top is not None:
        _open_top(network.trunk, body, settings.top)
    if settings.how == "lora":
        _insert(body, settings, network.trunk.spared)
        if settings.bits == 8:
            _narrow(body, network.trunk.spared)
    if settings.remember:
        _remember(network.trunk)
    if settings.decay < 1.0:
        network.rates = _rates(network, settings.decay)


def _open_top(trunk: Any, body: nn.Module, count: int) -> None:
    blocks = trunk.blocks
    if count > len(blocks):
        what = f"top:{count} of a network of {len(blocks)} blocks"
        raise InputError(Problem("adapt", what, allowed=f"top:1 to top:{len(blocks)}, or full"))
    for block in blocks[len(blocks) - count :]:
        block.requires_grad_(True)
    inside = {id(weight) for block in blocks for weight in block.parameters()}
    behind = False
    for weight in body.parameters():  # what stands behind the blocks, such as the last norm, learns with them
        behind = behind or id(weight) in inside
        if behind and id(weight) not in inside:
            weight.requires_grad_(True)


def _insert(body: nn.Module, settings: Adapt, spared: tuple[nn.Module, ...]) -> None:
    """Put LoRA's matrices beside the linear maps that the settings name."""
    found = 0
    for owner in list(body.modules()):
        for name, part in list(owner.named_children()):
            if part in spared or not isinstance(part, nn.Linear) and type(part).__name__ != "Conv1D":
                continue
            if settings.maps != "all" and not (OF_ATTENTION if settings.maps == "attention" else QUERIES_VALUES).search(name):  # fmt: skip
                continue
            weight: Tensor = part.weight  # type: ignore[assignment]
            if settings.rank > max(weight.shape):
                what = f"{settings.rank} is above the width of {name}, {max(weight.shape)}"
                raise InputError(Problem("adapt.rank", what, allowed=f"1 to {min(weight.shape)}"))
            sizes, learns = _parts(owner, name, part, settings)
            setattr(owner, name, Lora(part, settings.rank, settings.alpha, sizes, learns))
            found += 1
    if not found:
        raise InputError(Problem("adapt.maps", f"this network has no linear layers of type {settings.maps}", allowed="all"))  # fmt: skip


def _narrow(body: nn.Module, spared: tuple[nn.Module, ...]) -> None:
    """Hold the linear maps whose weights stay in 8 bits. Raises `InputError` where there are none."""
    found = 0
    for owner in list(body.modules()):
        for name, part in list(owner.named_children()):
            if isinstance(part, nn.Linear) and part not in spared and not part.weight.requires_grad:
                setattr(owner, name, Narrow(part))
                found += 1
    if not found:
        what = "this network's linear layers cannot be held in 8 bits"
        raise InputError(Problem("adapt.bits", what, fix="leave it out"))


def _parts(owner: Any, name: str, part: nn.Module, settings: Adapt) -> tuple[list[int], list[bool]]:
    """The parts of a map that is several in one, and which of them learn."""
    weight: Tensor = part.weight  # type: ignore[assignment]
    outputs = weight.shape[1] if type(part).__name__ == "Conv1D" else weight.shape[0]
    if name == "qkv" and hasattr(owner, "key_heads"):
        keys = owner.key_heads * owner.d
        sizes = [outputs - 2 * keys, keys, keys]
        return sizes, [settings.maps != "queries_values" or number != 1 for number in range(3)]
    if name == "gate_up":
        return [outputs // 2, outputs // 2], [True, True]
    return [outputs], [True]


def _remember(trunk: Any) -> None:
    inner: Any = getattr(getattr(trunk, "inner", trunk), "net", None)
    if hasattr(inner, "gradient_checkpointing_enable"):
        inner.gradient_checkpointing_enable({"use_reentrant": False})
        return
    found = [part for part in trunk.modules() if hasattr(part, "checkpointing")]
    if not found:
        raise InputError(
            Problem("adapt.remember", "this network does not support gradient checkpointing", allowed="false")
        )
    for part in found:
        part.checkpointing = True


def _rates(network: Any, decay: float) -> dict[str, float]:
    """By weight: what its learning rate is multiplied by, the less the further it is from the head."""
    blocks = network.trunk.blocks
    depth = {id(weight): number for number, block in enumerate(blocks) for weight in block.parameters()}
    inside = {id(weight) for weight in network.trunk.body.parameters()}
    out: dict[str, float] = {}
    for name, weight in network.named_parameters():
        if id(weight) in inside:
            out[name] = decay ** (len(blocks) - depth.get(id(weight), -1))
    return out


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's weights with LoRA's matrices added into the maps that they stand beside, all of them floats."""
    state = widened(dict(state))
    out = dict(state)
    for name in [name for name in state if name.endswith(".base.weight")]:
        stem = name.removesuffix(".base.weight")
        if f"{stem}.A" not in state:
            continue
        weight, A, scale = out.pop(name), out.pop(f"{stem}.A"), out.pop(f"{stem}.scale")
        pairs = [out.pop(f"{stem}.B.{number}") for number in range(sum(key.startswith(f"{stem}.B.") for key in state))]
        halves = A.split(A.shape[0] // len(pairs))
        parts = [scale * (B @ half) for B, half in zip(pairs, halves, strict=True)]
        out[f"{stem}.weight"] = _added(weight, parts)
        if f"{stem}.base.bias" in out:
            out[f"{stem}.bias"] = out.pop(f"{stem}.base.bias")
    return out


@torch.no_grad()
def merge(network: nn.Module) -> None:
    """Add LoRA's matrices into the maps that they stand beside, which take their places, all of them floats: the network is a
    plain one again."""
    for owner in list(network.modules()):
        for name, part in list(owner.named_children()):
            base, weight = (part.base, part.weight) if isinstance(part, Lora) else (part, None)
            if isinstance(base, Narrow):
                base = base.wide()
            if base is not part:
                setattr(owner, name, base)
            if weight is not None:
                base.weight.copy_(weight)  # type: ignore[operator]


def _added(weight: Tensor, parts: list[Tensor]) -> Tensor:
    """W with its parts' changes, at the outputs that learn."""
    change = torch.cat(parts)
    if change.shape == weight.shape:
        return weight + change
    if change.T.shape == weight.shape:  # GPT-2's maps hold (I, O)
        return weight + change.T
    assert len(parts) == 2, "queries and values alone"
    queries, values = parts  # of keys nothing is learnt
    return weight + torch.cat([queries, weight.new_zeros(len(weight) - len(change), weight.shape[1]), values])


def loras(network: nn.Module) -> Iterator[tuple[str, Lora]]:
    """Yield each map that has LoRA's matrices, with its name."""
    for name, part in network.named_modules():
        if isinstance(part, Lora):
            yield name, part
