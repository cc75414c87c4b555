"""Frames on a stream of bytes: SLIP (RFC 1055). After any garbage, the next END begins a new frame."""

from amaranth import Module, Signal
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

    An escape that stands before anything but its two codes passes that byte on: the frame's checksum will tell.
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
    """Frame items in, wire bytes out: one for most, two for the two that must be escaped. Latency 0 cycles."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(Item)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        escaped = Signal()  # the escape went out, its code is next
        byte = self.i.payload.byte
        special = ~self.i.payload.end & ((byte == END) | (byte == ESC))
        m.d.comb += self.o.valid.eq(self.i.valid)
        with m.If(special & ~escaped):
            m.d.comb += self.o.payload.eq(ESC)
            with m.If(self.i.valid & self.o.ready):
                m.d.sync += escaped.eq(1)
        with m.Else():
            m.d.comb += [self.o.payload.eq(byte), self.i.ready.eq(self.o.ready)]
            with m.If(self.i.valid & self.o.ready):
                m.d.sync += escaped.eq(0)
            with m.If(self.i.payload.end):
                m.d.comb += self.o.payload.eq(END)
            with m.Elif(special & (byte == END)):
                m.d.comb += self.o.payload.eq(ESC_END)
            with m.Elif(special):
                m.d.comb += self.o.payload.eq(ESC_ESC)
        return m
