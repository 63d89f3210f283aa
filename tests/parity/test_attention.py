"""Networks of transformers answer and learn alike with our operations in them."""

from __future__ import annotations

import copy

import checkpoints
import pytest
import torch
from torch import Tensor

from netwright.nn.trunks.pretrained import parts
from netwright.runtime.kernels.attention import attention


def test_a_network_of_transformers_attends_by_our_operation(monkeypatch: pytest.MonkeyPatch) -> None:
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

    def seen(*given: Tensor, **named: bool) -> Tensor:
        nonlocal asked
        asked += 1
        return attention(*given, **named)  # type: ignore[arg-type]

    for lengths in ([9, 9, 9], [9, 4, 1]):
        real = torch.arange(9) < torch.tensor(lengths)[:, None]
        with torch.no_grad():
            monkeypatch.setattr(parts, "attention", seen)
            found = net(tokens, real, None)
            net.net.config._attn_implementation = "sdpa"
            wanted = net(tokens, real, None)
            net.net.config._attn_implementation = parts.NAME
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
    parts.replace_parts(ours)
    kinds = {type(part) for part in ours.modules()}
    assert {parts.Joined, parts.Widened} <= kinds
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
