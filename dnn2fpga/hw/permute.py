"""Permute: an image is written in one order while the one before is read in another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from amaranth import Module, Mux, Shape, Signal

from ..quant.graph import QNode
from ..quant.ops.cropping import Cropping
from . import buffer, counter
from .counter import counters
from .cropping import CroppingFolding
from .fixed import shape_of
from .layer import LayerComponent, NoMultipliers
from .resources import Device, Resources
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True)
class PermuteFolding(NoMultipliers):
    """Values of shape `i`, those of a tensor of `shape`, in the order in which `order` (from 0) puts its axes.

    A word is `i_lanes` values that stay side by side. Raises `ValueError` on more.
    """

    i: Shape
    shape: tuple[int, ...]
    order: tuple[int, ...]
    i_lanes: int

    def __post_init__(self) -> None:
        if self.i_lanes < 1 or together(self.shape, self.order) % self.i_lanes:
            raise ValueError(f"lanes must divide {together(self.shape, self.order)}, not be {self.i_lanes!r}")

    @property
    def o(self) -> Shape:
        """Shape of an output value: unchanged."""
        return self.i

    @property
    def o_lanes(self) -> int:
        """As many values a word out as in."""
        return self.i_lanes

    @property
    def words(self) -> int:
        """Words a tensor."""
        return math.prod(self.shape) // self.i_lanes

    @cached_property
    def walk(self) -> list[tuple[int, int]]:
        """The axes in the order in which words are read, the innermost first: (size, words from one to the next)."""
        inner = together(self.shape, self.order) // self.i_lanes
        outer = (
            (self.shape[axis], math.prod(self.shape[axis + 1 :]) // self.i_lanes)
            for axis in reversed(moved(self.shape, self.order))
        )
        return [(inner, 1), *outer]

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.words

    @property
    def depth(self) -> int:
        """Words of the memory, which holds two tensors."""
        return 2 * self.words

    @property
    def memory_bits(self) -> int:
        """Bits of the memory."""
        return self.depth * self.i_lanes * self.i.width

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        walk = counter.resources(self.words, self.depth, *(size for size, _ in self.walk))
        bits = self.depth.bit_length()
        adder = Resources(luts=bits * (1 + len(self.walk)), ffs=bits)
        return (
            walk + adder + Resources(luts=12, ffs=5) + buffer.resources(self.depth, self.i_lanes * self.i.width, device)
        )

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin. What goes through the buffer is each tensor's start and its end.

        The end leaves once the tensor was read, and the next tensor's start with it: so two tensors are in there at
        most, of one of which only the end is left.
        """
        yield self._written()
        yield Buffer(room=3, latency=1)
        yield self._read()

    def _written(self) -> Process:
        at = -1
        while True:
            for word in range(self.words):
                at = max(at + 1, (yield Peek()))
                if word == 0:
                    at = yield Put(at)
                yield Pop(at)
            yield Put(at)

    def _read(self) -> Process:
        last = free = 0
        while True:
            yield Peek()
            yield Pop(last)
            at = max(free, (yield Peek()))
            for _ in range(self.words):
                last = at
                free = at = yield Put(at + 1)
            yield Pop(last)

    def build(self) -> "Permuter":
        """The component."""
        return Permuter(self)


def foldings(node: QNode) -> Iterator[PermuteFolding | CroppingFolding]:
    """As many lanes as stay side by side; where all values stay in their order, nothing but wires."""
    shape, order = node.input_shape, tuple(axis - 1 for axis in node.spec.dims)
    i, size = shape_of(node.i), together(shape, order)
    straight = size == math.prod(shape)
    for n in (n for n in range(1, (shape[-1] if straight else size) + 1) if size % n == 0):
        if straight:
            yield CroppingFolding(i, (1, 1, size), n, Cropping(((0, 0), (0, 0))))
        else:
            yield PermuteFolding(i, shape, order, n)


def moved(shape: tuple[int, ...], order: tuple[int, ...]) -> list[int]:
    """The axes of `shape` that have a size, in their new order, without those at the end that stay there."""
    axes = [axis for axis in order if shape[axis] > 1]
    before = sorted(axes)
    while axes and axes[-1] == before[-1]:
        axes.pop()
        before.pop()
    return axes


def together(shape: tuple[int, ...], order: tuple[int, ...]) -> int:
    """Values that stay side by side when the axes of `shape` are put in that order."""
    return math.prod(shape) // math.prod(shape[axis] for axis in moved(shape, order))


class Permuter(LayerComponent[PermuteFolding]):
    """The words of each tensor in another order, a word a clock, without a pause between tensors."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        m.submodules.kept = kept = buffer.buffer(folding.depth, folding.i_lanes * folding.i.width)
        write, read = kept.write_port(), kept.read_port()
        full = [Signal(name=f"full{bank}") for bank in range(2)]
        writing, reading = Signal(), Signal()  # the bank

        write_step = Signal()
        (written,) = counters(m, write_step, ("written", folding.words))
        to = Signal(range(folding.depth))
        m.d.comb += [
            self.i.ready.eq(~Mux(writing, full[1], full[0])),
            write_step.eq(self.i.valid & self.i.ready),
            write.addr.eq(to),
            write.data.eq(self.i.payload.as_value()),
            write.en.eq(write_step),
        ]

        read_step = Signal()
        at = Signal(range(folding.depth))
        axes = counters(m, read_step, *((f"axis{n}", size) for n, (size, _) in enumerate(folding.walk)))
        m.d.comb += [
            read_step.eq(Mux(reading, full[1], full[0]) & (~self.o.valid | self.o.ready)),
            read.addr.eq(at),
            read.en.eq(read_step),
            self.o.payload.as_value().eq(read.data),
        ]
        # One step along an axis, and back to the start along those inside it.
        following, back = Signal.like(at), 0
        m.d.comb += following.eq(Mux(reading, 0, folding.words))  # the other bank
        all_last = 1
        for axis, (size, step) in zip(axes, folding.walk, strict=True):
            with m.If(all_last & ~axis.last):
                m.d.comb += following.eq(at + (step - back))
            all_last = all_last & axis.last
            back += (size - 1) * step
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(read_step):
            m.d.sync += [self.o.valid.eq(1), at.eq(following)]
            with m.If(all_last):
                m.d.sync += reading.eq(~reading)
        with m.If(write_step):
            m.d.sync += to.eq(to + 1)
            with m.If(written.last):
                m.d.sync += [writing.eq(~writing), to.eq(Mux(writing, 0, to + 1))]
        for bank in range(2):
            with m.If(write_step & written.last & (writing == bank)):
                m.d.sync += full[bank].eq(1)
            with m.Elif(read_step & all_last & (reading == bank)):
                m.d.sync += full[bank].eq(0)
        return m
