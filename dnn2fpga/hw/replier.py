"""The way out: takes a pipeline's outputs at its own speed, and sends replies at the wire's."""

from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .frame import CRC, CRC_BYTES, HEAD_BYTES, Reply, bytes_per_value, words_of
from .slip import Item


class Outputs(wiring.Component):
    """Takes one tensor, one word a cycle; then, `full`, gives it as bytes, values in two's complement.

    Parameters: `layout`, a word of the pipeline's output; `values` a tensor. Raises `ValueError` if these
    make no whole number of words.
    """

    def __init__(self, layout: data.ArrayLayout, values: int) -> None:
        self.words = words_of("values", layout, values)
        self.layout = layout
        super().__init__({"i": In(stream.Signature(layout)), "full": Out(1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        word_bytes = bytes_per_value(self.layout) * self.layout.length
        m.submodules.memory = memory = Memory(shape=self.layout.size, depth=self.words, init=[])
        write, read = memory.write_port(), memory.read_port()

        word = Signal(range(self.words))
        part = Signal(range(word_bytes))
        left = Signal(8 * word_bytes, reset_less=True)
        loads, moves = Signal(), Signal()  # registers, for a word may be wide, and its bits far apart
        is_last = word == self.words - 1
        filling = Signal(init=1)  # in "FILL": the pipeline's end wants to know early
        m.d.comb += [
            self.i.ready.eq(filling),
            write.addr.eq(word),
            write.data.eq(self.i.payload),
            read.addr.eq(word),
            self.full.eq(~self.i.ready),
            self.o.payload.eq(left[:8]),
            write.en.eq(filling),  # until the word came
        ]
        m.d.sync += [loads.eq(0), moves.eq(0)]
        with m.If(moves):
            m.d.sync += left.eq(Mux(loads, _extend(read.data, self.layout), left[8:]))

        def next_word() -> None:
            m.d.sync += word.eq(word + 1)
            with m.If(is_last):
                m.d.sync += word.eq(0)

        with m.FSM():
            with m.State("FILL"), m.If(self.i.valid):
                next_word()
                with m.If(is_last):
                    m.d.sync += filling.eq(0)
                    m.next = "READ"
            with m.State("READ"):
                m.d.sync += [loads.eq(1), moves.eq(1)]
                m.next = "MOVE"
            with m.State("MOVE"):
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [moves.eq(1), part.eq(part + 1)]
                    m.next = "MOVE"
                    with m.If(part == word_bytes - 1):
                        m.d.sync += part.eq(0)
                        next_word()
                        with m.If(is_last):
                            m.d.sync += filling.eq(1)
                            m.next = "FILL"
                        with m.Else():
                            m.next = "READ"
        return m


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


def _extend(word: Value, layout: data.ArrayLayout) -> Value:
    """The lanes of a word as whole bytes each."""
    shape = Shape.cast(layout.elem_shape)
    padding = 8 * bytes_per_value(layout) - shape.width
    lanes = []
    for start in range(0, layout.size, shape.width):
        lane = word[start : start + shape.width]
        sign = lane[-1] if shape.signed else Const(0, 1)
        lanes.append(Cat(lane, sign.replicate(padding)))
    return Cat(lanes)
