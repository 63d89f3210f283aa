"""Where values of heads stand in memory, told to compiled code. B rows, h heads, T places of d values."""

from __future__ import annotations

import ctypes

from torch import Tensor


class Laid(ctypes.Structure):
    """Where values (B, h, T, d) stand, and how far their rows, heads and places lie apart."""

    _fields_ = [("at", ctypes.c_void_p), *((axis, ctypes.c_int64) for axis in "bht")]


def where(x: Tensor) -> Laid:
    """Return where the values of a tensor stand, whose last axis lies together."""
    return Laid(0 if x.is_meta else x.data_ptr(), *x.stride()[:3])


def together(x: Tensor) -> Tensor:
    """Return the tensor with the values of a head beside each other."""
    return x if x.stride(-1) == 1 else x.contiguous()
