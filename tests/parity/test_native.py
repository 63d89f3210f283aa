"""One element in C is one element in torch: the same numbers, whatever the rows, the threads and the form of the weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from netwright import native, quantizing
from netwright.events import listening
from netwright.signal import Memory, Signal
from netwright.trunks.transformer.net import Net
from netwright.trunks.transformer.settings import Settings

compiled = pytest.mark.skipif(native.library() is None, reason="no C compiler with OpenMP here")
FORMS = {
    "plain": {"width": 32, "heads": 4},
    "grouped": {"width": 24, "heads": 6, "key_heads": 2, "hidden": 50},
    "biased": {"width": 32, "heads": 2, "biased": True},
    "normed": {"width": 36, "heads": 3, "key_heads": 1, "normed": True, "epsilon": 1e-5},
    "own head size": {"width": 20, "heads": 2, "head_size": 34},
}


def trunk(seed: int = 0, depth: int = 3, **settings: object) -> Net:
    """A trunk whose every weight is drawn, so that none of them can be forgotten."""
    torch.manual_seed(seed)
    net = Net(Settings.model_validate({"depth": depth, "dropout": 0.0, **settings}), [], 0).eval()
    for weight in net.parameters():
        nn.init.normal_(weight, mean=1.0 if weight.ndim == 1 else 0.0, std=0.3)
    return net


@torch.no_grad()
def written(net: Net, x: Tensor, lengths: list[int] | None = None, steps: int = 5) -> tuple[Tensor, Memory]:
    """The answers after a prompt (B, T, D), and of each element that follows it; rows may begin with padding."""
    B, T, _ = x.shape
    T -= steps
    place = torch.arange(T + steps).expand(B, -1)
    document: Tensor | None = None
    if lengths is not None:
        place = place - (T - torch.tensor(lengths))[:, None]
        document = torch.where(place >= 0, 0, -1)
    out, memory = [], Memory()
    for part in (slice(0, T), *(slice(number, number + 1) for number in range(T, T + steps))):
        stimulus = Signal(x[:, part], "sequence", position=place[:, part].clamp(min=0), document=document if document is None else document[:, part])  # fmt: skip
        signal, memory = net.step(memory, stimulus)
        out.append(signal.values[:, -1])
    return torch.stack(out, 1), memory


def by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)


@compiled
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 16])
@pytest.mark.parametrize("form", FORMS)
def test_steps_are_torchs(form: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net = trunk(**FORMS[form])
    x = torch.randn(rows, 9, net.norm.weight.numel())
    lengths = [1 + row % 4 for row in range(rows)] if rows > 1 else None
    mine, memory = written(net, x, lengths)
    assert memory.room is not None
    by_torch(monkeypatch)
    theirs, kept = written(net, x, lengths)
    assert kept.room is None
    torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)
    for (a, b), (c, d) in zip(memory.cache, kept.cache, strict=True):
        torch.testing.assert_close(a, c, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(b, d, atol=2e-5, rtol=1e-4)


@compiled
def test_bytes_are_read_as_the_floats_that_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    net = trunk(width=64, heads=4, biased=True)
    quantizing.convert(net, "int8_weights")
    x = torch.randn(3, 9, 64)
    mine, memory = written(net, x)
    assert memory.room is not None
    with torch.no_grad():
        for owner in net.modules():
            for name, part in list(owner.named_children()):
                if isinstance(part, quantizing.Map):
                    plain = nn.Linear(part.q.shape[1], part.q.shape[0], bias=part.bias is not None)
                    plain.weight.copy_(part.weight)
                    if part.bias is not None:
                        plain.bias.copy_(part.bias)
                    setattr(owner, name, plain)
    by_torch(monkeypatch)
    first, later = (slice(0, 1), slice(1, None))
    theirs, _ = written(net, x)
    torch.testing.assert_close(mine[:, later], theirs[:, later], atol=0.05, rtol=0.02)  # its past is of 16 bits
    assert not torch.equal(mine[:, first], theirs[:, first])


@compiled
def test_a_row_depends_neither_on_others_nor_on_threads() -> None:
    """Bit by bit: what a server answers does not depend on who else asks."""
    net = trunk(**FORMS["grouped"])
    x, past = torch.randn(11, 1, 24), torch.randn(11, 6, 24)
    with torch.no_grad():
        _, memory = net.step(Memory(), Signal(past, "sequence"))
        before = torch.get_num_threads()
        try:
            found = []
            for threads in (1, 2, 3):
                torch.set_num_threads(threads)
                found.append(net.step(memory, Signal(x, "sequence", position=torch.full((11, 1), 6)))[0].values)
        finally:
            torch.set_num_threads(before)
        assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
        for row in range(11):
            one = net.step(memory.select(torch.tensor([row])), Signal(x[row : row + 1], "sequence", position=torch.tensor([[6]])))[0]  # fmt: skip
            assert torch.equal(one.values[0], found[0][row])


@compiled
def test_a_memory_may_be_gone_on_from_twice() -> None:
    """The element of one going on does not stand in the other's past, and none writes beyond its room."""
    net = trunk(**FORMS["plain"])
    x = torch.randn(2, 100, 32)
    with torch.no_grad():
        _, memory = net.step(Memory(), Signal(x[:, :3], "sequence"))
        for number in range(3, 90):  # more than there is room for at first
            place = torch.full((2, 1), number)
            before = memory
            signal, memory = net.step(before, Signal(x[:, number : number + 1], "sequence", position=place))
            other, _ = net.step(before, Signal(x[:, 99:], "sequence", position=place))
            again, _ = net.step(before, Signal(x[:, number : number + 1], "sequence", position=place))
            assert torch.equal(signal.values, again.values) and not torch.equal(signal.values, other.values)
        whole, _ = net.step(Memory(), Signal(x[:, :90], "sequence"))
    torch.testing.assert_close(signal.values[:, 0], whole.values[:, -1], atol=2e-5, rtol=1e-4)


@compiled
def test_what_learns_or_is_large_goes_through_torch() -> None:
    net = trunk(**FORMS["plain"])
    _, memory = net.step(Memory(), Signal(torch.randn(2, 3, 32), "sequence"))
    one = Signal(torch.randn(2, 1, 32), "sequence", position=torch.full((2, 1), 3))
    signal, after = net.step(memory, one)
    assert signal.values.requires_grad and after.room is None
    with torch.no_grad():
        many = Memory(None, tuple((k.repeat(9, 1, 1, 1), v.repeat(9, 1, 1, 1)) for k, v in memory.cache))
        assert net.step(many, Signal(one.values.repeat(9, 1, 1), "sequence", position=torch.full((18, 1), 3)))[1].room is None  # fmt: skip


@compiled
@pytest.mark.parametrize("inputs", [1, 15, 16, 17, 67, 640])
def test_products_are_torchs(inputs: int) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(33, inputs), torch.randn(33)
    part = quantizing.Map.of(weight, bias, "int8_weights")
    with torch.no_grad():
        for rows in range(1, native.FEW + 1):
            x = torch.randn(rows, inputs)
            found = native.product(x, weight, bias=bias)
            assert found is not None
            torch.testing.assert_close(found, x @ weight.T + bias, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(part(x), x @ part.weight.T + bias, atol=1e-4, rtol=1e-4)
        assert native.product(torch.randn(native.FEW + 1, inputs), weight) is None
        assert native.product(torch.randn(2, inputs).double(), weight.double()) is None
        assert native.product(torch.randn(2, 33), weight.T) is None or inputs == 1  # laid otherwise in memory


@pytest.mark.parametrize("compiler", ["none", "false", "wrong"])
def test_without_a_compiler_torch_does_it_and_it_is_said(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No compiler; one that fails; one whose code answers wrongly. Nothing half made is kept."""
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "COMPILERS", ())
    monkeypatch.setenv("CC", "" if compiler == "none" else "false")
    if compiler == "wrong":
        if shutil.which("cc") is None:
            pytest.skip("no C compiler here")
        monkeypatch.setenv("CC", "cc")
        monkeypatch.setattr(native, "TRIAL", "raise SystemExit('answers wrongly')")
    native.library.cache_clear()
    try:
        with listening(heard := []):
            assert native.library() is None
    finally:
        native.library.cache_clear()
    wanted = {"none": "no C compiler", "false": "false", "wrong": "answers wrongly"}[compiler]
    assert [event.name for event in heard] == ["native.none"] and wanted in heard[0].text
    assert not list(tmp_path.rglob("*maps*"))


@compiled
def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path))
    try:
        for said in (["native.made"], []):
            native.library.cache_clear()
            with listening(heard := []):
                assert native.library() is not None
            assert [event.name for event in heard] == said
    finally:
        monkeypatch.undo()
        native.library.cache_clear()
