"""Streams side by side: a word of each at once, for layers that work on the values of several tensors in pairs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from amaranth import Cat, Module, Shape, Signal
from amaranth.lib import wiring

from .layer import Folding, LayerComponent, Port
from .resources import Device, Resources
from .stream import connect
from .timing import Buffer, Peek, Pop, Process, Put


@dataclass(frozen=True)
class ZipFolding:
    """Inputs of `shapes`, before a layer `inner` of one input whose words hold a value of each, side by side, in turn:
    value 0 of every input, then value 1 of every input, and so on.
    """

    shapes: tuple[Shape, ...]
    inner: Folding

    @property
    def i(self) -> Shape:
        """Shape of a value of the first input."""
        return self.shapes[0]

    @property
    def i_lanes(self) -> int:
        """Values a word of each input."""
        return self.inner.i_lanes // len(self.shapes)

    @property
    def ports(self) -> tuple[Port, ...]:
        """The inputs."""
        return tuple(Port(shape, self.i_lanes) for shape in self.shapes)

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.inner.o

    @property
    def o_lanes(self) -> int:
        """Values a word out."""
        return self.inner.o_lanes

    @property
    def least_cycles(self) -> int:
        """Those of the layer."""
        return self.inner.least_cycles

    @property
    def multipliers(self) -> int:
        """Those of the layer."""
        return self.inner.multipliers

    @property
    def memory_bits(self) -> int:
        """Those of the layer."""
        return self.inner.memory_bits

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        return Resources(luts=len(self.shapes)) + self.inner.resources(device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield together(len(self.shapes))
        yield from self.inner.timing()

    def build(self) -> "Zip":
        """The component."""
        return Zip(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[ZipFolding]":
        """With multipliers made of LUTs."""
        for inner in self.inner.with_fewer_dsps(excess):
            yield replace(self, inner=inner)


def together(ports: int) -> Process:
    """Takes a word of every input in the cycle in which all are there and the layer takes them."""
    while True:
        offered = 0
        for port in range(ports):
            offered = max(offered, (yield Peek(port)))
        left = yield Put(offered)
        for port in range(ports):
            yield Pop(left, port)


def common(shapes: tuple[Shape, ...]) -> Shape:
    """The narrowest shape that holds every value of all `shapes`."""
    signed = any(shape.signed for shape in shapes)
    return Shape(max(shape.width + (signed and not shape.signed) for shape in shapes), signed)


class Zip(LayerComponent[ZipFolding]):
    """A layer behind several streams, of which it takes a word each at a time."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.submodules.layer = layer = self.folding.inner.build()
        sources = [getattr(self, f"i{at}") for at in range(len(self.folding.shapes))]
        there = Signal()
        m.d.comb += [there.eq(Cat(source.valid for source in sources).all()), layer.i.valid.eq(there)]
        m.d.comb += [source.ready.eq(there & layer.i.ready) for source in sources]
        for value in range(self.folding.i_lanes):
            for at, source in enumerate(sources):
                m.d.comb += layer.i.payload[value * len(sources) + at].eq(source.payload[value])
        connect(m, layer.o, wiring.flipped(self.o))
        return m
