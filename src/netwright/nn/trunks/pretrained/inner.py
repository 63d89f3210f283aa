"""The networks that checkpoints fill: those of transformers, netwright's own for Llama's layout, and plain convnets.

B rows, T tokens, D width.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import longest
from netwright.nn.trunks.pretrained import lite, resnet
from netwright.nn.trunks.pretrained.parts import replace_parts
from netwright.nn.trunks.pretrained.settings import of_llama
from netwright.nn.trunks.transformer.llama import taken
from netwright.nn.trunks.transformer.net import Net as Transformer
from netwright.pretrained import Layout, Role

DROPS = re.compile(r"drop(out)?(_prob|_rate|$)|pdrop$|_dropout")
USUAL = {  # those that a configuration leaves out where they are the architecture's default
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "electra", "camembert", "deberta-v2", "mpnet", "xlm"), ("hidden_dropout_prob", "attention_probs_dropout_prob")),
    "distilbert": ("dropout", "attention_dropout"), "gpt2": ("resid_pdrop", "embd_pdrop", "attn_pdrop"), "t5": ("dropout_rate",),
    "mt5": ("dropout_rate",), "bart": ("dropout", "attention_dropout", "activation_dropout"), "marian": ("dropout", "attention_dropout", "activation_dropout"),
}  # fmt: skip


class Inner(nn.Module):
    """What a checkpoint fills: a network of some `width`."""

    width: int

    @property
    def blocks(self) -> list[nn.Module]:
        """Its blocks, first to last: the longest list of them."""
        return longest(self)

    def take(self, state: dict[str, Tensor]) -> None:
        """Give it a checkpoint's weights; what once answered its own classes is left out."""
        raise NotImplementedError


class Encoder(Inner):
    """Tokens (B, T), which of them are real (B, T), and which are of a second text -> states (B, T, D)."""

    def vectors(self) -> Tensor:
        """(V, D) the vectors of its tokens."""
        raise NotImplementedError


class Theirs(Encoder):
    """A network of transformers. Of an encoder–decoder the encoder alone."""

    def __init__(self, role: Role, config: dict[str, Any]) -> None:
        super().__init__()
        from transformers import AutoModel

        whole: Any = AutoModel.from_config(configured(config))
        self.net: Any = whole.get_encoder() if role == "encoder_decoder" else whole
        if isinstance(getattr(self.net, "pooler", None), nn.Module):  # states are pooled behind it
            self.net.pooler = None
        replace_parts(self.net)
        self.typed = "token_type_ids" in self.net.forward.__code__.co_varnames[: self.net.forward.__code__.co_argcount] or config.get("type_vocab_size", 0) > 1  # fmt: skip
        self.caches = role == "decoder"
        found = self.net.config
        self.width = int(getattr(found, "hidden_size", None) or found.d_model)

    def vectors(self) -> Tensor:
        return self.net.get_input_embeddings().weight

    def forward(self, tokens: Tensor, real: Tensor, second: Tensor | None) -> Tensor:
        more: dict[str, Any] = {"token_type_ids": second} if second is not None and self.typed else {}
        if self.caches:
            more["use_cache"] = False
        mask = None if not torch.compiler.is_exporting() and bool(real.all()) else real.long()
        return self.net(input_ids=tokens, attention_mask=mask, **more).last_hidden_state

    def take(self, state: dict[str, Tensor]) -> None:
        self.net.load_state_dict({name: value for name, value in state.items() if name in self.net.state_dict()}, strict=False)  # fmt: skip


class Llama(Encoder):
    """Llama's layout, by netwright's own transformer: each token sees those before it."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.trunk = Transformer(of_llama(config), [], 0)
        self.table = nn.Embedding(int(config["vocab_size"]), int(config["hidden_size"]))
        self.depth, self.width = int(config["num_hidden_layers"]), int(config["hidden_size"])

    def vectors(self) -> Tensor:
        return self.table.weight

    def forward(self, tokens: Tensor, real: Tensor, second: Tensor | None) -> Tensor:
        # padding stands behind: nothing real sees it
        signal, _ = self.trunk.step(Memory(), Signal(self.table(tokens), "sequence"))
        return signal.values

    def take(self, state: dict[str, Tensor]) -> None:
        found = taken(state, self.depth, "x")
        self.table.weight.data.copy_(found.pop("heads.x.table.weight"))
        found.pop("heads.x.readout.weight", None)
        self.trunk.load_state_dict({name.removeprefix("trunk."): value for name, value in found.items()})


class Eye(Inner):
    """Images (B, C, H, W) -> vectors (B, D)."""


class TheirEye(Eye):
    """A network of transformers that reads images: its pooled states."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        from transformers import AutoModel

        self.net: Any = AutoModel.from_config(configured(config))
        replace_parts(self.net)
        found = self.net.config
        sizes = getattr(found, "hidden_sizes", None)
        self.width = int(sizes[-1] if sizes and getattr(found, "model_type", "") not in ("vit",) else found.hidden_size if hasattr(found, "hidden_size") else found.hidden_dim)  # fmt: skip

    def forward(self, pixels: Tensor) -> Tensor:
        states = self.net(pixel_values=pixels).last_hidden_state
        if states.ndim == 4:
            return states.mean((2, 3))
        first = getattr(self.net.config, "model_type", "") in ("vit", "deit", "beit", "dinov2", "vit_msn", "vit_mae", "dinov3_vit")  # fmt: skip
        return states[:, 0] if first else states.mean(1)

    def take(self, state: dict[str, Tensor]) -> None:
        self.net.load_state_dict({name: value for name, value in state.items() if name in self.net.state_dict()}, strict=False)  # fmt: skip


class Plain(Eye):
    """A known convnet with the names of its published weights."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net, self.width = net, net.width

    @property
    def blocks(self) -> list[nn.Module]:
        return list(self.net.blocks)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.net(pixels)

    def take(self, state: dict[str, Tensor]) -> None:
        own = self.net.state_dict()
        self.net.load_state_dict({name: value for name, value in state.items() if name in own})


def built(layout: Layout, role: Role, config: dict[str, Any]) -> Encoder | Eye:
    """Return the untrained network that a checkpoint of this layout fills."""
    if layout == "llama":
        return Llama(config)
    if layout == "transformers":
        return TheirEye(config) if role == "vision" else Theirs(role, config)
    return Plain(lite.Net() if layout == "efficientnet_lite0" else resnet.Net(int(layout.removeprefix("resnet"))))


def silenced(config: dict[str, Any], share: float) -> dict[str, Any]:
    """Return a configuration whose every dropout silences this share."""
    names = [name for name, value in config.items() if isinstance(value, int | float) and not isinstance(value, bool) and DROPS.search(name)]  # fmt: skip
    own = dict.fromkeys((*USUAL.get(config.get("model_type", ""), ()), *names), share)
    return {**config, **own}


def configured(config: dict[str, Any]) -> Any:
    """Return transformers' configuration object of a config.json's values."""
    from transformers import AutoConfig

    values = {name: value for name, value in config.items() if name not in ("model_type", "architectures", "transformers_version", "_name_or_path", "torch_dtype", "dtype", "auto_map")}  # fmt: skip
    return AutoConfig.for_model(config["model_type"], **values)
