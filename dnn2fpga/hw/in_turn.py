"""Streams behind one another: some words of the first, some of the second, and so on, for ever round."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, Shape, Signal

from ..quant.graph import QNode
from .fixed import shape_of
from .layer import LayerComponent, NoMultipliers, Port
from .resources import Device, Resources
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True)
class InTurnFolding(NoMultipliers):
    """Of each input `turns[at]` words of `i_lanes` values in turn, `size` values a tensor, all made values of `o`."""

    shapes: tuple[Shape, ...]
    o: Shape
    turns: tuple[int, ...]
    i_lanes: int
    size: int
    memory_bits = 0

    @property
    def i(self) -> Shape:
        """Shape of a value of the first input."""
        return self.shapes[0]

    @property
    def ports(self) -> tuple[Port, ...]:
        """The inputs."""
        return tuple(Port(shape, self.i_lanes) for shape in self.shapes)

    @property
    def o_lanes(self) -> int:
        """Values a word out."""
        return self.i_lanes

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.size // self.i_lanes

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        count = max(self.turns).bit_length()
        return Resources(luts=self.i_lanes * self.o.width * (len(self.turns) - 1) + 2 * count + 8, ffs=count + 4)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield self._words()

    def _words(self) -> Process:
        at = -1
        while True:
            for port, words in enumerate(self.turns):
                for _ in range(words):
                    at = yield Put(max(at + 1, (yield Peek(port))))
                    yield Pop(at, port)

    def build(self) -> "InTurn":
        """The component."""
        return InTurn(self)


def foldings(node: QNode) -> Iterator[InTurnFolding]:
    """As many lanes as divide what each input gives in its turn."""
    shapes = tuple(shape_of(arriving.fmt) for arriving in node.arriving)
    turns = node.spec.turns(*(arriving.shape for arriving in node.arriving))
    most = math.gcd(*turns, node.output_shape[-1])
    for n in (n for n in range(1, most + 1) if most % n == 0):
        words = tuple(values // n for values in turns)
        yield InTurnFolding(shapes, shape_of(node.o), words, n, math.prod(node.output_shape))


class InTurn(LayerComponent[InTurnFolding]):
    """Passes words of several streams on in turn, each in the cycle in which it is taken."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        turns = self.folding.turns
        port, word = Signal(range(len(turns))), Signal(range(max(turns)))
        with m.Switch(port):
            for at, words in enumerate(turns):
                source = getattr(self, f"i{at}")
                with m.Case(at):
                    m.d.comb += [self.o.valid.eq(source.valid), source.ready.eq(self.o.ready)]
                    m.d.comb += [lane.eq(value) for lane, value in zip(self.o.payload, source.payload, strict=True)]
                    with m.If(self.o.valid & self.o.ready):
                        m.d.sync += word.eq(word + 1)
                        with m.If(word == words - 1):
                            m.d.sync += [word.eq(0), port.eq((at + 1) % len(turns))]
        return m
