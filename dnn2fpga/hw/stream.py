"""Streams of lanes, and the small components that every pipeline is joined with.

A stream carries tensors in raster order, channels innermost, `n` values (lanes) a word, one tensor after another
without a gap. The rules are those of `amaranth.lib.stream`: valid never waits for ready, a word once offered stays.
"""

from amaranth import Cat, Module, Mux, ShapeLike, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .resources import Resources
from .timing import Buffer, Process, Put, Take


def lanes(shape: ShapeLike, n: int) -> stream.Signature:
    """The signature of a stream of `n` values of `shape` a word."""
    return stream.Signature(data.ArrayLayout(shape, n))


def connect(m: Module, source: stream.Interface, sink: stream.Interface) -> None:
    """Join two streams whose payloads have the very same shape.

    `wiring.connect` compares only their widths, so that a signed value would pass for an unsigned one. Raises
    `TypeError` if the shapes differ.
    """
    _check_shapes(source, sink)
    m.d.comb += [
        sink.payload.eq(source.payload),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]


def fork(m: Module, source: stream.Interface, sinks: list[stream.Interface]) -> None:
    """Give every word of `source` to all `sinks`, in the first cycle in which all are ready.

    They must be such whose `ready` comes from a register, as that of `MasterSlave` does: each is offered a word only
    when the others are ready, and what is ready stays so until it gets one.
    """
    for at, sink in enumerate(sinks):
        _check_shapes(source, sink)
        others = [other.ready for index, other in enumerate(sinks) if index != at]
        m.d.comb += [sink.payload.eq(source.payload), sink.valid.eq(Cat(source.valid, *others).all())]
    m.d.comb += source.ready.eq(Cat(sink.ready for sink in sinks).all())


def _check_shapes(source: stream.Interface, sink: stream.Interface) -> None:
    if source.payload.shape() != sink.payload.shape():
        raise TypeError(f"cannot join a stream of {source.payload.shape()!r} to one of {sink.payload.shape()!r}")


class MasterSlave(wiring.Component):
    """Two registers between two layers: the master takes the new word while the slave holds the old for its reader.

    They change places with every word. So each is enabled by registers alone, and `o.ready` reaches three flip-flops
    only, however wide the word: no path of logic crosses from layer to layer. `i.ready` and `o.valid` are registers.
    Latency 1 cycle, one word a cycle, room for 2 words.
    """

    def __init__(self, shape: ShapeLike, n: int) -> None:
        super().__init__({"i": In(lanes(shape, n)), "o": Out(lanes(shape, n))})

    @staticmethod
    def timing() -> Buffer:
        """As a timed buffer."""
        return Buffer(room=2, latency=1)

    @staticmethod
    def resources(width: int) -> Resources:
        """What it takes for words of `width` bits."""
        return Resources(luts=width + 6, ffs=2 * width + 6)

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        words = [Signal.like(self.i.payload, name=f"word{at}", reset_less=True) for at in range(2)]
        master, slave = Signal(), Signal()  # which of the words each is
        held, holds = Signal(), Signal()  # both hold a word; they will
        loads = Signal(2, init=1)  # which of the words is the master, if any is free: a register enables all its bits
        moves = self.i.valid & ~held
        m.d.comb += [
            self.i.ready.eq(~held),
            self.o.payload.as_value().eq(Mux(slave, words[1].as_value(), words[0].as_value())),
        ]
        for at, word in enumerate(words):
            with m.If(loads[at]):
                m.d.sync += word.eq(self.i.payload)
        m.d.comb += holds.eq(self.o.valid & ~self.o.ready & (held | self.i.valid))
        m.d.sync += [
            held.eq(holds),
            self.o.valid.eq(held | self.i.valid | (self.o.valid & ~self.o.ready)),
            master.eq(master ^ moves),
            slave.eq(slave ^ (self.o.valid & self.o.ready)),
            loads.eq(Mux(holds, 0, Mux(master ^ moves, 0b10, 0b01))),
        ]
        return m


class Widen(wiring.Component):
    """Gathers `factor` words of `n` lanes into one, the first in the lowest lanes.

    The word leaves 1 cycle after its last part came; parts come one a cycle, without a pause between words. The first
    part of the next word may come while this one waits to be taken, no other. `i.ready` is a register.
    """

    def __init__(self, shape: ShapeLike, n: int, factor: int) -> None:
        if factor < 2:
            raise ValueError(f"factor must be at least 2, not {factor!r}")
        self.factor = factor
        super().__init__({"i": In(lanes(shape, n)), "o": Out(lanes(shape, n * factor))})

    @staticmethod
    def timing(factor: int) -> Process:
        """As a timed process."""
        left = came = -1
        while True:
            for part in range(factor):
                came = yield Take(max(came, left) + 1 if part == 1 else came + 1)
            left = yield Put(came + 1)

    @staticmethod
    def resources(width: int, factor: int) -> Resources:
        """What it takes for words of `width` bits."""
        return Resources(luts=8, ffs=width * (factor + 1) + factor + 3)

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        next_part = Signal(self.factor)
        part = Signal(self.factor, init=1)  # a bit for each: the one that comes next
        second = Signal()  # the second comes next, and can be taken
        first = Signal.like(self.i.payload, reset_less=True)
        parts = Signal(data.ArrayLayout(len(self.i.payload.as_value()), self.factor), reset_less=True)
        ready = Signal(init=1)
        comes, waits = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(ready),
            comes.eq(self.i.valid & ready),
            waits.eq(self.o.valid & ~self.o.ready),
            next_part.eq(Mux(comes, part.rotate_left(1), part)),
            self.o.payload.as_value().eq(parts),
        ]
        # Whether a word is taken is known too late to enable with it what takes the next part. So the first goes to a
        # place of its own, and comes to the others with the second, of which that is known a cycle early.
        m.d.sync += [
            part.eq(next_part),
            second.eq(next_part[1] & ~waits),
            ready.eq(~(next_part[1] & waits)),
            self.o.valid.eq((comes & part[-1]) | waits),
        ]
        # A register enables all bits of each; what is loaded before it came is loaded again.
        with m.If(part[0]):
            m.d.sync += first.eq(self.i.payload)
        with m.If(second):
            m.d.sync += [parts[0].eq(first), parts[1].eq(self.i.payload)]
        for at in range(2, self.factor):
            with m.If(part[at]):
                m.d.sync += parts[at].eq(self.i.payload)
        return m


class Narrow(wiring.Component):
    """Deals a word of `n` lanes out as `factor` words of `⌈n / factor⌉`, lowest lanes first, filled up with zeros.

    The first part leaves 1 cycle after the word came; parts follow one a cycle, without a pause between words.
    `factor` 1 is a register that frees its source while the reader still works.
    """

    def __init__(self, shape: ShapeLike, n: int, factor: int) -> None:
        if factor < 1:
            raise ValueError(f"factor must be at least 1, not {factor!r}")
        self.factor = factor
        super().__init__({"i": In(lanes(shape, n)), "o": Out(lanes(shape, -(-n // factor)))})

    @staticmethod
    def timing(factor: int) -> Process:
        """As a timed process."""
        left = -1
        while True:
            left = yield Take(left)
            for _ in range(factor):
                left = yield Put(left + 1)

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        width = len(self.o.payload.as_value())
        held = Signal(width * self.factor, reset_less=True)
        valid = Signal()
        part, last = Signal(range(self.factor)), Signal(init=self.factor == 1)  # known a cycle early
        m.d.comb += [
            self.o.payload.as_value().eq(held[:width]),
            self.o.valid.eq(valid),
            self.i.ready.eq(~valid | (last & self.o.ready)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                held.eq(self.i.payload.as_value()),
                valid.eq(self.i.valid),
                part.eq(0),
                last.eq(self.factor == 1),
            ]
        if self.factor > 1:
            with m.Elif(self.o.ready):
                m.d.sync += [held.eq(held[width:]), part.eq(part + 1), last.eq(part == self.factor - 2)]
        return m
