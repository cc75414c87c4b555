"""PReLU: the distance from zero times one of two multipliers, which the sign chooses, then the rounding law."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import wiring

from ..quant.fixed import Format
from ..quant.graph import QNode
from . import deal, queue
from .deal import Deal
from .fixed import maximum, minimum, shape_for, shape_of
from .layer import LayerComponent
from .mac import multiplier_resources
from .max_pool2d import one_a_clock
from .primitives.multiplier import Multiplier
from .queue import CreditQueue
from .requantize import clamp
from .resources import Device, Resources, adder, register
from .stream import connect
from .timing import Buffer, Process
from .value_by_value import ValueByValue, lane_choices


@dataclass(frozen=True, eq=False)
class PReLUFolding(ValueByValue):
    """PReLU of `size` values of shape `i`, in which `zero` stands for 0, a tensor, `i_lanes` a word.

    `clamp(((x - zero) · m + addend) >> shift)`, where m is `multiplier`, or below `zero` the channel's `slope`.
    `dsp` asks for hard multipliers, one a lane.
    """

    slope: np.ndarray
    multiplier: int
    addend: int
    shift: int
    zero: int
    i: Shape
    o: Shape
    i_lanes: int
    size: int
    dsp: bool = True
    multipliers = 0

    @property
    def distance(self) -> Shape:
        """The shape of `x - zero`."""
        return shape_for(minimum(self.i) - self.zero, maximum(self.i) - self.zero)

    @property
    def factor(self) -> Shape:
        """The shape of a multiplier."""
        return shape_for(int(self.slope.min()), max(int(self.slope.max()), self.multiplier))

    @property
    def total(self) -> Shape:
        """The shape of every product plus addend."""
        low, high = minimum(self.i) - self.zero, maximum(self.i) - self.zero
        products = [0, high * self.multiplier, *(low * slope for slope in self.slope.tolist())]
        return shape_for(min(products) + self.addend, max(products) + self.addend)

    @property
    def slope_rows(self) -> list[list[int]]:
        """What each lane's negative value is scaled by, a row a word."""
        return deal.rows_of(self.slope, self.i_lanes)

    @property
    def slope_latency(self) -> int:
        """Cycles from a word to its slopes."""
        return deal.latency(len(self.slope_rows), self.i_lanes * self.factor.width)

    @property
    def latency(self) -> int:
        """Cycles from a word in to its results, before the queue."""
        return self.slope_latency + 1 + Multiplier.latency_of(self.distance, self.factor) + 2

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, 1, 1)

    @property
    def memory_bits(self) -> int:
        """Bits of slopes."""
        return len(self.slope) * self.factor.width

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        width = self.total.width
        lane = register(self.i.width * self.slope_latency) + adder(self.distance.width)
        lane += Resources(luts=self.factor.width, ffs=self.factor.width)
        lane += multiplier_resources(self.distance, self.factor, device, dsp=self.dsp)
        lane += adder(width) + Resources(luts=self.o.width + width // 3, ffs=self.o.width)
        slopes = deal.resources(len(self.slope_rows), self.i_lanes * self.factor.width, device)
        return lane * self.i_lanes + slopes + queue.resources(self.depth, self.i_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield one_a_clock()
        yield queue.timing(self.depth, self.latency)

    def build(self) -> "PReLU":
        """The component."""
        return PReLU(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[PReLUFolding]":
        """With its multipliers made of LUTs."""
        if self.dsp:
            yield replace(self, dsp=False)


def foldings(node: QNode) -> Iterator[PReLUFolding]:
    """As many lanes as divide the channels."""
    assert isinstance(node.o, Format)
    shift = node.scalars["shift"]
    addend = (node.o.zero << shift) + ((1 << shift) >> 1)
    for n, size in lane_choices(node):
        yield PReLUFolding(
            node.arrays["slope"], node.scalars["multiplier"], addend, shift, node.i.zero,
            shape_of(node.i), shape_of(node.o), n, size,
        )  # fmt: skip


class PReLU(LayerComponent[PReLUFolding]):
    """A word a clock, channels in turn; results set out `folding.latency` cycles later, through a queue."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        m.submodules.queue = results = CreditQueue(folding.o, folding.i_lanes, folding.depth)
        m.submodules.slopes = slopes = Deal(folding.slope_rows, folding.factor)
        connect(m, results.o, wiring.flipped(self.o))
        results.book_each(m, wiring.flipped(self.i), folding.latency)
        m.d.comb += slopes.step.eq(self.i.valid & self.i.ready)
        word = self.i.payload
        for at in range(folding.slope_latency):
            later = Signal.like(word, name=f"word{at}", reset_less=True)
            m.d.sync += later.eq(word)
            word = later
        for lane, x in enumerate(word):
            m.submodules[f"multiplier{lane}"] = multiplier = Multiplier(
                folding.distance, folding.factor, dsp=folding.dsp
            )
            distance = Signal(folding.distance, name=f"distance{lane}", reset_less=True)
            factor = Signal(folding.factor, name=f"factor{lane}", reset_less=True)
            total = Signal(folding.total, name=f"total{lane}", reset_less=True)
            clamped = Signal(folding.o, name=f"clamped{lane}", reset_less=True)
            m.d.sync += [
                distance.eq(x - folding.zero),
                factor.eq(Mux(x < folding.zero, slopes.row[lane], folding.multiplier)),
                total.eq(multiplier.p + folding.addend),
                clamped.eq(clamp(total.shift_right(folding.shift), folding.o)),
            ]
            m.d.comb += [multiplier.a.eq(distance), multiplier.b.eq(factor), results.word[lane].eq(clamped)]
        return m
