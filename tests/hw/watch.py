"""A watchman behind a component: finds out one that breaks the rules of streams."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dnn2fpga.hw.stream import connect


class Watched(wiring.Component):
    """`component`, whose output turns to its complement for good once it takes an offer back or changes it."""

    def __init__(self, component):
        self.component = component
        members = component.signature.members
        super().__init__({"i": In(members["i"].signature), "o": Out(members["o"].signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = component = self.component
        connect(m, wiring.flipped(self.i), component.i)
        offered, broken = Signal(), Signal()
        before = Signal.like(component.o.payload.as_value())
        payload = component.o.payload.as_value()
        m.d.sync += [offered.eq(component.o.valid & ~component.o.ready), before.eq(payload)]
        now_broken = broken | (offered & (~component.o.valid | (payload != before)))
        m.d.sync += broken.eq(now_broken)
        m.d.comb += [
            self.o.payload.as_value().eq(Mux(now_broken, ~payload, payload)),
            self.o.valid.eq(component.o.valid),
            component.o.ready.eq(self.o.ready),
        ]
        return m
