"""Images from a host to a pipeline and its outputs back, over a UART.

A request is a SLIP frame of a sequence byte, the payload, and a CRC-16 of both, least significant byte first.
Its payload is either one image, each value in as few bytes as hold it, least significant first, or empty: a
query. The reply repeats the sequence byte, then gives a `Status`. If that is OK, there follow

- to an image: the clock cycles from the first word that the pipeline took to the last that it gave (4 bytes,
  least significant first), and the outputs, laid out like the image, in two's complement;
- to a query: `VERSION` and the 4 bytes of the design's hash.

A reply ends in the same CRC-16. A frame that is neither image nor query gets a reply that says so, and an
empty one none, so that any number of END may stand between frames.
"""

from amaranth import Cat, Const, DomainRenamer, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .feeder import Feeder
from .frame import HASH_BYTES, VERSION, Kind, Status, bytes_per_value, words_of
from .outputs import Outputs
from .receiver import Receiver
from .replier import Replier
from .slip import SlipDecoder, SlipEncoder
from .stream import MasterSlave, connect
from .uart import UartRx, UartTx


class Link(wiring.Component):
    """Stands between the pins `rx`, `tx` and a pipeline's streams: feeds `to_pipeline`, reads
    `from_pipeline`.

    An image goes to the pipeline one word a cycle, and the outputs are taken one word a cycle, so that the
    cycles in the reply are the pipeline's own. All this is in the clock domain `sync`. What has to do with the pins is
    in the domain `wire`, whose clock may be any other: a slow one lets it be far from the pipeline.

    Parameters: `words_in`, `words_out`, a word of the pipeline's input and output; `values_in`,
    `values_out`, the values of a tensor, whole words of them; `divisor`, clocks of `wire` a bit, at least 4;
    `design_hash`, 4 bytes by which the host knows the design. Raises `ValueError` for bad ones.
    """

    def __init__(
        self,
        words_in: data.ArrayLayout,
        words_out: data.ArrayLayout,
        *,
        values_in: int,
        values_out: int,
        divisor: int,
        design_hash: bytes,
    ) -> None:
        if not isinstance(design_hash, bytes) or len(design_hash) != HASH_BYTES:
            raise ValueError(f"design_hash must be {HASH_BYTES} bytes, not {design_hash!r}")
        self.design_hash = design_hash
        self.rx_wire = UartRx(divisor)
        self.tx_wire = UartTx(divisor)
        self.feeder = Feeder(words_in, words_of("values_in", words_in, values_in))
        self.receiver = Receiver(self.feeder)
        self.outputs = Outputs(words_out, words_of("values_out", words_out, values_out))
        self.replier = Replier(bytes_per_value(words_out) * values_out)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "to_pipeline": Out(stream.Signature(words_in)),
                "from_pipeline": In(stream.Signature(words_out)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        on_wire = DomainRenamer("wire")
        m.submodules.rx_wire = rx_wire = on_wire(self.rx_wire)
        m.submodules.decoder = decoder = on_wire(SlipDecoder())
        m.submodules.receiver = receiver = on_wire(self.receiver)
        m.submodules.feeder = feeder = self.feeder
        m.submodules.outputs = outputs = self.outputs
        m.submodules.replier = replier = on_wire(self.replier)
        m.submodules.encoder = encoder = on_wire(SlipEncoder())
        m.submodules.tx_wire = tx_wire = on_wire(self.tx_wire)

        m.d.comb += [rx_wire.rx.eq(self.rx), self.tx.eq(tx_wire.tx)]
        wiring.connect(m, rx_wire.o, decoder.i)
        # A register, for no path to lead from the wire's timer to what judges a frame.
        m.d.wire += [receiver.i.payload.eq(decoder.o.payload), receiver.i.valid.eq(decoder.o.valid)]
        wiring.connect(m, receiver.feeder, feeder.receiver)
        # The pipeline may be far from the memory: registers stand half the way.
        layout = self.to_pipeline.payload.shape()
        m.submodules.to = to = MasterSlave(layout.elem_shape, layout.length)
        connect(m, feeder.image, to.i)
        connect(m, to.o, wiring.flipped(self.to_pipeline))
        connect(m, wiring.flipped(self.from_pipeline), outputs.i)
        m.d.sync += outputs.begins.eq(feeder.begins)
        m.d.comb += outputs.enters.eq(self.to_pipeline.valid & self.to_pipeline.ready)
        connect(m, outputs.o, replier.outputs)
        connect(m, replier.o, encoder.i)
        connect(m, encoder.o, tx_wire.i)

        request, reply = receiver.request, replier.i.payload
        sequence = Signal(8)  # of the image in the pipeline, while the next is already being received
        identity = Cat(Const(VERSION, 8), Const(int.from_bytes(self.design_hash, "little"), 8 * HASH_BYTES))
        with m.FSM(domain="wire"):
            with m.State("WAIT"):
                with m.If(request.payload.kind == Kind.IMAGE):
                    m.d.comb += request.ready.eq(~outputs.full)  # of the image before
                    m.d.wire += sequence.eq(request.payload.sequence)
                    with m.If(request.valid & request.ready):
                        m.next = "RUN"
                with m.Else():
                    m.d.comb += [replier.i.valid.eq(request.valid), request.ready.eq(replier.i.ready)]
                with m.Switch(request.payload.kind):
                    with m.Case(Kind.QUERY):
                        m.d.comb += [
                            reply.head.eq(Cat(request.payload.sequence, Status.OK, identity)),
                            reply.length.eq(2 + len(identity) // 8),
                        ]
                    with m.Case(Kind.BROKEN):
                        m.d.comb += [
                            reply.head.eq(Cat(request.payload.sequence, Status.BROKEN)),
                            reply.length.eq(2),
                        ]
                    with m.Case(Kind.WRONG_LENGTH):
                        m.d.comb += [
                            reply.head.eq(Cat(request.payload.sequence, Status.WRONG_LENGTH)),
                            reply.length.eq(2),
                        ]
            with m.State("RUN"):
                m.d.comb += [
                    replier.i.valid.eq(outputs.full),
                    reply.head.eq(Cat(sequence, Status.OK, outputs.cycles)),
                    reply.length.eq(2 + len(outputs.cycles) // 8),
                    reply.has_outputs.eq(1),
                ]
                with m.If(replier.i.valid & replier.i.ready):
                    m.next = "WAIT"
        return m
