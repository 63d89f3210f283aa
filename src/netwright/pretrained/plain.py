"""Plain weights of known convnets: a file of tensors whose names tell which network it is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright.errors import InputError, Problem
from netwright.pretrained.checkpoint import Checkpoint, Sight
from netwright.pretrained.layouts import IMAGENET

LITE = ((127 / 255,) * 3, (128 / 255,) * 3)  # (x - 127) / 128, as EfficientNet-lite was trained
KNOWN = {"_conv_head.weight": "efficientnet_lite0", "layer4.1.conv2.weight": "resnet18", "layer4.2.conv3.weight": "resnet50"}  # fmt: skip


def opened(place: Path) -> Checkpoint:
    """Return the checkpoint of one file of weights. Raises `InputError` where its names are no known network's."""
    shapes = {name: tuple(value.shape) for name, value in tensors(place).items()}
    layout: Any = next((KNOWN[name] for name in reversed(KNOWN) if name in shapes), None)
    if layout == "resnet18" and "layer4.2.conv2.weight" in shapes:  # deeper ones share its names
        layout = None
    if layout == "resnet50" and len([name for name in shapes if name.startswith("layer3.") and name.endswith("conv3.weight")]) != 6:  # fmt: skip
        layout = None
    if layout is None:
        first = ", ".join(list(shapes)[:3])
        what = f"its weights ({first} ...) belong to no network known here"
        raise InputError(Problem(str(place), what, allowed="EfficientNet-lite0, ResNet-18, ResNet-50, or a Hugging Face folder"))  # fmt: skip
    sight = Sight(224, *(LITE if layout == "efficientnet_lite0" else IMAGENET))
    return Checkpoint(path=place, layout=layout, role="vision", config={}, files=(place,), sight=sight)


def tensors(place: Path) -> dict[str, Any]:
    """Return a file's tensors. A pickle is read as bare tensors alone: what else it holds is refused."""
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: Any = load_file(place) if place.suffix == ".safetensors" else torch.load(place, map_location="cpu", weights_only=True)  # fmt: skip
    except (
        pickle.UnpicklingError, RuntimeError, OSError, SafetensorError, EOFError, ValueError, KeyError, IndexError,
        AttributeError, TypeError,
    ) as error:  # fmt: skip
        what = f"cannot be read as bare tensors: {next(iter(str(error).splitlines()), type(error).__name__)[:160]}"
        raise InputError(Problem(str(place), what, allowed="a file of tensors by name")) from error
    for inner in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(inner), dict):
            found = found[inner]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(Problem(str(place), "holds no tensors by name", allowed="a file of tensors by name"))
    return {name.removeprefix("module."): value for name, value in found.items()}
