"""Compiles the kernels of `netwright.runtime.kernels`, once for each level of instructions; all else stands in pyproject.toml.

Without a C compiler, or with one that does not know GCC's vectors, the package is installed without them; where
NETWRIGHT_REQUIRE_KERNELS is set that is an error.
"""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

FOLDER = Path("src/netwright/runtime/kernels")
SOURCES = [str(FOLDER / name) for name in ("adam.c", "attention.c", "decoder.c", "rows.c")]
# products are fused with sums where the code says so, so that a number does not depend on how a loop was compiled
FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno"]
LEVELS = {
    "base": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mavx2", "-mfma"],
}


class Build(build_ext):
    """Compiles each source for each level that the compiler knows; `levels.c` says at run time which one to take."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link the library."""
        openmp = ["-fopenmp"] if self._works(["-fopenmp"]) else []
        intel = platform.machine().lower() in ("x86_64", "amd64")
        levels = {name: flags for name, flags in LEVELS.items() if name == "base" or intel and self._works(flags)}
        ext.extra_objects = [
            part
            for name, flags in levels.items()
            for part in self.compiler.compile(
                SOURCES, f"{self.build_temp}/{name}", [("LEVEL", name)], extra_postargs=[*FLAGS, *openmp, *flags], depends=ext.depends
            )
        ]  # fmt: skip
        ext.define_macros = [(f"HAS_{name}", None) for name in levels]
        ext.extra_link_args = openmp
        super().build_extension(ext)

    def _works(self, flags: list[str]) -> bool:
        """Whether the compiler makes a library with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "empty.c"
            source.write_text("int nothing(void) { return 0; }\n")
            try:
                made = self.compiler.compile([str(source)], folder, extra_postargs=flags)
                self.compiler.link_shared_object(made, f"{folder}/empty.so", extra_postargs=flags)
            except (CompileError, LinkError):
                return False
        return True

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """It is no module of Python's: nothing is asked for by name."""
        return []


kernels = Extension(
    "netwright.runtime.kernels._compiled",
    [str(FOLDER / "levels.c")],
    depends=[*SOURCES, str(FOLDER / "lanes.h")],
    libraries=["m"],
    optional=not os.environ.get("NETWRIGHT_REQUIRE_KERNELS"),
)
setup(ext_modules=[kernels], cmdclass={"build_ext": Build})
