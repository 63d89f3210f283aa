"""Beam search: the k most probable beginnings are followed side by side.

A finished text's score is its sum of ln p divided by its length to the power of the length penalty (Wu et al. 2016,
arXiv 1609.08144, section 7, without its constant). B rows asked, k beams, V tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from netwright.kinds.language import Language
from netwright.nn.heads.text.state import Asked, Shown, refuse_long, started


class Beams:
    """The k best beginnings of each row; the memory has B rows at first, then B · k."""

    def __init__(self, asked: Asked, kind: Language, device: torch.device) -> None:
        refuse_long(asked.prompts, kind)
        self.asked, self.sampling, self.kind, self.device = asked, asked.sampling, kind, device
        B, k = len(asked.prompts), asked.sampling.beams
        self.beams: list[list[list[int]]] = [[[]] for _ in range(B)]
        self.scores = torch.zeros(B, 1, device=device)
        self.found: list[list[tuple[float, float, list[int]]]] = [[] for _ in range(B)]
        self.done = [False] * B
        self.kept: Tensor | None = None
        self.padded, self.steps, self.k = False, 0, k
        self.ends = torch.tensor(sorted(kind.ends), device=device)
        self.banned = torch.tensor(kind.marks_apart_from_ends, dtype=torch.long, device=device)

    def shown(self) -> Shown | None:
        """The beams' last tokens; at first the prompts."""
        if all(self.done):
            return None
        if self.steps == 0:
            first = started(self.asked.prompts, self.device)
            self.padded = first[2] is not None
            return first
        last = torch.tensor([[beam[-1]] for beams in self.beams for beam in beams], device=self.device)
        place = [[len(prompt) + len(beam) - 1] for prompt, beams in zip(self.asked.prompts, self.beams, strict=True) for beam in beams]  # fmt: skip
        return last, torch.tensor(place, device=self.device), torch.zeros_like(last) if self.padded else None

    def take(self, logits: Tensor) -> None:
        """Go on with the best of all beams' next tokens: logits (B · beams, V)."""
        B, now, k = len(self.beams), len(self.beams[0]), self.k
        logits = logits.index_fill(1, self.banned, -torch.inf) if len(self.banned) else logits
        total = self.scores[:, :, None] + logits.log_softmax(-1).view(B, now, -1)  # (B, beams, V)
        V = total.shape[2]
        best, where = total.flatten(1).topk(min(2 * k, now * V))  # as many as k may be ends
        self.steps += 1
        rows: list[int] = []
        beams: list[list[list[int]]] = []
        scores = torch.full((B, k), -1e9, device=self.device)
        for row in range(B):
            own: list[list[int]] = []
            for score, place in zip(best[row].tolist(), where[row].tolist(), strict=True):
                beam, token = divmod(place, V)
                text = self.beams[row][beam]
                if token in self.kind.ends:
                    self.found[row].append((self._score(score, len(text) + 1), score, text))
                elif len(own) < k:
                    scores[row, len(own)] = score
                    own.append([*text, token])
                    rows.append(row * now + beam)
            while len(own) < k:  # fewer tokens than beams
                own.append(own[-1])
                rows.append(rows[-1])
            beams.append(own)
            self.done[row] = self._settled(row, float(scores[row, 0]), len(own[0]))
        self.beams, self.scores, self.kept = beams, scores, torch.tensor(rows, device=self.device)

    def _score(self, total: float, length: int) -> float:
        return total / max(length, 1) ** self.sampling.length_penalty

    def _settled(self, row: int, best: float, length: int) -> bool:
        """Whether no beam can still become better than those found, or there is no room."""
        if length >= self.sampling.max_tokens or len(self.asked.prompts[row]) + length >= self.kind.length:
            return True
        found = sorted(self.found[row], reverse=True)[: self.k]
        return len(found) == self.k and found[0][0] >= self._score(best, length)

    @property
    def _best(self) -> list[tuple[float, list[int]]]:
        """Each row's best text with its sum of ln p: a finished one, or where none is, the best beginning."""
        out = []
        for row, found in enumerate(self.found):
            if found:
                _, total, text = max(found, key=lambda one: one[0])
                out.append((total, text))
            else:
                out.append((float(self.scores[row, 0]), self.beams[row][0]))
        return out

    @property
    def written(self) -> list[list[int]]:
        """Each row's best text."""
        return [text for _, text in self._best]

    @property
    def sums(self) -> list[float]:
        """Its sum of ln p."""
        return [total for total, _ in self._best]
