"""The queue at the end of a pipeline that cannot be halted: room is booked before a word sets out.

A pipeline of multipliers runs best if nothing can stop it: no clock enable reaches over the whole chip. So
back-pressure acts at its head: a step that will give a word waits until a place in the queue is free.
"""

from amaranth import Module, Mux, ShapeLike, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from . import buffer
from .resources import Device, Resources
from .stream import lanes
from .timing import Buffer, Peek, Pop, Process, Put

LATENCY = 2
"""Cycles from a word's coming in to its being offered."""

BACK = 2
"""Cycles from the taking of the last word of a place to the first in which the place can be booked again."""


class CreditQueue(wiring.Component):
    """A queue with room for `depth` bursts (at least 2) of `burst` words, on the way or waiting.

    While `free` is high, `book` reserves a place; the words may come any number of cycles later, with `give` high.
    A place comes free `BACK` cycles after the last of its words was taken.
    """

    def __init__(self, shape: ShapeLike, n: int, depth: int, burst: int = 1) -> None:
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth!r}")
        self.depth, self.burst = depth, burst
        signature = lanes(shape, n)
        super().__init__(
            {
                "free": Out(1),
                "book": In(1),
                "word": In(signature.members["payload"].shape),
                "give": In(1),
                "o": Out(signature),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        # One place more than there are credits: Amaranth counts its output register, which may yet be empty.
        width, words = len(self.word.as_value()), self.depth * self.burst
        m.submodules.fifo = queue = fifo.SyncFIFOBuffered(width=width, depth=words + 1)
        credits = Signal(range(self.depth + 1), init=self.depth)
        # What the credits say that much waits for, in registers: that there is one, and that there is no other.
        free, single = Signal(init=1), Signal()
        booked, taken = self.book & free, Signal()
        word = Signal(range(self.burst))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += word.eq(Mux(word == self.burst - 1, 0, word + 1))
        m.d.sync += [
            taken.eq(self.o.valid & self.o.ready & (word == self.burst - 1)),
            credits.eq(credits + taken - booked),
            free.eq(taken | (free & ~(single & self.book))),
        ]
        with m.If(taken != booked):
            m.d.sync += single.eq(Mux(taken, ~free, credits == 2))
        m.d.comb += [
            self.free.eq(free),
            queue.w_data.eq(self.word.as_value()),
            queue.w_en.eq(self.give),
            self.o.payload.as_value().eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
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


def timing(depth: int, latency: int) -> Buffer:
    """A pipeline of `latency` cycles and its queue, as a timed buffer: put when booked."""
    return Buffer(room=depth, latency=latency + LATENCY, back=BACK)


def burst(words: int) -> Process:
    """Behind `timing`: each place gives `words` words, as fast as they are taken, and comes free with the last."""
    left = -1
    while True:
        offered = yield Peek()
        for at in range(words):
            left = yield Put(max(offered + at, left + 1))
        yield Pop(left)


def depth_for(latency: int, burst: int, period: int) -> int:
    """The least depth that never holds up a pipeline of `latency` cycles which gives `burst` words every `period`.

    That is the most words that can set out before the place of the first comes free again.
    """
    window = latency + LATENCY + BACK
    return max(2, burst * (window // period) + min(burst, window % period))


def resources(depth: int, width: int, device: Device) -> Resources:
    """What the queue takes: memory, a register behind it, pointers and the count of credits."""
    pointer = depth.bit_length()
    return Resources(luts=8 * pointer, ffs=5 * pointer) + buffer.resources(depth, width, device, buffer.YOSYS_PIECES)
