"""From the wire's clock to the pipeline's: an image waits here until it is known to be whole."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.cdc import PulseSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import buffer


class Feeder(wiring.Component):
    """Keeps an image that `receiver` stores in the domain `wire`, and gives it in the domain `sync`, a word a cycle.

    `receiver.starts` is a pulse after the last word is stored. `begins` is the same in `sync`, 1 cycle before the first
    word; a pulse of `receiver.fed` follows when all words are gone.

    Parameters: `layout`, a word of the pipeline's input; `words` an image.
    """

    def __init__(self, layout: data.ArrayLayout, words: int) -> None:
        self.layout = layout
        self.words = words
        self.receiver_signature = wiring.Signature(
            {
                "stores": Out(1),
                "at": Out(range(words)),
                "word": Out(layout.size),
                "starts": Out(1),
                "fed": In(1),
            }
        )
        super().__init__(
            {
                "receiver": In(self.receiver_signature),
                "begins": Out(1),
                "image": Out(stream.Signature(layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.layout.size, depth=self.words, init=[])
        write, read = memory.write_port(domain="wire"), memory.read_port()
        m.submodules.starts = starts = PulseSynchronizer("wire", "sync")
        m.submodules.fed = fed = PulseSynchronizer("sync", "wire")

        feeds, taken = Signal(), Signal()
        at, ahead = buffer.places(m, "feed", self.words, taken)
        last = Signal(init=self.words == 1)
        with m.If(taken):
            m.d.sync += last.eq(ahead == self.words - 1)
        m.d.sync += [feeds.eq(self.begins | (feeds & ~(taken & last))), fed.i.eq(taken & last)]
        m.d.comb += [
            write.en.eq(self.receiver.stores),
            write.addr.eq(self.receiver.at),
            write.data.eq(self.receiver.word),
            starts.i.eq(self.receiver.starts),
            self.begins.eq(starts.o),
            self.receiver.fed.eq(fed.o),
            read.addr.eq(Mux(taken, ahead, at)),
            taken.eq(feeds & self.image.ready),
            self.image.valid.eq(feeds),
            self.image.payload.as_value().eq(read.data),
        ]
        return m
