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

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from .frame import CYCLES_BYTES, HASH_BYTES, VERSION, Kind, Request, Status, bytes_per_value, words_of
from .receiver import Receiver
from .replier import Outputs, Replier
from .slip import SlipDecoder, SlipEncoder
from .stream import MasterSlave, connect
from .uart import UartRx, UartTx


class Link(wiring.Component):
    """Stands between the pins `rx`, `tx` and a pipeline's streams: feeds `to_pipeline`, reads
    `from_pipeline`.

    An image goes to the pipeline one word a cycle, and the outputs are taken one word a cycle, so that the
    cycles in the reply are the pipeline's own.

    Parameters: `words_in`, `words_out`, a word of the pipeline's input and output; `values_in`,
    `values_out`, the values of a tensor, whole words of them; `divisor`, clocks a bit, at least 4;
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
        words_of("values_in", words_in, values_in)
        words_of("values_out", words_out, values_out)
        self.design_hash = design_hash
        self.rx_wire = UartRx(divisor)
        self.tx_wire = UartTx(divisor)
        self.receiver = Receiver(words_in, values_in)
        self.outputs = Outputs(words_out, values_out)
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
        m.submodules.rx_wire = rx_wire = self.rx_wire
        m.submodules.decoder = decoder = SlipDecoder()
        m.submodules.receiver = receiver = self.receiver
        m.submodules.outputs = outputs = self.outputs
        m.submodules.replier = replier = self.replier
        m.submodules.encoder = encoder = SlipEncoder()
        m.submodules.tx_wire = tx_wire = self.tx_wire

        m.d.comb += [rx_wire.rx.eq(self.rx), self.tx.eq(tx_wire.tx)]
        wiring.connect(m, rx_wire.o, decoder.i)
        # A register, for no path to lead from the wire's timer to the memory for an image, which may be far.
        m.d.sync += [receiver.i.payload.eq(decoder.o.payload), receiver.i.valid.eq(decoder.o.valid)]
        # The pipeline's ends may be far from the wire's: registers stand half the way.
        for name, source, sink in (
            ("to", receiver.image, wiring.flipped(self.to_pipeline)),
            ("from", wiring.flipped(self.from_pipeline), outputs.i),
        ):
            layout = source.payload.shape()
            m.submodules[name] = registers = MasterSlave(layout.elem_shape, layout.length)
            connect(m, source, registers.i)
            connect(m, registers.o, sink)
        # Registers, for no path to lead from the pipeline's end to the wire's.
        m.submodules.between = between = SyncFIFOBuffered(width=8, depth=2)
        connect(m, outputs.o, between.w_stream)
        connect(m, between.r_stream, replier.outputs)
        connect(m, replier.o, encoder.i)
        connect(m, encoder.o, tx_wire.i)

        # The pipeline's ends, the receiver and the replier may be far apart: two registers for what each says, one at
        # either end. So the receiver is heard to ask for some cycles more, after its request is taken.
        enters, full, asks, taken = (Signal(2, name=name) for name in ("enters", "full", "asks", "taken"))
        requests = Signal(data.ArrayLayout(Request, 2))
        request, takes, answered = requests[1], Signal(), Signal()
        asked = asks[1] & ~answered
        m.d.sync += [
            enters.eq(Cat(self.to_pipeline.valid & self.to_pipeline.ready, enters)),
            full.eq(Cat(outputs.full, full)),
            asks.eq(Cat(receiver.request.valid, asks)),
            requests.eq(Cat(receiver.request.payload, requests)),
            taken.eq(Cat(takes, taken)),
            answered.eq(asks[1] & (takes | answered)),
        ]
        m.d.comb += receiver.request.ready.eq(taken[1])

        # Counts from three cycles after the first word in: `full` comes four cycles after the last word out.
        cycles = Signal(8 * CYCLES_BYTES)
        started, counts = Signal(), Signal()
        m.d.sync += counts.eq(started)
        with m.If(counts & ~full[1]):
            m.d.sync += cycles.eq(cycles + 1)
        with m.If(enters[1] & ~started):
            m.d.sync += [started.eq(1), cycles.eq(0)]

        reply = replier.i.payload
        sequence = Signal(8)  # of the image in the pipeline, while the next is already being received
        identity = Cat(Const(VERSION, 8), Const(int.from_bytes(self.design_hash, "little"), 8 * HASH_BYTES))
        with m.FSM():
            with m.State("WAIT"), m.If(~full[1]):
                with m.If(request.kind == Kind.IMAGE):
                    m.d.comb += takes.eq(asked)
                    with m.If(asked):
                        m.d.sync += [started.eq(0), sequence.eq(request.sequence)]
                        m.next = "RUN"
                with m.Else():
                    m.d.comb += [replier.i.valid.eq(asked), takes.eq(asked & replier.i.ready)]
                with m.Switch(request.kind):
                    with m.Case(Kind.QUERY):
                        m.d.comb += [
                            reply.head.eq(Cat(request.sequence, Status.OK, identity)),
                            reply.length.eq(2 + 1 + HASH_BYTES),
                        ]
                    with m.Case(Kind.BROKEN):
                        m.d.comb += [reply.head.eq(Cat(request.sequence, Status.BROKEN)), reply.length.eq(2)]
                    with m.Case(Kind.WRONG_LENGTH):
                        m.d.comb += [
                            reply.head.eq(Cat(request.sequence, Status.WRONG_LENGTH)),
                            reply.length.eq(2),
                        ]
            with m.State("RUN"):
                m.d.comb += [
                    replier.i.valid.eq(full[1]),
                    reply.head.eq(Cat(sequence, Status.OK, cycles)),
                    reply.length.eq(2 + CYCLES_BYTES),
                    reply.has_outputs.eq(1),
                ]
                with m.If(replier.i.valid & replier.i.ready):
                    m.next = "WAIT"
        return m
