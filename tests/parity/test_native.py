"""A Transformer's maps in C are torch's: the same numbers, whatever the rows, the threads and the form of the weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.events import listening
from netwright.nn import quantization
from netwright.nn.heads.text.net import entropy
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.transformer import fused
from netwright.nn.trunks.transformer.net import Net, frequencies, rotation
from netwright.nn.trunks.transformer.settings import Settings
from netwright.runtime import kernels
from netwright.runtime.kernels import many

compiled = pytest.mark.skipif(kernels.library() is None, reason="no C compiler with OpenMP here")
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
    monkeypatch.setattr(kernels, "library", lambda: None)


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
    part = quantization.Map.of(weight, bias, "int8_weights")
    with torch.no_grad():
        for rows in range(1, kernels.FEW + 1):
            x = torch.randn(rows, inputs)
            found = kernels.product(x, weight, bias=bias)
            assert found is not None
            torch.testing.assert_close(found, x @ weight.T + bias, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(part(x), x @ part.weight.T + bias, atol=1e-4, rtol=1e-4)
        assert kernels.product(torch.randn(kernels.FEW + 1, inputs), weight) is None
        assert kernels.product(torch.randn(2, inputs).double(), weight.double()) is None
        assert kernels.product(torch.randn(2, 33), weight.T) is None or inputs == 1  # laid otherwise in memory


@pytest.mark.parametrize("compiler", ["none", "false", "wrong"])
def test_without_a_compiler_torch_does_it_and_it_is_said(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No compiler; one that fails; one whose code answers wrongly. Nothing half made is kept."""
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kernels, "COMPILERS", ())
    monkeypatch.setenv("CC", "" if compiler == "none" else "false")
    if compiler != "none" and shutil.which({"false": "false", "wrong": "cc"}[compiler]) is None:
        pytest.skip("no such program here")
    if compiler == "wrong":
        monkeypatch.setenv("CC", "cc")
        monkeypatch.setattr(kernels, "TRIAL", "raise SystemExit('answers wrongly')")
    kernels.library.cache_clear()
    try:
        with listening(heard := []):
            assert kernels.library() is None
    finally:
        kernels.library.cache_clear()
    wanted = {"none": "no C compiler", "false": "false", "wrong": "answers wrongly"}[compiler]
    assert [event.name for event in heard] == ["native.none"] and wanted in heard[0].text
    assert not list(tmp_path.rglob("*maps*"))


@compiled
def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path))
    try:
        for said in (["native.made"], []):
            kernels.library.cache_clear()
            with listening(heard := []):
                assert kernels.library() is not None
            assert [event.name for event in heard] == said
    finally:
        monkeypatch.undo()
        kernels.library.cache_clear()


def both(work: Callable[[], list[Tensor]], given: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """What C and torch give and the gradients of what they were given are alike."""
    found: list[list[Tensor]] = []
    for way in ("c", "torch"):
        if way == "torch":
            by_torch(monkeypatch)
        for tensor in given:
            tensor.grad = None
        out = work()
        random = torch.Generator().manual_seed(1)
        sum((part * torch.randn(part.shape, generator=random)).sum() for part in out).backward()  # type: ignore[union-attr]
        found.append(
            [part.detach() for part in out] + [tensor.grad.clone() for tensor in given if tensor.grad is not None]
        )
    monkeypatch.undo()
    assert len(found[0]) == len(found[1]) > len(given)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5 * max(1.0, float(other.abs().max())), rtol=1e-4)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@compiled
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (3, 7), (65, 16), (130, 33), (700, 130)])
def test_norms_sums_and_swiglu_are_torchs_forward_and_backward(
    rows: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    norm = fused.RMSNorm(width, 1e-5)
    norm.weight.data.normal_()
    x, more, wide = drawn(2, rows, width), drawn(2, rows, width, seed=1), drawn(rows, 2 * width, seed=2)
    both(lambda: [norm(x)], [x, norm.weight], monkeypatch)
    both(lambda: list(fused.added(x, more, norm)), [x, more, norm.weight], monkeypatch)
    both(lambda: [fused.swiglu(10 * wide)], [wide], monkeypatch)


@compiled
@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize(("h", "k", "d"), [(4, 4, 8), (6, 2, 34), (2, 1, 64)])
def test_turning_is_torchs_however_the_gradients_are_laid(
    h: int, k: int, d: int, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = drawn(3, 40, h + 2 * k, d)
    turn = rotation(torch.randint(0, 90, (places, 40)), frequencies(d, 10_000.0), torch.float32)
    both(lambda: list(fused.parted(x, turn, h, k)), [x], monkeypatch)
    both(lambda: [part.transpose(1, 2).reshape(3, 40, -1) for part in fused.parted(x, turn, h, k)], [x], monkeypatch)


@compiled
@pytest.mark.parametrize(("rows", "tokens"), [(1, 2), (5, 17), (300, 100)])
def test_the_loss_of_tokens_is_torchs(rows: int, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large logits as well: nothing overflows."""
    x, truth = drawn(rows, tokens), torch.randint(0, tokens, (rows,))
    for times in (1.0, 60.0):
        both(lambda: [entropy(times * x, truth, 0.0)], [x], monkeypatch)  # noqa: B023
    sure = torch.full((1, 20), -200.0)
    sure[0, 3] = 200.0
    assert entropy(sure, torch.tensor([3]), 0.0).item() == 0 and entropy(sure, torch.tensor([4]), 0.0).item() == 400


@compiled
def test_sums_over_rows_do_not_depend_on_threads() -> None:
    """Bit by bit: a resumed training goes on with the same weights wherever it goes on."""
    x, weight, given = drawn(700, 130).detach(), torch.randn(130), drawn(700, 130, seed=1).detach()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y, scale = many.do.norm(x, weight, 1e-6)
            found.append([y, *many.do.norm_back(given, None, x, weight, scale)])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@compiled
def test_a_whole_layer_learns_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in FORMS.values():
        net = trunk(depth=2, **form)
        x = drawn(2, 9, net.norm.weight.numel())
        both(lambda: [net.step(Memory(), Signal(x, "sequence"))[0].values], [x, *net.parameters()], monkeypatch)  # noqa: B023


@compiled
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 33), (200, 384)])
def test_a_biased_gelu_and_a_layer_norm_of_a_sum_are_torch_s(shape: tuple[int, ...], threads: int) -> None:
    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, requires_grad=True)

    torch.manual_seed(0)
    x, more, (bias, weight, beta) = leaf(*shape), leaf(*shape), (leaf(shape[-1]) for _ in range(3))
    given, before = torch.randn(shape), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for ours, theirs, needed in (
            (many.Layer.apply(x, bias, more, weight, beta, 1e-12), F.layer_norm(x + bias + more, shape[-1:], weight, beta, 1e-12), [x, bias, more, weight, beta]),
            (many.GELU.apply(3 * x, bias), F.gelu(3 * x + bias), [x, bias]),
            (many.GELU.apply(3 * x, None), F.gelu(3 * x), [x]),
        ):  # fmt: skip
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
            for mine, its in zip(torch.autograd.grad(ours, needed, given), torch.autograd.grad(theirs, needed, given), strict=True):  # fmt: skip
                torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-4)
    finally:
        torch.set_num_threads(before)
    with torch.no_grad():  # nothing is kept, and the answer is the same
        still = many.Layer.apply(x, bias, more, weight, beta, 1e-12)
    assert torch.equal(still, many.Layer.apply(x, bias, more, weight, beta, 1e-12).detach())


@compiled
def test_operations_are_the_formulas_that_a_compiler_sees() -> None:
    x, w, given = drawn(5, 12, seed=3).detach(), torch.randn(12), drawn(5, 12, seed=4).detach()
    scale = many.do.norm(x, w, 1e-6)[1]
    laid = torch.randn(2, 7, 4, 6)
    turn = rotation(torch.arange(7)[None], frequencies(6, 10_000.0), torch.float32)
    q, k, v = many.do.part(laid, *turn, 2, 1)
    tokens = torch.randint(0, 12, (5,))
    losses, logs = many.do.entropy(x, tokens)
    asked: dict[str, tuple[Any, ...]] = {
        "norm": (x, w, 1e-6), "added": (x, given, w, 1e-6), "norm_back": (given, given, x, w, scale), "swiglu": (x,),
        "swiglu_back": (given[:, :6], x), "part": (laid, *turn, 2, 1), "part_back": (q, k, v, *turn), "entropy": (x, tokens),
        "entropy_back": (losses, x, tokens, logs), "gelu": (3 * x, w, True), "gelu_back": (given, x, True),
        "layer": (x, w, given, w, 2 * w, 1e-6, True), "layer_back": (given, *many.do.layer(x, w, given, w, w, 1e-6, True)[1:2], w, scale),
    }  # fmt: skip
    known = {str(op).split(".")[1] for op in many.FORMULAS} - {"attend", "attend_back"}  # of `test_attention`
    assert known == set(asked)
    for op, formula in many.FORMULAS.items():
        if str(op).split(".")[1] not in known:
            continue
        values = asked[str(op).split(".")[1]]
        copies = [[part.clone() if isinstance(part, Tensor) else part for part in values] for _ in range(2)]
        torch.testing.assert_close(op(*copies[0]), formula(*copies[1]), atol=1e-5, rtol=1e-4)


def test_steps_that_other_work_puts_off_are_taken_by_one_thread_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for each other work less than the time that passes; one that is no faster alone is not left so."""
    now, worked = [0.0], [0.0]
    monkeypatch.setattr(kernels.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(kernels.time, "process_time", lambda: worked[0])
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    pace, asked = kernels.Pace(), []

    def took(seconds: float, work: float) -> Callable[[int], int]:
        def step(threads: int) -> int:
            asked.append(threads)
            now[0] += seconds
            worked[0] += work
            return 0

        return step

    for _ in range(3):
        pace.take(took(1.0, 2.0))
    assert asked == [2, 2, 2]
    pace.take(took(9.0, 10.0))
    for _ in range(kernels.ALONE):
        pace.take(took(1.5, 1.5))
    assert asked[3:] == [2, *[1] * kernels.ALONE] and pace.threads() == 2
    pace.take(took(3.0, 3.0))
    pace.take(took(3.5, 1.5))  # one thread is put off as well
    assert asked[-2:] == [2, 1] and pace.threads() == 2
