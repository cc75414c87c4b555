"""ReLU on its own: the sign decides; no clock is needed."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, Mux, Shape

from ..quant.graph import QNode
from .fixed import maximum, shape_for, shape_of
from .layer import LayerComponent, NoMultipliers
from .resources import Device, Resources
from .timing import Buffer, Process, wire
from .value_by_value import ValueByValue, lane_choices


@dataclass(frozen=True)
class ReLUFolding(ValueByValue, NoMultipliers):
    """ReLU of `size` values of shape `i`, in which `zero` stands for 0, a tensor, `i_lanes` a word."""

    i: Shape
    i_lanes: int
    size: int
    zero: int = 0
    memory_bits = 0

    @property
    def o(self) -> Shape:
        """Shape of an output value: unsigned, 0 standing for 0."""
        return shape_for(0, maximum(self.i) - self.zero)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        return Resources(luts=self.i_lanes * self.o.width * (2 if self.zero else 1))

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield wire()

    def build(self) -> "ReLU":
        """The component."""
        return ReLU(self)


def foldings(node: QNode) -> Iterator[ReLUFolding]:
    """As many lanes as the values divide into."""
    yield from (ReLUFolding(shape_of(node.i), n, size, node.i.zero) for n, size in lane_choices(node))


class ReLU(LayerComponent[ReLUFolding]):
    """`max(x, zero) - zero` of each value of a word, in the same cycle."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        zero = self.folding.zero
        m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        for x, y in zip(self.i.payload, self.o.payload, strict=True):
            m.d.comb += y.eq(Mux(x < zero, 0, x - zero))
        return m
