import re
import shutil
import subprocess
import sys

import pytest
from amaranth import Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dnn2fpga.errors import Refusal
from dnn2fpga.flow import netlist, toolchain
from dnn2fpga.hw.stream import MasterSlave, Narrow, Widen, lanes

PORTS = {"clk", "rst", "i_payload", "i_valid", "i_ready", "o_payload", "o_valid", "o_ready"}


class Machine(wiring.Component):
    """A buffer with a state machine, to which Amaranth attaches more attributes than to anything else."""

    def __init__(self):
        super().__init__({"i": In(lanes(signed(8), 2)), "o": Out(lanes(signed(8), 2))})

    def elaborate(self, platform):
        m = Module()
        with m.FSM():
            with m.State("EMPTY"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += self.o.payload.eq(self.i.payload)
                    m.next = "FULL"
            with m.State("FULL"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "EMPTY"
        return m


@pytest.fixture(autouse=True)
def yosys():
    """Skips where there is no Yosys."""
    try:
        toolchain.find("yosys")
    except Refusal as refusal:
        pytest.skip(str(refusal))


def test_verilog_has_flat_ports_of_the_right_width():
    text = netlist.verilog(Widen(signed(5), 3, 4), "pipeline")
    header, body = re.search(r"^module pipeline\((.*?)\);(.*?)^endmodule", text, re.MULTILINE | re.DOTALL).groups()
    assert {port.strip() for port in header.split(",")} == PORTS
    assert "input [14:0] i_payload;" in body
    assert "output [59:0] o_payload;" in body


def test_verilog_says_nothing_of_where_it_came_from():
    text = netlist.verilog(Machine(), "top")
    for name in ("src", "generator", "amaranth", ".py"):
        assert name not in text


def test_rtlil_says_nothing_of_where_it_came_from():
    assert "attribute \\src" not in netlist.rtlil(MasterSlave(signed(8), 2), "top")


def test_the_same_component_gives_the_same_text_in_every_process():
    program = """
from amaranth import unsigned
from dnn2fpga.flow import netlist
from dnn2fpga.hw.stream import Narrow
component = Narrow(unsigned(7), 9, 4)
for _ in range(2):
    print(netlist.rtlil(component, "top"))
    print(netlist.verilog(component, "top"))
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    (text,) = texts
    assert text[: len(text) // 2] == text[len(text) // 2 :]


@pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog: apt install iverilog")
def test_icarus_reads_it_as_verilog_2001_without_a_word(tmp_path):
    (tmp_path / "top.v").write_text(netlist.verilog(Narrow(unsigned(7), 9, 4), "top"))
    command = ["iverilog", "-g2001", "-Wall", "-Wno-timescale", "-t", "null", "top.v"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_abc9_accepts_the_ports(tmp_path):
    (tmp_path / "top.il").write_text(netlist.rtlil(Widen(signed(5), 3, 2), "top"))
    toolchain.run_yosys("read_rtlil top.il\nsynth_ecp5 -abc9 -top top\n", tmp_path)
