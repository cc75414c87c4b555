"""The greater of several values side by side: comparisons, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, Mux, Shape

from ..quant.graph import QNode
from .fixed import shape_of
from .layer import LayerComponent, NoMultipliers
from .resources import Device, Resources
from .timing import Buffer, Process, wire
from .value_by_value import lane_choices
from .zip import ZipFolding


@dataclass(frozen=True)
class MaximumFolding(NoMultipliers):
    """The greatest of `inputs` neighbors of shape `i`, `o_lanes` results a word, `size` a tensor."""

    i: Shape
    inputs: int
    o_lanes: int
    size: int
    memory_bits = 0

    @property
    def o(self) -> Shape:
        """Shape of an output value: unchanged."""
        return self.i

    @property
    def i_lanes(self) -> int:
        """Values a word in."""
        return self.inputs * self.o_lanes

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.size // self.o_lanes

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        return Resources(luts=2 * self.i.width * (self.inputs - 1) * self.o_lanes)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield wire()

    def build(self) -> "Maximum":
        """The component."""
        return Maximum(self)


def foldings(node: QNode) -> Iterator[ZipFolding]:
    """As many lanes as divide the channels."""
    shapes = tuple(shape_of(arriving.fmt) for arriving in node.arriving)
    for n, size in lane_choices(node):
        yield ZipFolding(shapes, MaximumFolding(shapes[0], len(shapes), n, size))


class Maximum(LayerComponent[MaximumFolding]):
    """The greatest of each `inputs` neighbors of a word, in the same cycle."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        inputs = self.folding.inputs
        for lane, greatest in enumerate(self.o.payload):
            so_far = self.i.payload[lane * inputs]
            for at in range(1, inputs):
                value = self.i.payload[lane * inputs + at]
                so_far = Mux(value > so_far, value, so_far)
            m.d.comb += greatest.eq(so_far)
        return m
