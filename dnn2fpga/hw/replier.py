"""The way out: sends replies at the wire's speed."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .frame import CRC, CRC_BYTES, HEAD_BYTES, Reply
from .slip import Item


class Replier(wiring.Component):
    """Sends a reply: END, its head, the outputs if it has them, their CRC-16, END. An item a cycle at most.

    Parameter: `outputs`, the number of bytes that a reply with outputs takes from `outputs`.
    """

    def __init__(self, outputs: int) -> None:
        self.output_bytes = outputs
        super().__init__(
            {
                "i": In(stream.Signature(Reply)),
                "outputs": In(stream.Signature(8)),
                "o": Out(stream.Signature(Item)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.submodules.crc = crc = CRC.create()
        head = Signal(8 * HEAD_BYTES, reset_less=True)
        length = Signal.like(self.i.payload.length)
        has_outputs = Signal()
        left = Signal(range(max(HEAD_BYTES, self.output_bytes, CRC_BYTES) + 1))  # bytes of this part
        item = self.o.payload
        sent = self.o.valid & self.o.ready
        m.d.comb += crc.data.eq(item.byte)
        with m.If(sent):
            m.d.sync += left.eq(left - 1)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.i.ready.eq(1), crc.start.eq(1)]
                m.d.sync += [
                    head.eq(self.i.payload.head),
                    length.eq(self.i.payload.length),
                    has_outputs.eq(self.i.payload.has_outputs),
                ]
                with m.If(self.i.valid):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                # This END ends whatever noise the host may have heard before.
                m.d.comb += [self.o.valid.eq(1), item.end.eq(1)]
                with m.If(sent):
                    m.d.sync += left.eq(length)
                    m.next = "HEAD"
            with m.State("HEAD"):
                m.d.comb += [self.o.valid.eq(1), item.byte.eq(head[:8]), crc.valid.eq(sent)]
                with m.If(sent):
                    m.d.sync += head.eq(head[8:])
                    with m.If(left == 1):
                        with m.If(has_outputs):
                            m.d.sync += left.eq(self.output_bytes)
                            m.next = "OUTPUTS"
                        with m.Else():
                            m.d.sync += left.eq(CRC_BYTES)
                            m.next = "CRC"
            with m.State("OUTPUTS"):
                m.d.comb += [
                    self.o.valid.eq(self.outputs.valid),
                    item.byte.eq(self.outputs.payload),
                    self.outputs.ready.eq(self.o.ready),
                    crc.valid.eq(sent),
                ]
                with m.If(sent & (left == 1)):
                    m.d.sync += left.eq(CRC_BYTES)
                    m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(left == CRC_BYTES):
                    m.d.comb += item.byte.eq(crc.crc[:8])
                with m.Else():
                    m.d.comb += item.byte.eq(crc.crc[8:])
                with m.If(sent & (left == 1)):
                    m.next = "END"
            with m.State("END"):
                m.d.comb += [self.o.valid.eq(1), item.end.eq(1)]
                with m.If(sent):
                    m.next = "IDLE"
        return m
