"""Softmax within a model: exponentials out of a table, their sum, and a pipelined division."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from amaranth import Cat, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import memory, wiring

from ..quant.graph import QNode
from . import deal, queue
from .fixed import minimum, shape_of
from .layer import LayerComponent, NoMultipliers
from .queue import CreditQueue
from .resources import Device, Resources, adder, register
from .stream import connect
from .table import LOOK_UP, look_up
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True, eq=False)
class RowSoftmaxFolding(NoMultipliers):
    """Softmax of each of `rows` of `length` values of shape `i`, one a word; `top` of shape `o` stands for 1.

    `table` holds the exponentials of a row's distances from its greatest value. A row is gathered while the one before
    it is read twice, for the sum and for the quotients: `2 · length + 1` cycles a row.
    """

    table: np.ndarray
    top: int
    i: Shape
    o: Shape
    length: int
    rows: int
    i_lanes = 1
    o_lanes = 1

    @property
    def exponential(self) -> Shape:
        """Shape of an entry of the table."""
        return unsigned(int(self.table[0]).bit_length())

    @property
    def total(self) -> Shape:
        """Shape of a row's sum."""
        return unsigned((self.length * int(self.table[0])).bit_length())

    @property
    def latency(self) -> int:
        """Cycles from a value's being read to its quotient: the memory, the distance, the table, the dividend."""
        return 1 + 1 + LOOK_UP + 1 + self.top.bit_length()

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, self.length, 2 * self.length + 1)

    @property
    def least_cycles(self) -> int:
        """Each row is read twice."""
        return 2 * self.length * self.rows

    @property
    def memory_bits(self) -> int:
        """Bits of the table and of two rows."""
        return len(self.table) * self.exponential.width + 2 * self.length * self.i.width

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        width, total = self.i.width, self.total.width
        taken = Resources(luts=30 + 3 * width, ffs=20 + 4 * width) + adder(total) * 2
        taken += deal.resources(2 * self.length, width, device)
        taken += deal.resources(len(self.table), self.exponential.width, device)
        stage = Resources(luts=2 * total) + register(2 * total + self.top.bit_length())
        return taken + stage * self.top.bit_length() + queue.resources(self.depth, self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin: the last word of a row hands it on, as soon as the row before it has been read."""
        yield self._gather()
        yield Buffer(room=1, latency=1)
        yield self._read()
        yield queue.timing(self.depth, self.latency)

    def _gather(self) -> Process:
        at = -1
        while True:
            for word in range(self.length):
                at = max(at + 1, (yield Peek()))
                if word == self.length - 1:
                    at = yield Put(at)
                yield Pop(at)

    def _read(self) -> Process:
        while True:
            at = (yield Peek()) + self.length - 1
            for _ in range(self.length):
                at = yield Put(at + 1)
            yield Pop(at)

    def build(self) -> "RowSoftmax":
        """The component."""
        return RowSoftmax(self)


def foldings(node: QNode) -> Iterator[RowSoftmaxFolding]:
    """The one folding there is."""
    *axes, length = node.input_shape
    yield RowSoftmaxFolding(
        node.arrays["table"], node.scalars["top"], shape_of(node.i), shape_of(node.o), length, math.prod(axes)
    )


class RowSoftmax(LayerComponent[RowSoftmaxFolding]):
    """`(e · top + (sum >> 1)) // sum` for each value of a row, `e = table[greatest - value]`, one value a word.

    Two rows of memory: one is written while the other is read. Reads go through one pipeline, first for the sum, then,
    as fast as the queue has room, for the quotients; the last sum is there just when the first dividend needs it.
    """

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        last = folding.length - 1
        m.submodules.queue = results = CreditQueue(folding.o, 1, folding.depth)
        connect(m, results.o, wiring.flipped(self.o))
        m.submodules.rows = rows = memory.Memory(shape=folding.i, depth=2 * folding.length, init=[])
        write, read = rows.write_port(), rows.read_port()

        # Writing: the greatest so far comes with the row, and is handed on with it.
        x = self.i.payload[0]
        written, slot, busy = Signal(range(folding.length)), Signal(), Signal()
        so_far, greatest = (Signal(folding.i, init=minimum(folding.i)) for _ in range(2))
        taken = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq((written != last) | ~busy),
            write.addr.eq(written + Mux(slot, folding.length, 0)),
            write.data.eq(x),
            write.en.eq(taken),
        ]
        greater = Mux((written == 0) | (x > so_far), x, so_far)
        with m.If(taken):
            m.d.sync += [so_far.eq(greater), written.eq(written + 1)]

        # Reading: once for the sum, once for the quotients.
        at, dividing = Signal(range(folding.length)), Signal()
        step = Signal()
        m.d.comb += [
            step.eq(busy & (~dividing | results.free)),
            results.book.eq(busy & dividing),
            read.addr.eq(at + Mux(slot, 0, folding.length)),
        ]
        with m.If(step):
            m.d.sync += at.eq(at + 1)
            with m.If(at == last):
                m.d.sync += [at.eq(0), dividing.eq(~dividing), busy.eq(~dividing)]
        with m.If(taken & (written == last)):
            m.d.sync += [written.eq(0), slot.eq(~slot), busy.eq(1), greatest.eq(greater)]

        # What each read is travels beside it: tag[n] is that of the read n cycles ago.
        summed, first = Signal(folding.latency + 1), Signal(folding.latency + 1)
        given = Signal(folding.latency + 1)
        tags = ((summed, step & ~dividing), (first, at == 0), (given, step & dividing))
        for tag, now in tags:
            m.d.comb += tag[0].eq(now)
            m.d.sync += tag[1:].eq(tag)

        distance = Signal(folding.i.width, reset_less=True)
        m.d.sync += distance.eq(greatest - read.data)
        e = look_up(m, "", folding.table.tolist(), folding.exponential, distance)
        total = Signal(folding.total, reset_less=True)
        known = 2 + LOOK_UP
        with m.If(summed[known]):
            m.d.sync += total.eq(Mux(first[known], 0, total) + e)
        dividend = Signal(unsigned((folding.top * int(folding.table[0])).bit_length() + 1), reset_less=True)
        divisor = Signal(folding.total, reset_less=True)
        m.d.sync += [dividend.eq(e * folding.top + (total >> 1)), divisor.eq(total)]
        m.d.comb += [
            results.word[0].eq(_quotient(m, dividend, divisor, folding.top.bit_length())),
            results.give.eq(given[folding.latency]),
        ]
        return m


def _quotient(m: Module, dividend: Value, divisor: Value, bits: int) -> Value:
    """`dividend // divisor`, known to have `bits` bits, as many cycles later: schoolbook division, a bit a stage."""
    quotient: list[Value] = []
    for bit in reversed(range(bits)):
        high = dividend[bit:]
        left = Signal(Shape(len(divisor) + bit), name=f"left{bit}", reset_less=True)
        known = Signal(bits - bit, name=f"quotient{bit}", reset_less=True)
        later = Signal(len(divisor), name=f"divisor{bit}", reset_less=True)
        enough = high >= divisor
        m.d.sync += [
            left.eq(Cat(dividend[:bit], (high - Mux(enough, divisor, 0))[: len(divisor)])),
            known.eq(Cat(enough, *quotient)),
            later.eq(divisor),
        ]
        dividend, divisor, quotient = left, later, [known]
    return quotient[0]
