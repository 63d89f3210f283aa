"""Checkpoints of transformers that write: decoders after a prompt, encoder-decoders after what they read.

The whole network is the checkpoint's, with its own table of tokens and its own answer: what it makes of them (scales, biases,
soft caps) differs by architecture. So tokens come as numbers, and logits leave. B rows, T tokens, V tokens to choose from,
P inputs' tokens.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netwright.errors import InputError, Problem
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.pretrained.inner import configured, silenced
from netwright.nn.trunks.pretrained.net import joined
from netwright.nn.trunks.pretrained.settings import Settings, told_marks

Layers = tuple[tuple[Tensor, Tensor], ...]


class Net(Trunk):
    """A language model of transformers. Of an encoder-decoder `read` is the encoder, which sees all texts of a row as one."""

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

        s = settings
        assert s.config is not None and s.role
        config = s.config if s.inner_dropout is None else silenced(s.config, s.inner_dropout)
        self.reads, self.most, self.marks = s.role == "encoder_decoder", s.length or 512, told_marks(s.marks)
        form: Any = AutoModelForSeq2SeqLM if self.reads else AutoModelForCausalLM
        self.net: Any = form.from_config(configured(config))
        if getattr(self.net, "_is_stateful", False):
            what = f"a {s.config.get('model_type')} keeps no keys and values to go on from"
            raise InputError(Problem(s.start or "model", what, allowed="an architecture of attention"))
        self.placed = "position_ids" in inspect.signature(self.net.forward).parameters
        self.out = Shape("sequence", int(self.net.config.vocab_size))
        self._register_state_dict_hook(_without_twins)
        self.register_load_state_dict_pre_hook(_with_twins)

    @property
    def body(self) -> nn.Module:
        return self.net

    @property
    def spared(self) -> tuple[nn.Module, ...]:
        found = self.net.get_output_embeddings()
        return () if found is None else (found,)

    @property
    def seen(self) -> int:
        return int(self.net.config.num_hidden_layers) if self.reads else 0

    def take(self, state: dict[str, Tensor]) -> None:
        """Give it a checkpoint's weights."""
        self.net.load_state_dict(state)

    def read(self, signals: Sequence[Signal]) -> Memory:
        if not self.reads:
            return Memory()
        tokens, real, _, _ = joined(signals, self.marks, self.most)
        states = self.net.get_encoder()(input_ids=tokens, attention_mask=real.long()).last_hidden_state
        return Memory(Signal(states, "sequence", document=torch.where(real, 0, -1)))

    def step(self, memory: Memory, stimulus: Signal | None = None) -> tuple[Signal, Memory]:
        if stimulus is None:
            return super().step(memory)
        past, tokens = memory.cache, stimulus.values
        keeps = not torch.is_grad_enabled()
        document, mask = self._document(memory, stimulus, past)
        cache: Any = self._cache(past) if keeps else None
        if self.reads:
            logits = self._after_reading(memory, tokens, mask, cache)
        else:
            more: dict[str, Any] = {"position_ids": stimulus.positions().clamp(min=0)} if self.placed else {}
            logits = self.net(
                input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=keeps, **more
            ).logits
        after = Memory(memory.inputs, self._layers(cache), document) if keeps else Memory(memory.inputs)
        return Signal(logits, "sequence", position=stimulus.position, document=stimulus.document), after

    def _after_reading(self, memory: Memory, tokens: Tensor, mask: Tensor | None, cache: Any) -> Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        assert memory.inputs is not None
        return self.net(
            encoder_outputs=BaseModelOutput(last_hidden_state=memory.inputs.values),  # type: ignore[arg-type]
            attention_mask=(memory.inputs.documents() >= 0).long(), decoder_input_ids=tokens, decoder_attention_mask=mask,
            past_key_values=cache, use_cache=cache is not None,
        ).logits  # fmt: skip

    def _document(self, memory: Memory, stimulus: Signal, past: Layers) -> tuple[Tensor | None, Tensor | None]:
        """Which elements, past ones first, are of a document, and the same as a mask: None where none is padding."""
        if stimulus.document is None and memory.document is None:
            return None, None
        document = stimulus.documents()
        length = past[-1][0].shape[2] if past else 0
        if length:
            before = document.new_zeros(len(document), length) if memory.document is None else memory.document
            document = torch.cat([before, document], 1)
        return document, (document >= 0).long()

    def _cache(self, past: Layers) -> Any:
        from transformers import DynamicCache, EncoderDecoderCache

        if not self.reads:
            return DynamicCache(past or None)
        seen, own = past[: self.seen], past[self.seen :]
        return EncoderDecoderCache(DynamicCache(own or None), DynamicCache(seen or None))

    def _layers(self, cache: Any) -> Layers:
        caches = (cache.cross_attention_cache, cache.self_attention_cache) if self.reads else (cache,)
        return tuple((layer.keys, layer.values) for one in caches for layer in one.layers)


def twins(net: nn.Module) -> dict[str, str]:
    """Return the names of weights that are others under a second name, by that name.

    >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    >>> net[1].weight = net[0].weight
    >>> twins(net)
    {'1.weight': '0.weight'}
    """
    first: dict[int, str] = {}
    out: dict[str, str] = {}
    for name, weight in net.named_parameters(remove_duplicate=False):
        if first.setdefault(id(weight), name) != name:
            out[name] = first[id(weight)]
    return out


def _without_twins(module: Any, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """A file holds each weight once."""
    for name in twins(module.net):
        state.pop(f"{prefix}net.{name}", None)


def _with_twins(module: Any, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    for name, other in twins(module.net).items():
        if f"{prefix}net.{other}" in state:
            state.setdefault(f"{prefix}net.{name}", state[f"{prefix}net.{other}"])
