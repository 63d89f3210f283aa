"""Checkpoints: one safetensors file holds a whole training, bit for bit, and no pickle.

A tree of dicts, lists, numbers and tensors is kept as its tensors and a JSON text that says where each belongs.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from netwright.errors import InputError, Problem
from netwright.runtime.run import replacing

_TENSOR, _LIST, _KEYS, _FLOAT = "$tensor", "$list", "$keys", "$float"


def save(path: Path, tree: dict[str, Any]) -> None:
    """Write a tree to a file, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(tree, tensors))
    write(path, tensors, {"tree": text})


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors to a file, whole or not at all. Raises `InputError` where there is no room."""
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: Path) -> dict[str, Any]:
    """Read a tree back. Raises `InputError` where the file is not one of ours or is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})["tree"]
            # a copy begins on a 64-byte boundary, as a tensor that torch makes: on some processors a product's last
            # bit depends on where its operands begin, and a resumed training is to have the bits of one never stopped
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            Problem(
                str(path),
                f"this checkpoint is damaged: {error}",
                fix="delete it and resume again; training starts over",
            )
        ) from error
    return _unpacked(json.loads(text), tensors)


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # a clone: safetensors refuses tensors that share memory
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: name}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _packed(item, tensors) for key, item in value.items()}
        return {_KEYS: [[key, _packed(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {_LIST: [_packed(item, tensors) for item in value]}
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(value)}
    assert value is None or isinstance(value, bool | int | float | str), f"cannot be kept: {type(value)}"
    return value


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    if _LIST in value:
        return [_unpacked(item, tensors) for item in value[_LIST]]
    if _KEYS in value:
        return {key: _unpacked(item, tensors) for key, item in value[_KEYS]}
    if _FLOAT in value:
        return float(value[_FLOAT])
    return {key: _unpacked(item, tensors) for key, item in value.items()}


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's random generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random(state: dict[str, Tensor], device: torch.device) -> None:
    """Set torch's random generators to a state."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
