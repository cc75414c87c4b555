"""The queue at the end of a pipeline that cannot be halted: room is booked before a word sets out.

A pipeline of multipliers runs best if nothing can stop it: no clock enable reaches over the whole chip. So
back-pressure acts at its head: a step that will give a word waits until a place in the queue is free.
"""

from amaranth import Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from . import buffer
from .primitives.family import family_of
from .resources import Device, Resources
from .stream import MasterSlave, connect, lanes
from .timing import Buffer, Peek, Pop, Process, Put

LATENCY = 3
"""Cycles from a word's coming in to its being offered."""

PIECES = 32
"""Pieces of LUT memory that a block RAM is worth: more than elsewhere, for its slow output has no register here."""

BACK = 3
"""Cycles from the taking of the last word of a place to the first in which the place can be booked again, at least."""


class CreditQueue(wiring.Component):
    """A queue with room for `depth` bursts (at least 2) of `burst` words, on the way or waiting.

    While `free` is high, `book` reserves a place; `next_free` is what `free` will be in the next cycle. The words may
    come any number of cycles later, with `give` high. A place comes free `back` cycles after the last of its words was
    taken, at least `BACK`: the more, the farther the head of the pipeline, where places are booked, may be.
    """

    def __init__(self, shape: ShapeLike, n: int, depth: int, burst: int = 1, back: int = BACK) -> None:
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth!r}")
        if back < BACK:
            raise ValueError(f"back must be at least {BACK}, not {back!r}")
        self.shape, self.n, self.depth, self.burst, self.back = shape, n, depth, burst, back
        signature = lanes(shape, n)
        super().__init__(
            {
                "free": Out(1),
                "next_free": Out(1),
                "book": In(1),
                "word": In(signature.members["payload"].shape),
                "give": In(1),
                "o": Out(signature),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        words = self.depth * self.burst
        m.submodules.registers = registers = MasterSlave(self.shape, self.n)
        connect(m, registers.o, wiring.flipped(self.o))

        taken, came, word = Signal(self.back - 1), Signal(), Signal(range(self.burst))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += word.eq(Mux(word == self.burst - 1, 0, word + 1))
        m.d.sync += taken.eq(Cat(self.o.valid & self.o.ready & (word == self.burst - 1), taken))
        m.d.sync += came.eq(self.give)
        free, next_free = _any(m, "credits", self.depth, taken[-1], self.book, full=True)
        waiting, _ = _any(m, "waiting", words, came, registers.i.ready, full=False)
        m.d.comb += [self.free.eq(free), self.next_free.eq(next_free), registers.i.valid.eq(waiting)]

        width = len(self.word.as_value())
        in_block = buffer.in_block(words, width, PIECES) or family_of(platform) == "ice40"
        # Without a clock a port cannot be told that it is read apart: Yosys 0.70 aborts.
        m.submodules.memory = memory = buffer.buffer(words, width, apart=in_block, pieces=PIECES)
        write, leaves = memory.write_port(), registers.i.valid & registers.i.ready
        put, _ = buffer.places(m, "put", words, self.give)
        get, ahead = buffer.places(m, "get", words, leaves)
        m.d.comb += [write.addr.eq(put), write.data.eq(self.word.as_value()), write.en.eq(self.give)]
        if in_block:
            read = memory.read_port()
            m.d.comb += read.addr.eq(Mux(leaves, ahead, get))  # what is read before it came is not said to be there
        else:
            read = memory.read_port(domain="comb")
            m.d.comb += read.addr.eq(get)
        m.d.comb += registers.i.payload.as_value().eq(read.data)
        return m

    def book_each(self, m: Module, source: stream.Interface, latency: int) -> Signal:
        """Take a word a clock from `source` into a pipeline of `latency` cycles, a place booked for what each gives.

        Bit n of the answer is high n cycles after each word.
        """
        step = Signal(latency + 1)
        m.d.sync += step[1:].eq(step)
        m.d.comb += [
            step[0].eq(source.valid & self.free),
            source.ready.eq(self.free),
            self.book.eq(source.valid),
            self.give.eq(step[latency]),
        ]
        return step


def _any(m: Module, name: str, most: int, more: Value, less: Value, *, full: bool) -> tuple[Signal, Signal]:
    """Whether there are any of what is counted, and whether there will be in the next cycle.

    There are `most` at most; each clock there is one more, or one less if there are any. Whether there are any is a
    register, since much waits for it, and follows from others by a LUT, not from the count: that is a cycle late, for
    what adds to it and takes from it may come from far.
    """
    count = Signal(range(most + 1), init=most if full else 0, name=name)
    came, went = Signal(name=f"more_{name}"), Signal(name=f"less_{name}")
    some, single = Signal(init=full, name=f"any_{name}"), Signal(init=full and most == 1, name=f"single_{name}")
    goes, then = less & some, Signal(name=f"next_any_{name}")
    m.d.comb += then.eq(more | (some & ~(single & less)))
    now = count + came - went
    m.d.sync += [came.eq(more), went.eq(goes), count.eq(now), some.eq(then)]
    with m.If(more != goes):
        m.d.sync += single.eq(Mux(more, ~some, now == 2))
    return some, then


def timing(depth: int, latency: int, back: int = BACK) -> Buffer:
    """A pipeline of `latency` cycles and its queue, as a timed buffer: put when booked."""
    return Buffer(room=depth, latency=latency + LATENCY, back=back)


def burst(words: int) -> Process:
    """Behind `timing`: each place gives `words` words, as fast as they are taken, and comes free with the last."""
    left = -1
    while True:
        offered = yield Peek()
        for at in range(words):
            left = yield Put(max(offered + at, left + 1))
        yield Pop(left)


def depth_for(latency: int, burst: int, period: int, back: int = BACK) -> int:
    """The least depth that never holds up a pipeline of `latency` cycles which gives `burst` words every `period`.

    That is the most words that can set out before the place of the first comes free again.
    """
    window = latency + LATENCY + back
    return max(2, burst * (window // period) + min(burst, window % period))


def resources(depth: int, width: int, device: Device) -> Resources:
    """What the queue takes: memory, registers behind it, places, and the counts of credits and of words."""
    pointer = depth.bit_length()
    taken = Resources(luts=8 * pointer + 10, ffs=6 * pointer + 6) + MasterSlave.resources(width)
    return taken + buffer.resources(depth, width, device, PIECES, registered=False)
