"""Frames on a stream of bytes: SLIP (RFC 1055). After any garbage, the next END begins a new frame."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

END = 0xC0
ESC = 0xDB
ESC_END = 0xDC
ESC_ESC = 0xDD

# A byte of a frame, or (`end`) the frame's end.
Item = data.StructLayout({"byte": 8, "end": 1})


class SlipDecoder(wiring.Component):
    """Wire bytes in, frame items out, both without back-pressure; latency 0 cycles.

    An escape that stands before anything but its two codes passes that byte on: the frame's checksum will
    tell.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "o": Out(stream.Signature(Item, always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        escaped = Signal()
        byte = self.i.payload
        m.d.comb += [
            self.o.payload.byte.eq(byte),
            self.o.payload.end.eq(byte == END),
            self.o.valid.eq(self.i.valid & (byte != ESC)),
        ]
        with m.If(escaped & (byte == ESC_END)):
            m.d.comb += self.o.payload.byte.eq(END)
        with m.If(escaped & (byte == ESC_ESC)):
            m.d.comb += self.o.payload.byte.eq(ESC)
        with m.If(self.i.valid):
            m.d.sync += escaped.eq(byte == ESC)
        return m


class SlipEncoder(wiring.Component):
    """Frame items in, wire bytes out: one for most, two for the two that must be escaped.

    Latency 1 cycle, an item every 2 cycles at most: much faster than any wire, and no path of logic goes
    through.
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(Item)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        held = Signal(Item)
        full = Signal()
        escaped = Signal()  # the escape went out, its code is next
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(full)]
        with m.If(self.i.valid & ~full):
            m.d.sync += [held.eq(self.i.payload), full.eq(1)]

        special = ~held.end & ((held.byte == END) | (held.byte == ESC))
        with m.If(held.end):
            m.d.comb += self.o.payload.eq(END)
        with m.Elif(special & ~escaped):
            m.d.comb += self.o.payload.eq(ESC)
        with m.Elif(special):
            m.d.comb += self.o.payload.eq(Mux(held.byte == END, ESC_END, ESC_ESC))
        with m.Else():
            m.d.comb += self.o.payload.eq(held.byte)
        with m.If(full & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
            with m.If(~special | escaped):
                m.d.sync += full.eq(0)
        return m
