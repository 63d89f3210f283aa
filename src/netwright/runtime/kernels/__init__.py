"""A Transformer's maps in C, compiled for this processor on its first use and kept in the cache folder.

`few.c`: while a token is written each map has a row or a few: calling torch's operations, and the order in which they read
the weights, took as long as the reading. `many.c`: norms, turning by place, SwiGLU and the loss of many rows, each in one
pass over memory where torch takes several (docs/dev/log.md). Floats of 32 bits throughout; 8-bit weights are made floats as
they are read. Without a C compiler with OpenMP all is done by torch, which is said. B rows, O outputs, I inputs.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from netwright.errors import InputError
from netwright.events import say
from netwright.runtime import cache, cpu
from netwright.runtime.run import replacing

FEW = 16  # rows up to which this is faster than torch's products (docs/dev/log.md)
BUSY = 0.75  # of the time that its threads could have worked: less, and a step was hindered by other work
ALONE = 32  # steps that are then taken by one thread
SECONDS = 120  # that the compiler may take
COMPILERS = ("cc", "gcc", "clang")
SOURCES, HEADER = ("few.c", "many.c", "step.c", "attend.c"), "lanes.h"
# in a process of its own, since a compiler may know instructions that end who uses them
TRIAL = """
import ctypes, sys
few = ctypes.CDLL(sys.argv[1])
class Map(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("weight", "scale", "bias")] + [("O", ctypes.c_int64), ("I", ctypes.c_int64)]
O, I, B = 33, 67, 11
w, x = [(3 * i) % 17 - 8 for i in range(O * I)], [(5 * i) % 13 - 6 for i in range(B * I)]
one = lambda kind, values: (kind * len(values))(*values)
for kind, scale in ((ctypes.c_float, None), (ctypes.c_int8, one(ctypes.c_uint16, [0x4000] * O))):
    weight, y = one(kind, w), (ctypes.c_float * (B * O))()
    asked = Map(ctypes.addressof(weight), scale and ctypes.addressof(scale), None, O, I)
    few.few_product(ctypes.byref(asked), one(ctypes.c_float, x), y, ctypes.c_int64(B), ctypes.c_int64(2))
    for b in range(B):
        for o in range(O):
            want = sum(w[o * I + i] * x[b * I + i] for i in range(I)) * (2 if scale else 1)
            assert abs(y[b * O + o] - want) < 1e-3, (b, o, y[b * O + o], want)
"""


class Map(ctypes.Structure):
    """A linear map as C sees it: addresses of its weights, scales and bias, and its outputs and inputs."""

    _fields_ = [("weight", ctypes.c_void_p), ("scale", ctypes.c_void_p), ("bias", ctypes.c_void_p), ("O", ctypes.c_int64), ("I", ctypes.c_int64)]  # fmt: skip

    @classmethod
    def of(cls, weight: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Map | None:
        """Return the map of weights (O, I): floats, or bytes with `scale` (O,) in bfloat16; None where C cannot read them.

        The tensors must outlive it.
        """
        wanted = torch.float32 if scale is None else torch.int8
        for part, dtype in ((weight, wanted), (scale, torch.bfloat16), (bias, torch.float32)):
            if part is not None and (part.dtype != dtype or part.device.type != "cpu" or not part.is_contiguous()):
                return None
        return cls(weight.data_ptr(), address(scale), address(bias), *weight.shape)


class Pace:
    """How many threads a step takes: all, or one for a while where other work keeps them from running together.

    Threads that meet after each map wait for the one that another program's work has put off: a step then takes up to a
    hundred times as long. The numbers are the same either way.
    """

    def __init__(self) -> None:
        self.alone = 0  # steps yet to be taken by one thread
        self.hindered = 0.0  # seconds of the last step that was put off

    def threads(self) -> int:
        """Return the number for the next step."""
        return 1 if self.alone else torch.get_num_threads()

    def take(self, step: Callable[[int], int]) -> int:
        """Take a step, given the number of threads, and look at how it went."""
        threads = self.threads()
        began, worked = time.perf_counter(), time.process_time()
        out = step(threads)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        if threads > 1 and worked < BUSY * threads * seconds:
            self.alone, self.hindered = ALONE, seconds
        elif self.alone:
            self.alone = self.alone - 1 if seconds < self.hindered else 0
        return out


PACE = Pace()


@runtime_checkable
class ForFew(Protocol):
    """A module that says by itself how C reads its map."""

    def for_few(self) -> Map | None:
        """Return the map; None where C cannot read it."""
        ...


def address(tensor: Tensor | None) -> int | None:
    """Where a tensor's values stand in memory; None for none."""
    return None if tensor is None else tensor.data_ptr()


def product(x: Tensor, weight: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Tensor | None:
    """(B, I) -> (B, O) for few rows of floats on a processor; None where that is not to be had.

    >>> x = torch.tensor([[1.0, 2.0]])
    >>> with torch.no_grad():
    ...     found = product(x, torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
    >>> found is None or found.tolist() == [[11.0, 17.0]]  # None: no compiler here
    True
    """
    if not takes(x) or (few := library()) is None or (asked := Map.of(weight, scale, bias)) is None:
        return None
    x = x.contiguous()
    y = torch.empty(len(x), len(weight))
    few.few_product(ctypes.byref(asked), ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(y.data_ptr()), ctypes.c_int64(len(x)), ctypes.c_int64(PACE.threads()))  # fmt: skip
    return y


def takes(x: Tensor) -> bool:
    """Whether rows (B, ...) may go through `few.c`: few, and nothing that learns."""
    return 0 < len(x) <= FEW and _plain(x) and not torch.is_grad_enabled()


def takes_many(x: Tensor) -> bool:
    """Whether values may go through `many.c`, which also knows its gradients."""
    return x.numel() > 0 and _plain(x) and library() is not None


def _plain(x: Tensor) -> bool:
    """Floats of 32 bits on a processor, in code that runs as it stands."""
    here = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return here and not torch.compiler.is_compiling() and not torch.compiler.is_exporting()


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled C, which the first call on a machine compiles; None, which is said, where there is no compiler."""
    with resources.as_file(resources.files(__name__)) as folder:
        place = _place(folder)
        why = "" if place.exists() else _made([folder / name for name in SOURCES], place)
    if not why:
        try:
            return ctypes.CDLL(str(place))
        except OSError as error:
            why = str(error)
    say("notice", "native.none", f"torch alone does what C would do faster: {why}")
    return None


def made() -> bool:
    """Whether the C is compiled already."""
    with resources.as_file(resources.files(__name__)) as folder:
        return _place(folder).exists()


def _place(folder: Path) -> Path:
    """Where the C of these sources is kept for this processor."""
    digest = hashlib.sha256(
        b"".join((folder / name).read_bytes() for name in (*SOURCES, HEADER)) + cpu.processor().encode()
    )
    return cache.folder() / f"maps-{digest.hexdigest()[:12]}.so"


def _made(sources: list[Path], place: Path) -> str:
    """Compile and try; return why that failed, or nothing."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", ""), *COMPILERS))), None)
    if compiler is None:
        return "there is no C compiler (cc, gcc or clang)"
    own = "-march=native" if platform.machine().lower() in ("x86_64", "amd64", "i686") else "-mcpu=native"
    began = time.perf_counter()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(place) as part:
            made = [compiler, "-O3", own, "-fopenmp", "-shared", "-fPIC", "-o", str(part), *map(str, sources), "-lm"]
            for command in (made, [sys.executable, "-c", TRIAL, str(part)]):
                subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        told = [line for line in lines if "rror" in line] or lines[-1:] or [f"code {error.returncode}"]
        return f"{Path(error.cmd[0]).name}: {told[0][:120]}"
    except (OSError, InputError, subprocess.TimeoutExpired) as error:
        return str(error).splitlines()[0]
    taken = time.perf_counter() - began
    say(
        "notice",
        "native.made",
        f"what steps do most is compiled from C for this processor, once ({taken:.1f} s): {place}",
    )
    return ""
