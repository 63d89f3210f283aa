"""Attention in C is torch's: answers, gradients, masks, heads that share keys, layouts."""

from __future__ import annotations

import copy
from pathlib import Path

import checkpoints
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.nn.trunks.pretrained import in_c
from netwright.runtime import kernels
from netwright.runtime.kernels import attention, many

pytestmark = pytest.mark.skipif(kernels.library() is None, reason="no C compiler with OpenMP here")
CASES = {  # rows, heads of queries and of keys, queries, keys, values of a head, whether causal
    "short": (3, 4, 4, 7, 7, 8, False),
    "causal": (2, 4, 4, 33, 33, 16, True),
    "shared keys": (2, 6, 2, 40, 40, 20, True),
    "crossed": (2, 3, 3, 5, 130, 34, False),
    "long": (1, 2, 1, 256, 256, 64, True),
    "one key": (2, 2, 2, 3, 1, 4, False),
}


def parts(B: int, H: int, K: int, N: int, P: int, d: int) -> list[Tensor]:
    """Queries, keys and values as a network lays them out: heads beside each other."""
    torch.manual_seed(0)
    return [
        torch.randn(B, count, heads, d).transpose(1, 2).requires_grad_() for heads, count in ((H, N), (K, P), (K, P))
    ]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("name", CASES)
def test_answers_and_gradients_are_torch_s(name: str, masked: bool, threads: int) -> None:
    B, H, K, N, P, d, causal = CASES[name]
    q, k, v = parts(B, H, K, N, P, d)
    mask = None
    if masked:
        mask = torch.rand(B, 1, N, P) > 0.4
        mask[..., 0] = True
        causal = False
    assert attention.takes(q, k, v, mask, causal=causal)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = attention.attended(q, k, v, mask, causal=causal)
        theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=H != K)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        given = torch.randn_like(theirs)
        for mine, its in zip(
            torch.autograd.grad(ours, (q, k, v), given), torch.autograd.grad(theirs, (q, k, v), given), strict=True
        ):
            torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            assert torch.equal(attention.attended(q, k, v, mask, causal=causal), ours)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", CASES)
def test_a_compiler_sees_the_same(name: str) -> None:
    B, H, K, N, P, d, causal = CASES[name]
    q, k, v = (part.detach() for part in parts(B, H, K, N, P, d))
    do = torch.ops.netwright
    y, shares = do.attend(q, k, v, None, causal, 0.3, True)
    for mine, formula in zip(
        (y, shares), many.FORMULAS[do.attend.default](q, k, v, None, causal, 0.3, True), strict=True
    ):
        torch.testing.assert_close(mine, formula, rtol=1e-5, atol=1e-5)
    formula = many.FORMULAS[do.attend.default](q, k, v, None, causal, 0.3, True)[0]
    assert (
        y.transpose(1, 2).is_contiguous() and formula.transpose(1, 2).is_contiguous()
    )  # so that views of both are alike
    given = torch.randn_like(y)
    theirs = many.FORMULAS[do.attend_back.default](given, q, k, v, shares, 0.3)
    for mine, formula in zip(do.attend_back(given, q, k, v, shares, 0.3), theirs, strict=True):
        torch.testing.assert_close(mine, formula, rtol=1e-4, atol=1e-5)
        assert mine.transpose(1, 2).is_contiguous() and formula.transpose(1, 2).is_contiguous()


def test_what_sees_nothing_is_nothing_and_what_is_no_number_stays_so() -> None:
    q, k, v = (part.detach() for part in parts(1, 1, 1, 3, 20, 8))
    mask = torch.ones(1, 1, 3, 20, dtype=torch.bool)
    mask[0, 0, 1] = False
    q[0, 0, 2, 0] = torch.nan
    y = attention.attended(q, k, v, mask, causal=False)
    assert y[0, 0, 0].isfinite().all() and not y[0, 0, 1].any() and y[0, 0, 2].isnan().all()


def test_others_are_left_to_torch() -> None:
    q, k, v = parts(2, 4, 4, 6, 6, 8)
    assert attention.takes(q, k, v, torch.ones(2, 1, 6, 6, dtype=torch.bool), causal=False)
    assert not attention.takes(q, k, v, torch.zeros(2, 1, 6, 6), causal=False)  # added to the scores
    assert not attention.takes(q.double(), k.double(), v.double(), None, causal=False)
    assert not attention.takes(q[:, :, :3], k, v, None, causal=True)  # torch counts such keys from the first
    long = torch.zeros(1, 1, attention.SHORT + 1, 8)
    assert not attention.takes(long, long, long, None, causal=False)
    assert not attention.takes(q, k, v[..., :4], None, causal=False)  # values of another size than keys


def test_a_network_of_transformers_asks_c(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Padded and not, the states are those that transformers' own attention gives."""
    from netwright.nn.trunks.pretrained.inner import Theirs

    config = {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 50,
    }
    torch.manual_seed(0)
    net = Theirs("encoder", config).eval()
    tokens = torch.randint(0, 50, (3, 9))
    asked = 0
    ours = attention.attended

    def seen(*given: Tensor, **named: bool) -> Tensor:
        nonlocal asked
        asked += 1
        return ours(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(attention, "attended", seen)
    for lengths in ([9, 9, 9], [9, 4, 1]):
        real = torch.arange(9) < torch.tensor(lengths)[:, None]
        with torch.no_grad():
            found = net(tokens, real, None)
            monkeypatch.setattr(attention, "takes", lambda *_, **__: False)
            wanted = net(tokens, real, None)
            monkeypatch.undo()
            monkeypatch.setattr(attention, "attended", seen)
        torch.testing.assert_close(found[real], wanted[real], rtol=1e-5, atol=1e-5)
    assert asked == 4


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "deberta-v2"])
def test_layers_of_transformers_answer_and_learn_alike(architecture: str) -> None:
    """Maps with their GELU, and sums with their norm, are one operation each; names and weights stay, also with LoRA in them."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    theirs = AutoModel.from_config(AutoConfig.for_model(architecture, **checkpoints.TEXTS[architecture])).eval()
    for name, weight in theirs.named_parameters():  # biases begin at 0, and would hide their place
        if "bias" in name or "LayerNorm" in name:
            torch.nn.init.normal_(weight, 0.5, 0.2)
    ours = copy.deepcopy(theirs)
    in_c.by_c(ours)
    kinds = {type(part) for part in ours.modules()}
    assert {in_c.Joined, in_c.Widened} <= kinds
    assert list(ours.state_dict()) == list(theirs.state_dict())
    tokens = torch.randint(3, 300, (4, 11))

    def learnt(net: torch.nn.Module) -> tuple[Tensor, list[Tensor]]:
        states = net(input_ids=tokens).last_hidden_state
        weights = [weight for name, weight in net.named_parameters() if "pooler" not in name]
        return states, list(torch.autograd.grad(states.square().sum(), weights))

    torch.testing.assert_close(learnt(ours), learnt(theirs), rtol=1e-3, atol=1e-4)
    silent = copy.deepcopy(ours).train()  # dropout between the map and the sum: as transformers does it
    torch.manual_seed(1)
    dropped = silent(input_ids=tokens).last_hidden_state
    torch.manual_seed(1)
    torch.testing.assert_close(dropped, copy.deepcopy(theirs).train()(input_ids=tokens).last_hidden_state, rtol=1e-3, atol=1e-4)  # fmt: skip
