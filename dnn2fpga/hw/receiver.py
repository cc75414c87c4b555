"""The way in: judges frames, and keeps an image from the pipeline until it is known to be whole."""

from amaranth import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import buffer
from .frame import CRC, SHORTEST, Kind, Request, bytes_per_value, words_of
from .slip import Item


class Receiver(wiring.Component):
    """Frame items in, at least 5 cycles apart; a request for each frame, and the image of each good one, out.

    Every frame but an empty one is reported on `request`, 1 cycle after its end. Once a request of kind
    IMAGE is taken, the image's words follow on `image`, one a cycle. A frame of which a part arrived before
    that was over is dropped whole.

    Parameters: `layout`, a word of the pipeline's input; `values` an image. Raises `ValueError` if these
    make no whole number of words.
    """

    def __init__(self, layout: data.ArrayLayout, values: int) -> None:
        self.words = words_of("values", layout, values)
        self.layout = layout
        super().__init__(
            {
                "i": In(stream.Signature(Item, always_ready=True)),
                "request": Out(stream.Signature(Request)),
                "image": Out(stream.Signature(layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        word_bytes = bytes_per_value(self.layout) * self.layout.length
        image_frame = SHORTEST + word_bytes * self.words  # bytes

        m.submodules.crc = crc = CRC.create()
        m.submodules.memory = memory = Memory(shape=self.layout.size, depth=self.words, init=[])
        write, read = memory.write_port(), memory.read_port()

        item = self.i.payload
        count = Signal(range(image_frame + 2))  # bytes of this frame; stops one above an image's
        word = Signal(range(self.words + 1))
        part = Signal(range(word_bytes))
        gathered = Signal(8 * word_bytes, reset_less=True)
        # Registers, for a word may be wide, and its bits far apart, and all of them far from what decides on the item.
        byte, names, taken, comes, stores = Signal(8), Signal(), Signal(), Signal(), Signal()
        lost = Signal()  # a part of this frame came while nobody listened
        listens = Signal()
        # What decides on an item is known since the one before.
        first, over, all_words, all_parts = (Signal(name=name) for name in ("first", "over", "all_words", "all_parts"))
        kind = Signal(Kind)
        m.d.sync += [
            first.eq(count == 0),
            over.eq(count == image_frame + 1),
            all_words.eq(word == self.words),
            all_parts.eq(part == word_bytes - 1),
            kind.eq(_judge(crc.match_detected, count, image_frame)),
        ]
        # The memory may be far from all the rest, which only starts it and hears when it is done.
        starts, feeds, fed, done, heard = (Signal(name=name) for name in ("starts", "feeds", "fed", "done", "heard"))
        at, ahead = buffer.places(m, "feed", self.words, fed)
        last = Signal(init=self.words == 1)
        m.d.sync += [starts.eq(0), feeds.eq(starts | (feeds & ~(fed & last))), done.eq(fed & last), heard.eq(done)]
        with m.If(fed):
            m.d.sync += last.eq(ahead == self.words - 1)
        m.d.comb += [
            crc.data.eq(item.byte),
            write.addr.eq(word),
            write.data.eq(_trim(gathered, self.layout)),
            write.en.eq(stores),
            read.addr.eq(Mux(fed, ahead, at)),
            fed.eq(feeds & self.image.ready),
            self.image.valid.eq(feeds),
            self.image.payload.as_value().eq(read.data),
        ]
        m.d.sync += [names.eq(0), taken.eq(0), comes.eq(taken), stores.eq(comes & all_parts)]
        with m.If(self.i.valid):
            m.d.sync += byte.eq(item.byte)
        with m.If(names):
            m.d.sync += self.request.payload.sequence.eq(byte)
        with m.If(comes):  # bytes move down from the top: the first ends up lowest
            m.d.sync += [gathered.eq(Cat(gathered[8:], byte)), part.eq(Mux(all_parts, 0, part + 1))]
        with m.If(stores):
            m.d.sync += word.eq(word + 1)
        ended, restarts = Signal(), Signal()
        m.d.sync += [ended.eq(self.i.valid & item.end), restarts.eq(ended)]
        with m.If(ended):
            m.d.sync += [count.eq(0), lost.eq(0)]
        with m.If(restarts):
            m.d.sync += [word.eq(0), part.eq(0)]

        with m.FSM() as fsm:
            with m.State("LISTEN"):
                m.d.sync += self.request.payload.kind.eq(kind)
                with m.If(self.i.valid & listens):
                    with m.If(item.end):
                        m.d.comb += crc.start.eq(1)
                        with m.If(~first):
                            m.next = "REPORT"
                    with m.Else():
                        m.d.comb += crc.valid.eq(1)
                        with m.If(~over):
                            m.d.sync += count.eq(count + 1)
                        with m.If(first):
                            m.d.sync += names.eq(1)
                        with m.Elif(~all_words):
                            m.d.sync += taken.eq(1)
            with m.State("REPORT"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    with m.If(self.request.payload.kind == Kind.IMAGE):
                        m.d.sync += starts.eq(1)
                        m.next = "FEED"
                    with m.Else():
                        m.next = "LISTEN"
            with m.State("FEED"), m.If(heard):
                m.next = "LISTEN"
        m.d.sync += listens.eq(fsm.ongoing("LISTEN") & ~lost)  # known since the item before
        with m.If(~listens & self.i.valid & ~item.end):
            m.d.sync += lost.eq(1)
        return m


def _judge(matches: Value, count: Value, image_frame: int) -> Value:
    whole = Mux(count == image_frame, Kind.IMAGE, Kind.WRONG_LENGTH)
    return Mux(~matches | (count < SHORTEST), Kind.BROKEN, Mux(count == SHORTEST, Kind.QUERY, whole))


def _trim(value: Value, layout: data.ArrayLayout) -> Value:
    """The lanes of a word, from whole bytes each."""
    width = Shape.cast(layout.elem_shape).width
    whole = 8 * bytes_per_value(layout)
    return Cat(value[lane * whole : lane * whole + width] for lane in range(layout.length))
