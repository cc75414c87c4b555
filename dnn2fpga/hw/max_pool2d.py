"""Max-pooling: a sliding window, then a tree of comparisons."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import data, wiring

from ..quant.graph import QNode
from ..quant.ops.window import Placement
from . import queue, window
from .fixed import minimum, shape_of
from .layer import LayerComponent, NoMultipliers, divisors
from .mac import levels
from .queue import CreditQueue
from .resources import Device, Resources
from .stream import connect
from .timing import Buffer, Process, one_a_clock
from .window import SlidingWindow


@dataclass(frozen=True)
class MaxPool2DFolding(NoMultipliers):
    """Max-pooling of windows at `placement` over values of shape `i`: `channels / turns` at once, as much a clock."""

    placement: Placement
    i: Shape
    turns: int = 1

    @property
    def o(self) -> Shape:
        """Shape of an output value: unchanged."""
        return self.i

    @property
    def i_lanes(self) -> int:
        """The channels of a pixel that are compared at once."""
        return self.placement.shape[2] // self.turns

    @property
    def o_lanes(self) -> int:
        """As many as come in."""
        return self.i_lanes

    @property
    def leaves(self) -> int:
        """Values compared for each that leaves."""
        return self.placement.window.kernel[0] * self.placement.window.kernel[1]

    @property
    def latency(self) -> int:
        """Cycles from a window's being taken to the greatest value of each channel, before the queue."""
        return window.LATE + levels(self.leaves)

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, self.turns, self.turns * self.placement.window.strides[1])

    @property
    def least_cycles(self) -> int:
        """One turn of a place of the padded image a clock."""
        height, width = self.placement.padded
        return height * width * self.turns

    @property
    def memory_bits(self) -> int:
        """Bits of the window's memories."""
        return window.memory_bits(self.placement, self.i.width, self.turns)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        width = self.i.width
        comparison = Resources(luts=width + width + width % 2, ffs=width)
        taken = window.resources(self.placement, width, device, self.turns, late=True)
        taken += comparison * ((self.leaves - 1) * self.i_lanes)
        return taken + queue.resources(self.depth, self.o_lanes * width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield window.timing(self.placement, self.turns, late=True)
        yield one_a_clock()
        yield queue.timing(self.depth, self.latency)

    def build(self) -> "MaxPool2D":
        """The component."""
        return MaxPool2D(self)


def foldings(node: QNode) -> Iterator[MaxPool2DFolding]:
    """As many channels at once as divide them."""
    placement, channels = node.spec.window.over(node.input_shape), node.input_shape[-1]
    for turns in divisors(channels):
        yield MaxPool2DFolding(placement, shape_of(node.i), turns)


class MaxPool2D(LayerComponent[MaxPool2DFolding]):
    """The greatest value of each window of each channel, over a stream of pixels. Padding never wins."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding, channels = self.folding, self.folding.i_lanes
        m.submodules.window = sliding = SlidingWindow(
            folding.i, folding.placement, minimum(folding.i), folding.turns, late=True
        )
        m.submodules.queue = results = CreditQueue(folding.o, channels, folding.depth)
        connect(m, wiring.flipped(self.i), sliding.i)
        connect(m, results.o, wiring.flipped(self.o))

        results.book_each(m, sliding.o, folding.latency)
        for channel in range(channels):
            values = [sliding.o.payload[leaf * channels + channel] for leaf in range(folding.leaves)]
            for level in range(levels(folding.leaves)):
                layout = data.ArrayLayout(folding.i, -(-len(values) // 2))
                later = Signal(layout, name=f"level{level}_{channel}", reset_less=True)
                for at, node in enumerate(later):
                    pair = values[2 * at : 2 * at + 2]
                    m.d.sync += node.eq(Mux(pair[0] > pair[-1], pair[0], pair[-1]))
                values = list(later)
            m.d.comb += results.word[channel].eq(values[0])
        return m
