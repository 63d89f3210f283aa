"""Two sides that write, compared: rows that the run never learnt are read and gone on with by both.

What is stored exactly must agree in each logit and in each greedy text; what is rounded (F16, Q8) in the most probable
token and in the loss. T tokens of a row, V in all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netwright.export.parity import Parity
from netwright.export.side import Ours, Side, written
from netwright.inference.model import Model
from netwright.runtime.arrays import Ragged

GREEDY, WRITTEN = 16, 24  # beginnings that are gone on with, by so many tokens
CLOSE = 1e-4  # logits nearer than this are one: float32's rounding over some layers
OF_LARGEST = 1e-5  # likewise where a row's largest logit times this is more: rounding grows with what is added up


@dataclass(frozen=True)
class Tolerance:
    """What may differ: the largest logit (None: it is not looked at), the share of equal top tokens, the loss."""

    logit: float | None
    top: float
    loss: float


TOLERANCES = {
    "f32": Tolerance(CLOSE, 0.999, 1e-4), "f16": Tolerance(None, 0.98, 0.01), "q8": Tolerance(None, 0.95, 0.02),
}  # fmt: skip


@dataclass
class Read(Parity):
    """What was found of texts. `losses` are means of -ln p over tokens, ours and theirs."""

    tokens: int = 0
    beyond: float = 0.0  # how many times what is allowed the logits differ by at most
    top: float = 1.0
    losses: tuple[float, float] = (0.0, 0.0)
    tokenizer_differs: list[str] = field(default_factory=list)
    greedy: int = 0
    greedy_equal: int = 0

    def sentence(self) -> str:
        """Return it in words."""
        return (
            f"{self.engine}, {self.rows} rows, {self.tokens:,} tokens: logits differ by {self.largest:.1e} at most, "
            f"{self.top:.2%} of the most probable tokens are equal, loss {self.losses[0]:.4f} and {self.losses[1]:.4f}, "
            f"{self.greedy_equal} of {self.greedy} greedy texts equal"
        )


def of_rows(model: Model, theirs: Any, table: Any, stored: str) -> Read:
    """Compare a run's only text target with another engine's on a table's rows."""
    key, kind = written(model)
    arrays = model.fitted.encode_targets(table)[key]
    ids, counted = arrays["ids"], arrays["counted"]
    assert isinstance(ids, Ragged) and isinstance(counted, Ragged)
    documents = [ids.row(k)[: kind.length].tolist() for k in range(len(ids))]
    masks = [counted.row(k)[: kind.length] for k in range(len(ids))]
    starts = [int(mask.argmax()) if kind.whole else min(4, len(mask)) for mask in masks]
    texts = [str(text) for text in kind.truth(arrays)]
    return compare(Ours(model), theirs, documents, table.ids(), texts, stored=stored, starts=starts, most=kind.length)


def compare(
    ours: Side, theirs: Side, documents: list[list[int]], names: list[str], texts: list[str], *, stored: str, starts: list[int], most: int
) -> Read:  # fmt: skip
    """Read documents (tokens of rows with these `names`) and plain texts on both sides.

    `starts`: where answers begin; `most`: tokens of the context, beyond which nothing is written.

    `wrong` of the result says what lies outside the tolerance.
    """
    found, allowed = Read(theirs.name, stored), TOLERANCES[stored]
    for name, text in zip(names, texts, strict=True):
        if ours.encode(text) != theirs.encode(text):
            found.tokenizer_differs.append(name)
    same, losses = 0, np.zeros(2)
    for name, tokens in zip(names, documents, strict=True):
        if len(tokens) < 2:
            continue
        one, other = ours.logits(tokens), theirs.logits(tokens)
        if one.shape != other.shape:
            found.wrong.append(f"{name}: logits {other.shape} where the run gives {one.shape}")
            break
        far = float(np.abs(one - other).max())
        found.largest = max(found.largest, far)
        if allowed.logit is not None:
            times = far / max(allowed.logit, OF_LARGEST * float(np.abs(one).max()))
            found.beyond = max(found.beyond, times if np.isfinite(times) else np.inf)
            if not times <= 1:
                found.differs.append(name)
        goals = np.array(tokens[1:])
        losses += [_loss(one, goals), _loss(other, goals)]
        same += int((one.argmax(1) == other.argmax(1)).sum())
        found.rows, found.tokens = found.rows + 1, found.tokens + len(tokens)
    goals_in_all = max(found.tokens - found.rows, 1)
    found.losses = (float(losses[0] / goals_in_all), float(losses[1] / goals_in_all))
    found.top = same / max(found.tokens, 1)
    for name, tokens, start in list(zip(names, documents, starts, strict=True))[:GREEDY]:
        beginning = tokens[: max(1, start)]
        count = min(WRITTEN, most - len(beginning))
        if count < 1:
            continue
        one, other = ours.greedy(beginning, count), theirs.greedy(beginning, count)
        found.greedy += 1
        if one == other or _nearly(ours, beginning, one, other):
            found.greedy_equal += 1
        elif stored == "f32":
            found.differs.append(name)
    _judge(found, allowed)
    return found


def _loss(logits: np.ndarray, goals: np.ndarray) -> float:
    kept = logits[:-1].astype(np.float64)
    top = kept.max(1)
    return float((np.log(np.exp(kept - top[:, None]).sum(1)) + top - kept[np.arange(len(goals)), goals]).sum())


def _nearly(ours: Side, beginning: list[int], one: list[int], other: list[int]) -> bool:
    """Whether two greedy texts part where the two best tokens were as good as alike."""
    at = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    last = np.sort(ours.logits(beginning + one[:at])[-1])
    return bool(last[-1] - last[-2] < CLOSE)


def _judge(found: Read, allowed: Tolerance) -> None:
    if not found.rows:
        found.wrong.append("no row could be compared")
    if found.tokenizer_differs:
        found.wrong.append(f"the tokenizer reads other tokens in {', '.join(found.tokenizer_differs[:5])}")
    if allowed.logit is not None and not found.beyond <= 1:
        found.wrong.append(f"logits differ by up to {found.largest:.2e}, {allowed.logit:.0e} or {OF_LARGEST:.0e} of a row's largest is allowed ({', '.join(found.differs[:5])})")  # fmt: skip
    if not found.top >= allowed.top:
        found.wrong.append(f"{found.top:.2%} of the most probable tokens are equal, {allowed.top:.1%} is asked")
    change = abs(found.losses[1] - found.losses[0]) / max(abs(found.losses[0]), 1e-9)
    if not change <= allowed.loss:
        found.wrong.append(f"the loss changes by {change:.2%}, {allowed.loss:.2%} is allowed")
    if found.stored == "f32" and found.greedy_equal < found.greedy:
        found.wrong.append(f"{found.greedy - found.greedy_equal} of {found.greedy} greedy texts differ")
