"""2-D convolution: a sliding window before a folded sum of products."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from amaranth import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..quant.graph import QNode
from ..quant.ops.window import Placement
from . import dense, float_dense, window
from .dense import DenseFolding, Sums
from .float_dense import FloatDenseFolding, FloatSums
from .resources import Device, Resources, register
from .stream import Narrow, connect, lanes
from .timing import Buffer, Process
from .window import SlidingWindow


@dataclass(frozen=True, eq=False)
class Conv2DFolding:
    """A convolution, its windows at `placement`, its sums folded as `folding`. One pixel a word comes in.

    `pad` is the integer that stands for 0 around the image.
    """

    placement: Placement
    folding: DenseFolding | FloatDenseFolding
    pad: int = 0

    @property
    def i(self) -> Shape:
        """Shape of an input value."""
        return self.folding.i

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.folding.o

    @property
    def i_lanes(self) -> int:
        """All channels of a pixel."""
        return self.placement.shape[2]

    @property
    def o_lanes(self) -> int:
        """Output channels a word."""
        return self.folding.o_lanes

    @property
    def least_cycles(self) -> int:
        """One step a clock; or one place of the padded image a clock."""
        (down, across), (height, width) = self.placement.count, self.placement.padded
        return max(down * across * self.folding.least_cycles, height * width)

    @property
    def multipliers(self) -> int:
        """Multipliers in the array."""
        return self.folding.multipliers

    @property
    def memory_bits(self) -> int:
        """Bits of weights and of the line buffer."""
        return self.folding.memory_bits + window.line_bits(self.placement, self.i.width)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        held = register(self.placement.values * self.i.width)
        if self.folding.words > 1:  # the window moves on, part by part
            held += Resources(luts=held.ffs)
        return window.resources(self.placement, self.i.width, device) + held + self.folding.resources(device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield window.timing(self.placement)
        yield Narrow.timing(self.folding.words)
        yield from self.folding.timing()

    def build(self) -> "Conv2D":
        """The component."""
        return Conv2D(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[Conv2DFolding]":
        """With multipliers made of LUTs."""
        for folding in self.folding.with_fewer_dsps(excess):
            yield replace(self, folding=folding)


def foldings(node: QNode) -> Iterator[Conv2DFolding]:
    """Every folding of an integer layer that is worth a look."""
    placement = node.spec.placement(node.input_shape)
    for folding in dense.sum_foldings(Sums.of(node)):
        yield Conv2DFolding(placement, folding, node.i.zero)


def float_foldings(node: QNode) -> Iterator[Conv2DFolding]:
    """Every folding of a layer in floating point that is worth a look."""
    placement = node.spec.placement(node.input_shape)
    for folding in float_dense.sum_foldings(FloatSums.of(node)):
        yield Conv2DFolding(placement, folding, node.i.zero)


class Conv2D(wiring.Component):
    """A convolution over a stream of pixels: sliding window, the window dealt out in parts, sums of products.

    While the sums of one window are formed the next is gathered.
    """

    def __init__(self, folding: Conv2DFolding) -> None:
        self.folding = folding
        super().__init__({"i": In(lanes(folding.i, folding.i_lanes)), "o": Out(lanes(folding.o, folding.o_lanes))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        placement, folding = self.folding.placement, self.folding.folding
        m.submodules.window = sliding = SlidingWindow(folding.i, placement, self.folding.pad)
        m.submodules.parts = parts = Narrow(folding.i, placement.values, folding.words)
        m.submodules.sums = sums = folding.build()
        connect(m, wiring.flipped(self.i), sliding.i)
        connect(m, sliding.o, parts.i)
        connect(m, parts.o, sums.i)
        connect(m, sums.o, wiring.flipped(self.o))
        return m
