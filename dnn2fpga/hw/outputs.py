"""From the pipeline's clock to the wire's: outputs wait here to be sent, and the time they took is counted."""

from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.cdc import PulseSynchronizer
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out

from .frame import CYCLES_BYTES, bytes_per_value


class Outputs(wiring.Component):
    """Takes a tensor in the domain `sync`, a word a cycle; then, `full`, gives it in `wire` as bytes, values in two's
    complement.

    `cycles`, steady while `full`, are those from the first cycle of `enters` after `begins`, when a word enters the
    pipeline, to that of the last output. They are at least 1, and no word of another tensor may come before this one is
    given whole.

    Parameters: `layout`, a word of the pipeline's output; `words` a tensor.
    """

    def __init__(self, layout: data.ArrayLayout, words: int) -> None:
        self.layout = layout
        self.words = words
        super().__init__(
            {
                "begins": In(1),
                "enters": In(1),
                "i": In(stream.Signature(layout)),
                "full": Out(1),
                "cycles": Out(8 * CYCLES_BYTES),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.layout.size, depth=self.words, init=[])
        m.submodules.whole = whole = PulseSynchronizer("sync", "wire")
        write = memory.write_port()
        place = Signal(range(self.words))
        is_last = place == self.words - 1
        # The pipeline's ends, the memory and the counter may be far from one another: registers stand between.
        word, comes = Signal(self.layout.size, reset_less=True), Signal()
        enters, ended = Signal(2), Signal()
        m.d.sync += [
            word.eq(self.i.payload),
            comes.eq(self.i.valid),
            ended.eq(comes & is_last),
            enters.eq(Cat(self.enters, enters)),
        ]
        m.d.comb += [
            self.i.ready.eq(1),
            write.addr.eq(place),
            write.data.eq(word),
            write.en.eq(comes),
            whole.i.eq(ended),
        ]
        with m.If(comes):
            m.d.sync += place.eq(Mux(is_last, 0, place + 1))

        # Words may still enter when all outputs are there, if nothing hangs on them.
        started, counts = Signal(), Signal()
        with m.If(self.begins):
            m.d.sync += started.eq(0)
        with m.If(enters[1] & ~started):
            m.d.sync += [started.eq(1), counts.eq(1), self.cycles.eq(0)]
        with m.If(counts):
            m.d.sync += [self.cycles.eq(self.cycles + 1), counts.eq(~ended)]
        self._give(m, memory.read_port(domain="wire"), whole.o)
        return m

    def _give(self, m: Module, read: ReadPort, whole: Signal) -> None:
        """Bytes, once the tensor is `whole`."""
        word_bytes = bytes_per_value(self.layout) * self.layout.length
        word = Signal(range(self.words))
        part = Signal(range(word_bytes))
        left = Signal(8 * word_bytes, reset_less=True)
        m.d.comb += [read.addr.eq(word), self.o.payload.eq(left[:8])]
        with m.FSM(domain="wire") as fsm:
            with m.State("FILL"), m.If(whole):
                m.next = "READ"
            with m.State("READ"):
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.wire += left.eq(_extend(read.data, self.layout))
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.wire += [left.eq(left[8:]), part.eq(part + 1)]
                    with m.If(part == word_bytes - 1):
                        m.d.wire += [part.eq(0), word.eq(word + 1)]
                        m.next = "READ"
                        with m.If(word == self.words - 1):
                            m.d.wire += word.eq(0)
                            m.next = "FILL"
        m.d.comb += self.full.eq(~fsm.ongoing("FILL"))


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
