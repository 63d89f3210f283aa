"""A checkpoint's weights as tensors, under the names that `netwright.nn.trunks.pretrained` gives them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.pretrained import gguf, plain

if TYPE_CHECKING:
    from torch import Tensor

    from netwright.pretrained.checkpoint import Checkpoint


def read(checkpoint: Checkpoint, *, writes: bool = False) -> dict[str, Tensor]:
    """Return a checkpoint's weights in float32; `writes`: with those that answer tokens. Raises `InputError` where files are damaged or weights are missing."""
    if checkpoint.layout == "llama":
        return _floats(_llama(checkpoint))
    if checkpoint.layout == "transformers":
        return _floats(_through_transformers(checkpoint, writes=writes))
    return _floats(plain.tensors(checkpoint.path))


def _llama(checkpoint: Checkpoint) -> dict[str, Tensor]:
    if checkpoint.path.suffix == ".gguf":
        found = gguf.weights(checkpoint)
    else:
        found = {}
        for file in checkpoint.files:
            try:
                found |= load_file(file)
            except (OSError, SafetensorError) as error:
                fix = "download the checkpoint again"
                raise InputError(Problem(str(file), f"this file is damaged: {error}", fix=fix)) from error
        # a bare LlamaModel has no `model.` before its names
        found = {name if name.startswith(("model.", "lm_head.")) else f"model.{name}": value for name, value in found.items()}  # fmt: skip
    if checkpoint.config.get("tie_word_embeddings"):
        found.pop("lm_head.weight", None)
    return found


def _through_transformers(checkpoint: Checkpoint, *, writes: bool) -> dict[str, Tensor]:
    import transformers

    path = checkpoint.path
    where = {"gguf_file": path.name} if path.is_file() else {"use_safetensors": True}
    form = (
        "AutoModel"
        if not writes
        else "AutoModelForCausalLM"
        if checkpoint.role == "decoder"
        else "AutoModelForSeq2SeqLM"
    )
    try:
        with quietly():
            model, info = getattr(transformers, form).from_pretrained(
                path.parent if path.is_file() else path, local_files_only=True, trust_remote_code=False,
                dtype=torch.float32, output_loading_info=True, **where,
            )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        why = str(error).splitlines()[0][:160]
        if "mismatched_sizes" in why:  # transformers' word for its own developers
            why = "they are not of the shapes that config.json tells"
        what = f"its weights cannot be loaded: {why}"
        raise InputError(Problem(str(path), what, fix="download the checkpoint again")) from error
    gone = [name for name in info["missing_keys"] if "pooler" not in name]
    if gone:
        what = f"lacks {len(gone)} of its network's weights, such as {sorted(gone)[0]}"
        raise InputError(Problem(str(path), what, allowed="all weights of the architecture that config.json names"))
    inner: Any = model.get_encoder() if checkpoint.role == "encoder_decoder" and not writes else model
    if info["missing_keys"]:
        say("notice", "pretrained.missing", f"{path}: {', '.join(sorted(info['missing_keys'])[:3])} are missing and keep their initial values")  # fmt: skip
    return dict(inner.state_dict())


def _floats(found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


@contextmanager
def quietly() -> Iterator[None]:
    """Within the block transformers' own notices and progress bars are not shown: what matters is said by events."""
    from transformers.utils import logging as theirs

    level, shown = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    logging.captureWarnings(False)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):  # the bar over a GGUF's tensors heeds no setting
            warnings.simplefilter("ignore")
            yield
    finally:
        theirs.set_verbosity(level)
        if shown:
            theirs.enable_progress_bar()
