"""Icarus Verilog: slow, starts at once, and knows undefined bits."""

from pathlib import Path

from .. import toolchain
from .verilog import VerilogEngine


class Icarus(VerilogEngine):
    """Icarus Verilog."""

    name = "icarus"
    tools = ("iverilog", "vvp")

    def _build(self, parameters: dict[str, int], folder: Path) -> list[str]:
        overrides = [f"-Ptestbench.{name}={value}" for name, value in parameters.items()]
        options = ["-g2005", "-s", "testbench", *overrides, "-o", "sim.vvp"]
        toolchain.run([*toolchain.find("iverilog"), *options, "testbench.v", "top.v"], folder, self.name)
        return [*toolchain.find("vvp"), "-n", str(folder / "sim.vvp")]
