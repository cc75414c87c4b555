"""The hardware twin of `quant.fixed.requantize`: from a sum of products to the next layer's integers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..quant.fixed import MULTIPLIER_BITS
from . import deal
from .deal import Deal
from .fixed import maximum, minimum, product_shape, shape_for
from .mac import multiplier_resources
from .primitives.multiplier import Multiplier
from .resources import Device, Resources, adder, register

MULTIPLIER = Shape(MULTIPLIER_BITS)


@dataclass(frozen=True, eq=False)
class Rescale:
    """`clamp((sum · multiplier + offset) >> shift)`, constants a channel.

    The bias and the half of the rounding are both in the offset, `bias · multiplier + 2^(shift - 1)`, so that
    one addition does for both.
    """

    bias: np.ndarray
    multiplier: np.ndarray
    shift: int
    total: Shape
    o: Shape

    @property
    def offset(self) -> np.ndarray:
        """What is added to the product, one a channel."""
        return self.bias * self.multiplier + ((1 << self.shift) >> 1)

    @property
    def offset_shape(self) -> Shape:
        """A shape that holds every offset."""
        return shape_for(int(self.offset.min()), int(self.offset.max()))

    @property
    def result_shape(self) -> Shape:
        """A shape that holds every product plus offset."""
        scaled = product_shape(self.total, MULTIPLIER)
        low = minimum(scaled) + int(self.offset.min())
        high = maximum(scaled) + int(self.offset.max())
        return shape_for(min(low, -1), high)

    @property
    def latency(self) -> int:
        """Cycles from a sum to its integer."""
        return Multiplier.latency_of(self.total, MULTIPLIER) + 2

    def resources(self, lanes: int, device: Device, *, dsp: bool) -> Resources:
        """What `lanes` of it take."""
        groups = len(self.bias) // lanes
        lane = multiplier_resources(self.total, MULTIPLIER, device, dsp=dsp)
        lane += adder(self.result_shape.width) + register(self.o.width)
        lane += Resources(luts=self.o.width + (self.result_shape.width - self.shift) // 3)
        constants = deal.resources(groups, lanes * MULTIPLIER_BITS, device)
        constants += deal.resources(groups, lanes * self.offset_shape.width, device)
        return lane * lanes + constants


class Requantize(wiring.Component):
    """`lanes` sums a word to `lanes` integers, channels in turn, after `rescale.latency` cycles.

    `announce` is high `lead` cycles before each word of `sums`, so that its multipliers are there in time.
    """

    def __init__(self, rescale: Rescale, lanes: int, *, dsp: bool = True) -> None:
        if len(rescale.bias) % lanes:
            raise ValueError(f"lanes must divide {len(rescale.bias)} channels, not be {lanes!r}")
        self.rescale, self.lanes, self.dsp = rescale, lanes, dsp
        self.lead = deal.latency(len(rescale.bias) // lanes, lanes * MULTIPLIER_BITS)
        super().__init__(
            {
                "announce": In(1),
                "sums": In(data.ArrayLayout(rescale.total, lanes)),
                "o": Out(data.ArrayLayout(rescale.o, lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        rescale = self.rescale
        delay = Multiplier.latency_of(rescale.total, MULTIPLIER)
        m.submodules.multipliers = multipliers = Deal(self._rows(rescale.multiplier), MULTIPLIER)
        m.submodules.offsets = offsets = Deal(self._rows(rescale.offset), rescale.offset_shape)
        announced = Signal(self.lead + delay)
        m.d.comb += [announced[0].eq(self.announce), multipliers.step.eq(self.announce)]
        # The offsets are needed when the products are there.
        m.d.comb += offsets.step.eq(announced[self.lead + delay - offsets.latency])
        m.d.sync += announced[1:].eq(announced)
        for lane in range(self.lanes):
            m.submodules[f"multiplier{lane}"] = multiplier = Multiplier(rescale.total, MULTIPLIER, dsp=self.dsp)
            result = Signal(rescale.result_shape, name=f"result{lane}", reset_less=True)
            clamped = Signal(rescale.o, name=f"clamped{lane}", reset_less=True)
            shifted = result >> rescale.shift
            low, high = minimum(rescale.o), maximum(rescale.o)
            m.d.comb += [multiplier.a.eq(self.sums[lane]), multiplier.b.eq(multipliers.row[lane])]
            m.d.sync += [
                result.eq(multiplier.p + offsets.row[lane]),
                clamped.eq(Mux(shifted < low, low, Mux(shifted > high, high, shifted))),
            ]
            m.d.comb += self.o[lane].eq(clamped)
        return m

    def _rows(self, values: np.ndarray) -> Sequence[Sequence[int]]:
        return values.reshape(-1, self.lanes).tolist()
