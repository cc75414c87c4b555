"""A pipeline as a netlist: RTLIL for Yosys, Verilog for everything else."""

import gc
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amaranth import ClockDomain, Module, Signal
from amaranth.back import rtlil as amaranth_rtlil
from amaranth.hdl import Elaboratable
from amaranth.lib import wiring

from .toolchain import run_yosys

# As Amaranth itself does it: -nomux and -norom keep the `case` statements, far shorter than what they become.
_TO_VERILOG = """
read_rtlil netlist.il
proc -nomux -norom
memory_collect
attrmap -modattr -remove generator -remove top
write_verilog netlist.v
"""


class Flat(Elaboratable):
    """A component with streams `i` and `o`, between ports that are plain signals.

    The ports are `clk`, `rst` (synchronous, active high), `i_payload`, `i_valid`, `i_ready`, `o_payload`,
    `o_valid` and `o_ready`. Yosys's abc9 aborts on a top-level port that has the layout of an array.
    """

    def __init__(self, component: wiring.Component) -> None:
        i, o = component.i, component.o
        self.component = component
        self.clk = Signal()
        self.rst = Signal()
        self.i_payload = Signal(i.payload.as_value().shape())
        self.i_valid = Signal()
        self.i_ready = Signal()
        self.o_payload = Signal(o.payload.as_value().shape())
        self.o_valid = Signal()
        self.o_ready = Signal()

    def ports(self) -> tuple[Signal, ...]:
        """All ports, in the order in which the netlist lists them."""
        inputs = (self.clk, self.rst, self.i_payload, self.i_valid, self.o_ready)
        return (*inputs, self.i_ready, self.o_payload, self.o_valid)

    def elaborate(self, platform: object) -> Module:
        """The wiring."""
        m = Module()
        m.domains.sync = sync = ClockDomain()
        sync.clk, sync.rst = self.clk, self.rst
        m.submodules.component = self.component
        i, o = self.component.i, self.component.o
        m.d.comb += [
            i.payload.as_value().eq(self.i_payload),
            i.valid.eq(self.i_valid),
            self.i_ready.eq(i.ready),
            self.o_payload.eq(o.payload.as_value()),
            self.o_valid.eq(o.valid),
            o.ready.eq(self.o_ready),
        ]
        return m


def rtlil(component: wiring.Component, name: str) -> str:
    """The pipeline as RTLIL text, with a top module `name` whose ports are those of `Flat`.

    The same component gives the same text, on every machine.
    """
    top = Flat(component)
    with no_garbage_collection():
        return amaranth_rtlil.convert(top, name=name, ports=top.ports(), emit_src=False)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """For making netlists: a fifth faster than with searches for garbage among millions of objects, all in use."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def verilog(component: wiring.Component, name: str) -> str:
    """The pipeline as Verilog-2001 text, with a top module `name` whose ports are those of `Flat`.

    The same component gives the same text, for the same version of Yosys. Raises `Refusal` without a Yosys.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "netlist.il").write_text(rtlil(component, name), encoding="utf-8")
        run_yosys(_TO_VERILOG, Path(folder))
        return (Path(folder) / "netlist.v").read_text(encoding="utf-8")
