"""Runs an exported component in Icarus Verilog, with a vendor's block replaced by its behavioral model."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from amaranth.back import rtlil

from dnn2fpga.flow import toolchain


@pytest.fixture
def yosys(tmp_path: Path) -> Callable[[str], str]:
    return lambda script: toolchain.run_yosys(script, tmp_path)


TESTBENCH = """
module testbench;
    reg clk = 0;
    reg [{a_top}:0] a;
    reg [{b_top}:0] b;
    wire [{p_top}:0] p;
    reg [{ab_top}:0] pairs [0:{last}];
    integer i;
    top dut(.clk(clk), .rst(1'b0), .a(a), .b(b), .p(p));
    initial begin
        $readmemh("pairs.hex", pairs);
        for (i = 0; i <= {last}; i = i + 1) begin
            {{a, b}} = pairs[i];
            #1 clk = 1;
            #1 $display("%h", p);
            clk = 0;
        end
    end
endmodule
"""


def _to_bits(value: int, width: int) -> int:
    return value & ((1 << width) - 1)


@pytest.fixture
def icarus_products(tmp_path: Path, yosys: Callable[[str], str]) -> Callable[..., list[int | None]]:
    """What `p` shows after each clock edge, None if unknown; the first one after the first pair's."""
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog")

    def run(dut, platform: object, pairs: Sequence[tuple[int, int]], models: Sequence[str]) -> list[int | None]:
        a, b, p = dut.a.shape(), dut.b.shape(), dut.p.shape()
        (tmp_path / "top.il").write_text(rtlil.convert(dut, name="top", platform=platform))
        yosys("read_rtlil top.il; proc; opt_clean; write_verilog -noattr top.v")
        (tmp_path / "pairs.hex").write_text(
            "".join(f"{_to_bits(x, a.width) << b.width | _to_bits(y, b.width):x}\n" for x, y in pairs)
        )
        (tmp_path / "testbench.v").write_text(
            TESTBENCH.format(
                a_top=a.width - 1,
                b_top=b.width - 1,
                p_top=p.width - 1,
                ab_top=a.width + b.width - 1,
                last=len(pairs) - 1,
            )
        )
        sources = ["testbench.v", "top.v", *models]
        subprocess.run(["iverilog", "-g2012", "-o", "test.vvp", *sources], cwd=tmp_path, check=True)
        done = subprocess.run(["vvp", "-n", "test.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
        return [_from_hex(line, p.width, p.signed) for line in done.stdout.split()]

    return run


def _from_hex(text: str, width: int, signed: bool) -> int | None:
    if "x" in text.lower():
        return None
    value = int(text, 16)
    return value - (1 << width) if signed and value >> (width - 1) else value
