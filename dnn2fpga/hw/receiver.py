"""The way in: judges frames, and stores images."""

from amaranth import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .feeder import Feeder
from .frame import CRC, SHORTEST, Kind, Request, bytes_per_value
from .slip import Item


class Receiver(wiring.Component):
    """Frame items in, at least 5 cycles apart; a request for each frame out, the image of each good one to `feeder`.

    Every frame but an empty one is reported on `request`, 1 cycle after its end. Once a request of kind
    IMAGE is taken, the image is fed to the pipeline. A frame of which a part arrived before that was over is dropped
    whole.

    Parameter: `feeder`, which keeps the images.
    """

    def __init__(self, feeder: Feeder) -> None:
        self.layout, self.words = feeder.layout, feeder.words
        super().__init__(
            {
                "i": In(stream.Signature(Item, always_ready=True)),
                "request": Out(stream.Signature(Request)),
                "feeder": Out(feeder.receiver_signature),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        word_bytes = bytes_per_value(self.layout) * self.layout.length
        image_frame = SHORTEST + word_bytes * self.words  # bytes

        m.submodules.crc = crc = CRC.create()
        item, feeder = self.i.payload, self.feeder
        count = Signal(range(image_frame + 2))  # bytes of this frame; stops one above an image's
        word = Signal(range(self.words + 1))
        part = Signal(range(word_bytes))
        gathered = Signal(8 * word_bytes, reset_less=True)
        takes, stores = Signal(), Signal()
        lost = Signal()  # a part of this frame came while nobody listened
        # What decides on an item is known since the one before.
        first, over, all_words, all_parts = (Signal(name=name) for name in ("first", "over", "all_words", "all_parts"))
        kind = Signal(Kind)
        m.d.sync += [
            first.eq(count == 0),
            over.eq(count == image_frame + 1),
            all_words.eq(word == self.words),
            all_parts.eq(part == word_bytes - 1),
            kind.eq(_judge(crc.match_detected, count, image_frame)),
            stores.eq(takes & all_parts),
        ]
        m.d.comb += [
            crc.data.eq(item.byte),
            feeder.stores.eq(stores),
            feeder.at.eq(word),
            feeder.word.eq(_trim(gathered, self.layout)),
        ]
        with m.If(takes):  # bytes move down from the top: the first ends up lowest
            m.d.sync += [gathered.eq(Cat(gathered[8:], item.byte)), part.eq(Mux(all_parts, 0, part + 1))]
        with m.If(stores):
            m.d.sync += word.eq(word + 1)

        with m.FSM() as fsm:
            with m.State("LISTEN"):
                m.d.sync += self.request.payload.kind.eq(kind)
                with m.If(self.i.valid & ~lost):
                    with m.If(item.end):
                        m.d.comb += crc.start.eq(1)
                        with m.If(~first):
                            m.next = "REPORT"
                    with m.Else():
                        m.d.comb += crc.valid.eq(1)
                        with m.If(~over):
                            m.d.sync += count.eq(count + 1)
                        with m.If(first):
                            m.d.sync += self.request.payload.sequence.eq(item.byte)
                        with m.Elif(~all_words):
                            m.d.comb += takes.eq(1)
            with m.State("REPORT"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    with m.If(self.request.payload.kind == Kind.IMAGE):
                        m.d.comb += feeder.starts.eq(1)
                        m.next = "FEED"
                    with m.Else():
                        m.next = "LISTEN"
            with m.State("FEED"), m.If(feeder.fed):
                m.next = "LISTEN"
        with m.If(self.i.valid & item.end):
            m.d.sync += [count.eq(0), word.eq(0), part.eq(0), lost.eq(0)]
        with m.Elif(self.i.valid & ~fsm.ongoing("LISTEN")):
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
