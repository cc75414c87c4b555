"""Global pooling: the sum or the greatest of each channel so far goes round in a ring; the last pixel's leave."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from amaranth import Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring

from ..quant.graph import QNode
from . import buffer, counter, queue
from .counter import counters
from .fixed import maximum, minimum, shape_for, shape_of
from .layer import LayerComponent
from .queue import CreditQueue
from .requantize import Requantize, Rescale
from .resources import Device, Resources, adder, register
from .stream import connect
from .timing import Buffer, Peek, Pop, Process, Put

REGISTERS = 16
"""Words up to which the ring is made of registers; a longer one is a memory."""


@dataclass(frozen=True)
class Mean:
    """The constants of the rounding law that make of a sum what leaves, an integer of shape `o`."""

    multiplier: int
    offset: int
    shift: int
    o: Shape


@dataclass(frozen=True)
class GlobalPoolFolding:
    """Pooling of `pixels` pixels of `channels` values of shape `i`, `i_lanes` a word.

    With a `mean`, their sum goes through the rounding law; its multipliers are made of LUTs unless `rescale_dsp`.
    Without, the greatest leaves. Raises `ValueError` on lanes that do not divide the channels.
    """

    i: Shape
    pixels: int
    channels: int
    i_lanes: int
    mean: Mean | None = None
    rescale_dsp: bool = True

    multipliers = 0

    def __post_init__(self) -> None:
        if self.i_lanes < 1 or self.channels % self.i_lanes:
            raise ValueError(f"lanes must divide {self.channels} channels, not be {self.i_lanes!r}")

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.mean.o if self.mean else self.i

    @property
    def o_lanes(self) -> int:
        """As many values a word out as in."""
        return self.i_lanes

    @property
    def parts(self) -> int:
        """Words a pixel, and words a result."""
        return self.channels // self.i_lanes

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.pixels * self.parts

    @property
    def total(self) -> Shape:
        """A shape that holds every sum, or every greatest value, of some pixels."""
        if not self.mean:
            return self.i
        return shape_for(self.pixels * minimum(self.i), self.pixels * maximum(self.i))

    @cached_property
    def rescale(self) -> Rescale | None:
        """What follows the sums: the same for all channels."""
        if not self.mean:
            return None
        offset, multiplier = (np.full(self.i_lanes, n, np.int64) for n in (self.mean.offset, self.mean.multiplier))
        return Rescale(offset, multiplier, self.mean.shift, self.total, self.o)

    @property
    def latency(self) -> int:
        """Cycles from a word of the last pixel to its result, before the queue."""
        return 1 + (self.rescale.latency if self.rescale else 0)

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, self.parts, self.least_cycles)

    @property
    def waiting(self) -> int:
        """Words of the ring that wait while one is worked on."""
        return self.parts - 1 if self.pixels > 1 else 0

    @property
    def memory_bits(self) -> int:
        """Bits of the ring where it is a memory."""
        return self.parts * self.i_lanes * self.total.width if self.waiting >= REGISTERS else 0

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        word = self.i_lanes * self.total.width
        taken = counter.resources(self.parts, self.pixels) + adder(self.total.width) * self.i_lanes
        if not self.mean:
            taken += Resources(luts=word)
        if self.memory_bits:
            taken += buffer.resources(self.parts, word, device) + counter.resources(self.parts)
        else:
            taken += register(self.waiting * word)
        if self.rescale:
            taken += self.rescale.resources(self.i_lanes, device, dsp=self.rescale_dsp)
        return taken + queue.resources(self.depth, self.o_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield self._words()
        yield queue.timing(self.depth, self.latency)

    def _words(self) -> Process:
        at = -1
        while True:
            for word in range(self.least_cycles):
                at = max(at + 1, (yield Peek()))
                if word >= self.least_cycles - self.parts:
                    at = yield Put(at)
                yield Pop(at)

    def build(self) -> "GlobalPooler":
        """The component."""
        return GlobalPooler(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[GlobalPoolFolding]":
        """With multipliers made of LUTs, if it takes any."""
        if self.rescale_dsp and self.rescale and self.rescale.scaled.multipliers:
            yield replace(self, rescale_dsp=False)


def foldings(node: QNode) -> Iterator[GlobalPoolFolding]:
    """As many lanes as divide the channels; the average of a node with the constants for one, else the greatest."""
    *pixels, channels = node.input_shape
    mean = Mean(**node.scalars, o=shape_of(node.o)) if node.scalars else None
    for n in (n for n in range(1, channels + 1) if channels % n == 0):
        yield GlobalPoolFolding(shape_of(node.i), math.prod(pixels), channels, n, mean)


class GlobalPooler(LayerComponent[GlobalPoolFolding]):
    """One value a channel of a stream of pixels, a word a clock, without a pause between images."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        m.submodules.queue = results = CreditQueue(folding.o, folding.o_lanes, folding.depth)
        connect(m, results.o, wiring.flipped(self.o))

        # A word is taken if there is room for what the last pixel gives.
        step, may_step, first = Signal(), Signal(), Signal(init=1)
        part, pixel = counters(m, step, ("part", folding.parts), ("pixel", folding.pixels))
        with m.If(step & part.last):
            m.d.sync += first.eq(pixel.last)
        m.d.comb += [
            may_step.eq(~pixel.last | results.free),
            step.eq(self.i.valid & may_step),
            self.i.ready.eq(may_step),
            results.book.eq(step & pixel.last),
        ]

        # What comes is added to, or compared with, what is there of its channels.
        layout = data.ArrayLayout(folding.total, folding.i_lanes)
        newest, following = Signal(layout, reset_less=True), Signal(layout)
        so_far = data.View(layout, self._ring(m, step, part.at, newest.as_value(), following.as_value()))
        for lane, x in enumerate(self.i.payload):
            before = so_far[lane]
            m.d.comb += following[lane].eq(
                Mux(first, x, before + x) if folding.mean else Mux(first | (x > before), x, before)
            )
        with m.If(step):
            m.d.sync += newest.eq(following)

        given = Signal(folding.latency + 1)
        m.d.comb += given[0].eq(step & pixel.last)
        m.d.sync += given[1:].eq(given)
        m.d.comb += results.give.eq(given[folding.latency])
        if folding.rescale is None:
            m.d.comb += results.word.as_value().eq(newest.as_value())
            return m
        m.submodules.requantize = requantize = Requantize(folding.rescale, folding.o_lanes, dsp=folding.rescale_dsp)
        m.d.comb += [
            requantize.announce.eq(given[1 - requantize.lead]),
            requantize.sums.eq(newest),
            results.word.eq(requantize.o),
        ]
        return m

    def _ring(self, m: Module, step: Signal, at: Value, newest: Value, following: Value) -> Value:
        """What `following` was as many steps ago as a pixel has words; `newest` is what it was one ago."""
        folding = self.folding
        if not folding.memory_bits:
            for word in range(folding.waiting):
                older = Signal(len(newest), name=f"ring{word}", reset_less=True)
                with m.If(step):
                    m.d.sync += older.eq(newest)
                newest = older
            return newest
        m.submodules.ring = ring = buffer.buffer(folding.parts, len(newest))
        write, read = ring.write_port(), ring.read_port()
        later = Signal(range(folding.parts), init=2)  # two ahead: block RAM is slow, and gets a register behind it
        so_far = Signal(len(newest), reset_less=True)
        m.d.comb += [
            write.addr.eq(at),
            write.data.eq(following),
            write.en.eq(step),
            read.addr.eq(later),
            read.en.eq(step),
        ]
        with m.If(step):
            m.d.sync += [so_far.eq(read.data), later.eq(Mux(later == folding.parts - 1, 0, later + 1))]
        return so_far
