"""The part of a stream that is a model's own input among several: the other words are dropped."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, Shape, Signal

from ..quant.graph import QNode
from .fixed import shape_of
from .layer import LayerComponent, NoMultipliers
from .resources import Device, Resources
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True)
class SliceFolding(NoMultipliers):
    """Words `start` to `stop` of a tensor of `words`, `i_lanes` values of `i` each, passed on as values of `o`."""

    i: Shape
    o: Shape
    i_lanes: int
    start: int
    stop: int
    words: int
    memory_bits = 0

    @property
    def o_lanes(self) -> int:
        """Values a word out."""
        return self.i_lanes

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.words

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        width = self.words.bit_length()
        return Resources(luts=4 * width, ffs=width)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield self._words()

    def _words(self) -> Process:
        at = -1
        while True:
            for word in range(self.words):
                at = max(at + 1, (yield Peek()))
                if self.start <= word < self.stop:
                    at = yield Put(at)
                yield Pop(at)

    def build(self) -> "Slice":
        """The component."""
        return Slice(self)


def foldings(node: QNode) -> Iterator[SliceFolding]:
    """As many lanes as divide the part, and what is around it."""
    (values,) = node.input_shape
    span = node.spec.span
    most = math.gcd(span.start, span.stop, values, node.output_shape[-1])
    for n in (n for n in range(1, most + 1) if most % n == 0):
        yield SliceFolding(shape_of(node.i), shape_of(node.o), n, span.start // n, span.stop // n, values // n)


class Slice(LayerComponent[SliceFolding]):
    """Passes some words of each tensor on, each in the cycle in which it is taken."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        word, mine = Signal(range(folding.words)), Signal()
        m.d.comb += [
            mine.eq((word >= folding.start) & (word < folding.stop)),
            self.o.valid.eq(self.i.valid & mine),
            self.i.ready.eq(self.o.ready | ~mine),
        ]
        m.d.comb += [lane.eq(value) for lane, value in zip(self.o.payload, self.i.payload, strict=True)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += word.eq(word + 1)
            with m.If(word == folding.words - 1):
                m.d.sync += word.eq(0)
        return m
