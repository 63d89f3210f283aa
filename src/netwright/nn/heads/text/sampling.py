"""How text is written: greedily, or at random within bounds. B rows, V tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from netwright.nn.heads.text.settings import SamplingParams
from netwright.nn.randomness import Draw


def chosen(sampling: SamplingParams, logits: Tensor, rows: Tensor, step: int) -> Tensor:
    """(B, V) logits -> (B,) tokens. What is drawn depends on the seed, the row's number (B,) and the step alone."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    kept, tokens = torch.sort(
        logits / sampling.temperature, dim=-1, descending=True, stable=True
    )  # most probable first
    if sampling.top_k:
        kept[:, sampling.top_k :] = -torch.inf
    share = kept.softmax(-1)
    out = share.cumsum(-1) - share >= sampling.top_p  # the first that passes the bound is kept
    out |= share < sampling.min_p * share[:, :1]
    out[:, 0] = False
    share = kept.masked_fill(out, -torch.inf).softmax(-1)
    drawn = Draw(sampling.seed, step, rows.cpu()).uniform().to(logits.device)  # (B,)
    place = (share.cumsum(-1) <= drawn[:, None] * share.sum(-1, keepdim=True)).sum(-1)
    place = place.clamp(max=(share > 0).sum(-1) - 1)
    return tokens.gather(1, place[:, None])[:, 0]


def penalised(logits: Tensor, there: list[list[int]], penalty: float) -> Tensor:
    """(B, V) logits with the tokens that are already there made less probable."""
    if penalty == 1.0:
        return logits
    logits = logits.clone()
    for row, tokens in enumerate(there):
        seen = torch.tensor(sorted(set(tokens)), device=logits.device)
        values = logits[row, seen]
        logits[row, seen] = torch.where(values > 0, values / penalty, values * penalty)
    return logits
