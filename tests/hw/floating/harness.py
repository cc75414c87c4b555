"""Pure pipelines behind streams, so that an engine can run them."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dnn2fpga.hw.stream import lanes


class Streamed(wiring.Component):
    """A pipeline without handshake behind streams, for a sink that is always ready.

    `wire` is told the module and the values of a word in, makes the pipeline, and answers its value and latency.
    """

    def __init__(self, i, n, o, wire):
        self.wire = wire
        super().__init__({"i": In(lanes(i, n)), "o": Out(lanes(o, 1))})

    def elaborate(self, platform):
        m = Module()
        value, latency = self.wire(m, *self.i.payload)
        valid = Signal(latency + 1)
        m.d.comb += [valid[0].eq(self.i.valid), self.i.ready.eq(1)]
        m.d.sync += valid[1:].eq(valid)
        m.d.comb += [self.o.payload[0].eq(value), self.o.valid.eq(valid[latency])]
        return m
