"""Verilator: compiles for a while, then runs fast."""

from pathlib import Path

from .. import toolchain
from .cache import cached
from .verilog import VerilogEngine

# -Wno-fatal: netlists mix widths freely. OPT_FAST is for the C++ of the design, and -Os by default.
_OPTIONS = ("--binary", "-Wno-fatal", "-O3", "-MAKEFLAGS", "OPT_FAST=-O2", "--top-module", "testbench")
_SOURCES = ("testbench.v", "top.v")


class Verilator(VerilogEngine):
    """Verilator 5 or later, whose `--binary` runs a test bench with delays. What it compiled is kept."""

    name = "verilator"
    tools = ("verilator", "make", "c++")

    def _build(self, parameters: dict[str, int], folder: Path) -> list[str]:
        verilator = toolchain.find("verilator")
        version = toolchain.run([*verilator, "--version"], folder, self.name)
        overrides = [f"-G{name}={value}" for name, value in parameters.items()]
        command = [*verilator, *_OPTIONS, *overrides]
        texts = [(folder / name).read_text(encoding="utf-8") for name in _SOURCES]

        def compile_in(temporary: Path) -> Path:
            toolchain.run([*command, "--Mdir", str(temporary), "-o", "sim", *_SOURCES], folder, self.name)
            return temporary / "sim"

        return [str(cached([*texts, *command, version], compile_in))]
