"""Products of two tensors, value by value."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from amaranth import Module, Shape
from amaranth.lib import wiring

from ..quant.fixed import Format
from ..quant.graph import QNode
from . import queue
from .bent import constants_of
from .fixed import product_shape, shape_for, shape_of
from .layer import LayerComponent
from .mac import multiplier_resources
from .primitives.multiplier import Multiplier
from .queue import CreditQueue
from .requantize import Bent, Requantize, Rescale
from .resources import Device, Resources
from .stream import connect
from .timing import Buffer, Process, one_a_clock
from .value_by_value import lane_choices
from .zip import ZipFolding, common


@dataclass(frozen=True, eq=False)
class MultiplyFolding:
    """`(x_0 - z_0) · (x_1 - z_1)`, rescaled, of neighbors of shape `i`: `o_lanes` results a word, `size` a tensor.

    `factors` are the shapes of both differences, `zeros` what stands for 0.
    """

    i: Shape
    factors: tuple[Shape, Shape]
    zeros: tuple[int, int]
    rescale: Rescale
    o_lanes: int
    size: int
    dsp: bool = True
    memory_bits = 0

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return self.rescale.o

    @property
    def i_lanes(self) -> int:
        """Values a word in."""
        return 2 * self.o_lanes

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.size // self.o_lanes

    @property
    def multipliers(self) -> int:
        """One a lane."""
        return self.o_lanes

    @property
    def latency(self) -> int:
        """Cycles from a word to its results, before the queue."""
        return Multiplier.latency_of(*self.factors) + self.rescale.latency

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, 1, 1)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        differences = Resources(
            luts=sum(shape.width for shape, zero in zip(self.factors, self.zeros, strict=True) if zero)
        )
        taken = (differences + multiplier_resources(*self.factors, device, dsp=self.dsp)) * self.o_lanes
        taken += self.rescale.resources(self.o_lanes, device, dsp=self.dsp)
        return taken + queue.resources(self.depth, self.o_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield one_a_clock()
        yield queue.timing(self.depth, self.latency)

    def build(self) -> "Multiply":
        """The component."""
        return Multiply(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[MultiplyFolding]":
        """With all multipliers made of LUTs."""
        if self.dsp:
            yield replace(self, dsp=False)


def foldings(node: QNode) -> Iterator[ZipFolding]:
    """As many lanes as divide the channels."""
    law, scalars = constants_of(node), node.scalars
    zeros = scalars["zero_0"], scalars["zero_1"]
    formats = [arriving.fmt for arriving in node.arriving]
    factors = tuple(shape_for(fmt.minimum - zero, fmt.maximum - zero) for fmt, zero in zip(formats, zeros, strict=True))
    shapes = tuple(shape_of(fmt) for fmt in formats)
    assert isinstance(node.o, Format)
    for n, size in lane_choices(node):
        offset, multiplier = np.tile(law.offset, n), np.tile(law.multiplier, n)
        bent = law.bent and Bent(np.tile(law.bent.offset, n), np.tile(law.bent.bend, n))
        rescale = Rescale(offset, multiplier, law.shift, product_shape(*factors), shape_of(node.o), law.limits, bent)
        yield ZipFolding(shapes, MultiplyFolding(common(shapes), factors, zeros, rescale, n, size))


class Multiply(LayerComponent[MultiplyFolding]):
    """The product of each pair of neighbors of a word, rescaled; a word a clock."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        m.submodules.queue = results = CreditQueue(folding.o, folding.o_lanes, folding.depth)
        m.submodules.requantize = requantize = Requantize(folding.rescale, folding.o_lanes, dsp=folding.dsp)
        step = results.book_each(m, wiring.flipped(self.i), folding.latency)
        for lane in range(folding.o_lanes):
            m.submodules[f"product{lane}"] = product = Multiplier(*folding.factors, dsp=folding.dsp)
            m.d.comb += [
                product.a.eq(self.i.payload[2 * lane] - folding.zeros[0]),
                product.b.eq(self.i.payload[2 * lane + 1] - folding.zeros[1]),
                requantize.sums[lane].eq(product.p),
            ]
        m.d.comb += [
            requantize.announce.eq(step[Multiplier.latency_of(*folding.factors) - requantize.lead]),
            results.word.eq(requantize.o),
        ]
        connect(m, results.o, wiring.flipped(self.o))
        return m
