"""The compiled kernels: the library that installing the package built, and how its functions are called.

Each function is compiled for several levels of instructions; the library says which of them this processor has.
"""

from __future__ import annotations

import ctypes
import functools
from importlib import machinery
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netwright.events import say

FIX = "install a C compiler and GCC's OpenMP, then install netwright again: pip install --force-reinstall --no-deps"


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels; None, which is said once, where they are missing or cannot be loaded."""
    places = [Path(__file__).with_name("_compiled" + suffix) for suffix in machinery.EXTENSION_SUFFIXES]
    why = "they were not built"
    for place in filter(Path.exists, places):
        try:
            found = ctypes.CDLL(str(place))
        except OSError as error:
            why = str(error)
            continue
        found.kernels_level.restype = ctypes.c_char_p
        return found
    say("notice", "kernels.missing", f"native kernels unavailable, using PyTorch: {why}; to have them, {FIX}")
    return None


@functools.cache
def level() -> str:
    """Return the level of instructions that is taken on this processor: base, avx2 or avx512."""
    found = library()
    return "" if found is None else found.kernels_level().decode()


def call(name: str, *given: Any, threads: int | None = None) -> None:
    """Call a compiled function with tensors' addresses, structures, whole and real numbers; the number of threads comes last.

    Tensors that only have a shape (torch's `meta` device, by which a compiler learns the shapes of results) are left as they are.
    """
    sent: list[Any] = []
    for part in given:
        if isinstance(part, Tensor):
            if part.is_meta:
                return
            sent.append(ctypes.c_void_p(part.data_ptr()))
        elif isinstance(part, int):
            sent.append(ctypes.c_int64(part))
        elif isinstance(part, float):
            sent.append(ctypes.c_float(part))
        else:
            sent.append(None if part is None else ctypes.byref(part))
    if _function(name)(*sent, ctypes.c_int64(threads or torch.get_num_threads())):
        raise MemoryError(name)


@functools.cache
def _function(name: str) -> Any:
    return getattr(library(), f"{name}_{level()}")


def address(tensor: Tensor | None) -> int | None:
    """Return where a tensor's values stand in memory; None for none."""
    return None if tensor is None else tensor.data_ptr()
