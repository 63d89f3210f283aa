"""Long texts in windows: nothing is cut, each element comes from where it has most context, heads see whole rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from netwright.nn import windows
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk


def text(lengths: Sequence[int], window: int, width: int = 2) -> Signal:
    """Texts whose elements hold their row and their place, and know them as their word and characters."""
    B, T = len(lengths), max(*lengths, 1)
    place = torch.arange(T).expand(B, T)
    real = place < torch.tensor(lengths)[:, None]
    rows = torch.arange(B)[:, None].expand(B, T)
    values = torch.stack([rows, place], 2).float()[..., :width]
    word = torch.where(real, place, -1)
    return Signal(values, "sequence", document=torch.where(real, 0, -1), window=window, word=word, ends=torch.stack([word, word + 1], 2))  # fmt: skip


class Context(Trunk):
    """Each element beside how many real elements stand before and behind it in what is read at once."""

    def __init__(self) -> None:
        super().__init__()
        self.out, self.calls = Shape("sequence", 4), list[int]()

    def read(self, signals: Sequence[Signal]) -> Memory:
        self.calls.append(len(signals[0].values))
        parts, columns, documents = [], [], []
        for number, signal in enumerate(signals):
            real = (signal.documents() >= 0).float()
            before, behind = real.cumsum(1) - 1, real.flip(1).cumsum(1).flip(1) - 1
            parts.append(torch.cat([signal.values, torch.stack([before, behind], 2)], 2))
            columns.append(torch.full_like(signal.columns(), number))
            documents.append(signal.documents())
        return Memory(Signal(torch.cat(parts, 1), "sequence", torch.cat(columns), document=torch.cat(documents, 1)))


@pytest.mark.parametrize("window", [1, 2, 3, 4, 7, 8, 100])
def test_each_element_comes_back_to_its_row_and_place(window: int) -> None:
    signal = text([5, 0, 1, 23, 8, 9], window)
    found = windows.read(Context(), [signal]).inputs
    assert found is not None and found.document is not None and found.word is not None
    real = signal.documents() >= 0
    assert torch.equal(found.values[..., :2][real], signal.values[real])
    assert torch.equal(found.documents(), signal.documents()) and torch.equal(found.word, signal.word)  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [4, 8, 9, 16])
@pytest.mark.parametrize("length", [17, 31, 40, 64])
def test_each_element_saw_a_quarter_of_a_window_on_either_side_or_the_texts_end(window: int, length: int) -> None:
    found = windows.read(Context(), [text([length, 3], window)]).inputs
    assert found is not None
    place = torch.arange(length)
    before, behind = found.values[0, :length, 2], found.values[0, :length, 3]
    assert bool((before >= torch.minimum(place, torch.tensor(window // 4))).all())
    assert bool((behind >= torch.minimum(length - 1 - place, torch.tensor(window // 4))).all())


def test_what_stands_beside_is_read_with_each_window_and_averaged() -> None:
    beside = replace(text([2, 1], 0), values=torch.tensor([[[5.0, 5], [6, 6]], [[7, 7], [0, 0]]]), word=None, ends=None)
    found = windows.read(Context(), [beside, text([20, 3], 8)]).inputs
    assert found is not None
    question = found.about(0)
    assert torch.equal(question.values[..., :2], beside.values)
    assert question.word is not None and bool((question.word == -1).all())
    assert found.about(1).values.shape[:2] == (2, 20)


class Pool(Context):
    """A vector of all, which keeps its elements."""

    def read(self, signals: Sequence[Signal]) -> Memory:
        seen = super().read(signals).inputs
        assert seen is not None
        return Memory(Signal(seen.pooled(), "vector", elements=seen))


def test_a_vector_is_the_mean_over_a_rows_windows_and_keeps_the_rows_elements() -> None:
    signal = text([20, 3], 8)
    found = windows.read(Pool(), [signal]).inputs
    assert found is not None and found.values.shape == (2, 4) and found.elements is not None
    assert torch.equal(found.values[:, 0], torch.tensor([0.0, 1.0]))
    real = signal.documents() >= 0
    assert torch.equal(found.each().values[..., :2][real], signal.values[real])


def test_texts_of_one_window_are_read_as_they_are() -> None:
    trunk = Context()
    windows.read(trunk, [text([5, 8], 8)])
    assert trunk.calls == [2]


def test_without_gradients_few_windows_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "AT_ONCE", 3)
    signal, trunk = text([20, 9], 4), Context()
    whole = windows.read(trunk, [signal]).inputs
    with torch.no_grad():
        parts = windows.read(trunk, [signal]).inputs
    assert whole is not None and parts is not None and torch.equal(whole.values, parts.values)
    assert trunk.calls[0] == 13 and trunk.calls[1:] == [3, 3, 3, 3, 1]


def test_a_gradient_reaches_each_element_once() -> None:
    signal = text([20, 3], 8)
    values = signal.values.clone().requires_grad_()
    found = windows.read(Context(), [replace(signal, values=values)]).inputs
    assert found is not None
    found.values[..., :2].sum().backward()
    expected: Tensor = (signal.documents() >= 0).float()
    assert values.grad is not None and torch.equal(values.grad[..., 0], expected)
