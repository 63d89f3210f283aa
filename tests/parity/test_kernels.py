"""The compiled kernels: they are there, are said to be missing where they are not, and few rows go through them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from netwright.events import listening
from netwright.nn import quantization
from netwright.nn.heads.text.net import entropy
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.transformer.layer import frequencies, rotation
from netwright.nn.trunks.transformer.net import Net
from netwright.nn.trunks.transformer.settings import Settings
from netwright.runtime.kernels import native, products
from netwright.runtime.kernels.attention import SHORT, attention
from netwright.runtime.kernels.rows import rotary

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


def by_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "library", lambda: None)


@pytest.mark.compiled
@pytest.mark.parametrize("rows", [1, 3, 16])
@pytest.mark.parametrize("form", FORMS)
def test_a_text_goes_on_as_by_the_formula(form: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net = trunk(**FORMS[form])
    x = torch.randn(rows, 9, net.norm.weight.numel())
    lengths = [1 + row % 4 for row in range(rows)] if rows > 1 else None
    mine, memory = written(net, x, lengths)
    assert memory.room is not None
    by_formula(monkeypatch)
    theirs, kept = written(net, x, lengths)
    assert kept.room is None
    torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4)
    for pair, other in zip(memory.cache, kept.cache, strict=True):
        torch.testing.assert_close(pair, other, atol=2e-5, rtol=1e-4)


@pytest.mark.compiled
def test_a_whole_layer_learns_as_by_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in FORMS.values():
        net = trunk(depth=2, **form)
        x = torch.randn(2, 9, net.norm.weight.numel(), requires_grad=True)
        found = []
        for way in ("compiled", "formula"):
            if way == "formula":
                by_formula(monkeypatch)
            states = net.step(Memory(), Signal(x, "sequence"))[0].values
            found.append([states.detach(), *torch.autograd.grad(states.square().sum(), [x, *net.parameters()])])
        monkeypatch.undo()
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, atol=2e-5 * max(1.0, float(other.abs().max())), rtol=1e-4)


@pytest.mark.compiled
def test_bytes_are_read_as_the_floats_that_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    net = trunk(width=64, heads=4, biased=True)
    quantization.convert(net, "int8_weights")
    x = torch.randn(3, 9, 64)
    mine, memory = written(net, x)
    assert memory.room is not None
    with torch.no_grad():
        for owner in net.modules():
            for name, part in list(owner.named_children()):
                if isinstance(part, quantization.Map):
                    plain = nn.Linear(part.q.shape[1], part.q.shape[0], bias=part.bias is not None)
                    plain.weight.copy_(part.weight)
                    if part.bias is not None:
                        plain.bias.copy_(part.bias)
                    setattr(owner, name, plain)
    by_formula(monkeypatch)
    first, later = (slice(0, 1), slice(1, None))
    theirs, _ = written(net, x)
    torch.testing.assert_close(mine[:, later], theirs[:, later], atol=0.05, rtol=0.02)  # its past is of 16 bits
    assert not torch.equal(mine[:, first], theirs[:, first])


@pytest.mark.compiled
@pytest.mark.parametrize("form", FORMS)
def test_a_row_depends_neither_on_others_nor_on_threads(form: str) -> None:
    """Bit by bit, heads of any size: what a server answers does not depend on who else asks."""
    net = trunk(**FORMS[form])
    D = net.norm.weight.numel()
    x, past = torch.randn(11, 1, D), torch.randn(11, 6, D)
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


@pytest.mark.compiled
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


@pytest.mark.compiled
def test_what_learns_or_is_large_goes_through_the_formula() -> None:
    net = trunk(**FORMS["plain"])
    _, memory = net.step(Memory(), Signal(torch.randn(2, 3, 32), "sequence"))
    one = Signal(torch.randn(2, 1, 32), "sequence", position=torch.full((2, 1), 3))
    signal, after = net.step(memory, one)
    assert signal.values.requires_grad and after.room is None
    with torch.no_grad():
        many = Memory(None, tuple((k.repeat(9, 1, 1, 1), v.repeat(9, 1, 1, 1)) for k, v in memory.cache))
        assert net.step(many, Signal(one.values.repeat(9, 1, 1), "sequence", position=torch.full((18, 1), 3)))[1].room is None  # fmt: skip
        x, weight = torch.randn(2, 33), torch.randn(33, 33)
        assert products.linear.takes(x, weight) and not products.linear.takes(x, weight.T)  # laid otherwise in memory
        assert not products.linear.takes(torch.randn(products.FEW + 1, 33), weight)


@pytest.mark.compiled
def test_masks_that_are_added_other_counts_and_long_texts_are_torch_s_to_attend() -> None:
    q, k, v = (torch.randn(2, 4, 6, 8) for _ in range(3))
    takes = attention.takes
    assert takes(q, k, v, torch.ones(2, 1, 6, 6, dtype=torch.bool))
    assert not takes(q, k, v, torch.zeros(2, 1, 6, 6))  # added to the scores
    assert not takes(q[:, :, :3], k, v, causal=True)  # torch counts such keys from the first
    long = torch.zeros(1, 1, SHORT + 1, 8)
    assert not takes(long, long, long)
    assert not takes(q, k, v[..., :4])  # values of another size than keys


def test_what_sees_nothing_is_nothing_and_what_is_no_number_stays_so() -> None:
    q, k, v = (torch.randn(1, 1, count, 8) for count in (3, 20, 20))
    mask = torch.ones(1, 1, 3, 20, dtype=torch.bool)
    mask[0, 0, 1] = False
    q[0, 0, 2, 0] = torch.nan
    y = attention(q, k, v, mask)
    assert y[0, 0, 0].isfinite().all() and not y[0, 0, 1].any() and y[0, 0, 2].isnan().all()


def test_the_loss_of_a_sure_network_is_exact() -> None:
    sure = torch.full((1, 20), -200.0)
    sure[0, 3] = 200.0
    assert entropy(sure, torch.tensor([3]), 0.0).item() == 0 and entropy(sure, torch.tensor([4]), 0.0).item() == 400


def test_turning_keeps_lengths_and_tells_distances_alone() -> None:
    def turned(x: Tensor, place: int) -> Tensor:
        mixed = x[:, :, None].expand(1, 1, 3, 8)
        return rotary(mixed, *rotation(torch.tensor([[place]]), frequencies(8, 10_000.0), torch.float32), 1, 1)[0]

    q, k = torch.randn(1, 1, 8), torch.randn(1, 1, 8)
    torch.testing.assert_close(turned(q, 9).norm(), q.norm())
    near, far = ((turned(q, a) * turned(k, b)).sum() for a, b in ((3, 5), (103, 105)))
    torch.testing.assert_close(near, far, atol=1e-4, rtol=1e-4)


def test_where_they_are_missing_it_is_said_once_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "machinery", type("None", (), {"EXTENSION_SUFFIXES": [".none"]}))
    native.library.cache_clear()
    try:
        with listening(heard := []):
            assert native.library() is None and native.library() is None
    finally:
        native.library.cache_clear()
    assert [event.name for event in heard] == ["kernels.missing"]
    assert "native kernels unavailable, using PyTorch" in heard[0].text and "pip install" in heard[0].text


@pytest.mark.compiled
@pytest.mark.parametrize("level", ["base", "avx2", "avx512"])
def test_each_level_of_instructions_gives_the_same_numbers(level: str) -> None:
    """Of those that were compiled and that this processor has; in a process of its own."""
    order = ["base", "avx2", "avx512"]
    if order.index(level) > order.index(native.level()):
        pytest.skip("this processor lacks it")
    script = f"""
import sys; sys.path[:0] = {[str(Path(__file__).parents[2]), *sys.path]}
from netwright.runtime.kernels import native
native.level = lambda: {level!r}
from tests.parity import test_operations as tests
for name in tests.OPERATIONS:
    tests.test_compiled_code_gives_what_the_formula_gives(name, 2)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_steps_that_other_work_puts_off_are_taken_by_one_thread_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for each other work less than the time that passes; one that is no faster alone is not left so."""
    now, worked = [0.0], [0.0]
    monkeypatch.setattr(products.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(products.time, "process_time", lambda: worked[0])
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    pace, asked = products.Pace(), []

    def took(seconds: float, work: float) -> Callable[[int], None]:
        def step(threads: int) -> None:
            asked.append(threads)
            now[0] += seconds
            worked[0] += work

        return step

    for _ in range(3):
        pace.take(took(1.0, 2.0))
    assert asked == [2, 2, 2]
    pace.take(took(9.0, 10.0))
    for _ in range(products.ALONE):
        pace.take(took(1.5, 1.5))
    assert asked[3:] == [2, *[1] * products.ALONE] and pace.threads() == 2
    pace.take(took(3.0, 3.0))
    pace.take(took(3.5, 1.5))  # one thread is put off as well
    assert asked[-2:] == [2, 1] and pace.threads() == 2
