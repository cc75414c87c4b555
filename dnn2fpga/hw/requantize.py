"""The hardware twin of `quant.fixed.requantize`: from a sum of products to the next layer's integers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth import Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from . import deal
from .deal import Deal
from .fixed import maximum, minimum, product_shape, shape_for
from .mac import multiplier_resources
from .primitives.multiplier import Multiplier
from .resources import Device, Resources, adder, register
from .scaling import Scaling


@dataclass(frozen=True, eq=False)
class Bent:
    """The offset of sums less than `bend`; both one a channel."""

    offset: np.ndarray
    bend: np.ndarray

    @property
    def shape(self) -> Shape:
        """A shape that holds every bend."""
        return shape_for(int(self.bend.min()), int(self.bend.max()))


@dataclass(frozen=True, eq=False)
class Rescale:
    """`clamp(round_half_up((sum · multiplier + offset) · 2^-shift))`, constants a channel, `total` the sums' shape.

    What leaves is clamped to `limits`, to what its shape `o` holds if there are none; sums below a bend have an offset
    of their own, if `bent` says so. The hardware is that of the simplest law that gives the same: multipliers that are
    powers of two, or that have one in common, become shifts, and a single bit out a comparison.
    """

    offset: np.ndarray
    multiplier: np.ndarray
    shift: int
    total: Shape
    o: Shape
    limits: tuple[int, int] | None = None
    bent: Bent | None = None

    @property
    def addend(self) -> np.ndarray:
        """What is added to each product, one a channel: the half of the rounding with the offset."""
        return self.offset + ((1 << self.shift) >> 1)

    @cached_property
    def scaling(self) -> Scaling:
        """The law that the hardware follows."""
        return Scaling(self.multiplier, self.addend, self.shift).simplified(self.total, self.o)

    @cached_property
    def scaling_below(self) -> Scaling:
        """The same below the bend: only the addend differs."""
        if self.bent is None:
            return self.scaling
        addend = self.bent.offset + ((1 << self.shift) >> 1)
        return Scaling(self.multiplier, addend, self.shift).simplified(self.total, self.o)

    @cached_property
    def addend_shape(self) -> Shape:
        """A shape that holds every addend."""
        shapes = self.scaling.addend_shape, self.scaling_below.addend_shape
        return shape_for(min(map(minimum, shapes)), max(map(maximum, shapes)))

    @cached_property
    def scaled(self) -> "Shifted | Multiplied":
        """How the hardware gets from a sum to the sum times its multiplier."""
        return scaled_by(self.scaling.multiplier, self.total)

    @cached_property
    def result_shape(self) -> Shape:
        """A shape that holds every product plus addend."""
        least, greatest = zip(
            *(law.result_range(self.total) for law in (self.scaling, self.scaling_below)), strict=True
        )
        return shape_for(min(least), max(greatest))

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and greatest integer that leaves."""
        return self.limits or (minimum(self.o), maximum(self.o))

    @property
    def latency(self) -> int:
        """Cycles from a sum to its integer: scaled, added to, clamped, and a register on the way to its reader."""
        return self.scaled.latency + 3

    def resources(self, lanes: int, device: Device, *, dsp: bool) -> Resources:
        """What `lanes` of it take."""
        shifted = self.result_shape.width - self.scaling.shift
        lane = self.scaled.resources(device, dsp=dsp) + adder(self.result_shape.width)
        lane += register(2 * self.o.width)
        if shifted > self.o.width:
            lane += Resources(luts=self.o.width + shifted // 3)
        factors = deal.resources(len(self.factor_rows(lanes)), lanes * self.scaled.factor.width, device)
        addends = deal.resources(len(self.addend_rows(lanes)), lanes * self.addend_shape.width, device)
        if self.bent is not None:
            lane += adder(self.bent.shape.width) + register(self.scaled.latency)
            addends += deal.resources(len(self.below_rows(lanes)), lanes * self.addend_shape.width, device)
            addends += deal.resources(len(self.bend_rows(lanes)), lanes * self.bent.shape.width, device)
        return lane * lanes + factors + addends

    def factor_rows(self, lanes: int) -> list[list[int]]:
        """What each lane's sum is scaled by, a row a word."""
        return deal.rows_of(self.scaled.factors, lanes)

    def addend_rows(self, lanes: int) -> list[list[int]]:
        """What is added to each lane's, a row a word."""
        return deal.rows_of(self.scaling.addend, lanes)

    def below_rows(self, lanes: int) -> list[list[int]]:
        """What is added to each lane's below the bend, a row a word."""
        return deal.rows_of(self.scaling_below.addend, lanes)

    def bend_rows(self, lanes: int) -> list[list[int]]:
        """Each lane's bend, a row a word."""
        assert self.bent is not None
        return deal.rows_of(self.bent.bend, lanes)


class Shifted:
    """Sums times powers of two: wires if all are the same, or else a shift by as much as each channel wants."""

    multipliers = 0

    def __init__(self, multiplier: np.ndarray, total: Shape) -> None:
        exponents = np.array([value.bit_length() - 1 for value in multiplier.tolist()])
        self.least = int(exponents.min())
        self.factors = exponents - self.least
        self.factor = unsigned(max(1, int(self.factors.max()).bit_length()))
        self.product = Shape(total.width + int(exponents.max()), total.signed)
        self.latency = int(self.factors.any())

    def build(self, m: Module, name: str, total: Value, factor: Value, *, dsp: bool) -> Value:
        """The logic for one sum: a LUT a bit for each bit of the shift, and a register."""
        if not self.latency:
            return total << self.least
        product = Signal(self.product, name=name, reset_less=True)
        m.d.sync += product.eq((total << factor) << self.least)
        return product

    def resources(self, device: Device, *, dsp: bool) -> Resources:
        """What the logic for one sum takes."""
        width = self.product.width - self.least
        return Resources(luts=width * self.factor.width, ffs=width) if self.latency else Resources()


class Multiplied:
    """Sums times any factors, by a multiplier no wider than the greatest factor."""

    multipliers = 1

    def __init__(self, multiplier: np.ndarray, total: Shape) -> None:
        self.total = total
        self.factors = multiplier
        self.factor = shape_for(0, int(multiplier.max()))
        self.product = product_shape(total, self.factor)
        self.latency = Multiplier.latency_of(total, self.factor)

    def build(self, m: Module, name: str, total: Value, factor: Value, *, dsp: bool) -> Value:
        """The logic for one sum."""
        m.submodules[name] = multiplier = Multiplier(self.total, self.factor, dsp=dsp)
        m.d.comb += [multiplier.a.eq(total), multiplier.b.eq(factor)]
        return multiplier.p

    def resources(self, device: Device, *, dsp: bool) -> Resources:
        """What the logic for one sum takes."""
        return multiplier_resources(self.total, self.factor, device, dsp=dsp)


def scaled_by(multiplier: np.ndarray, total: Shape) -> Shifted | Multiplied:
    """The cheapest way to scale sums of shape `total`, channel by channel."""
    powers = all(value > 0 and value & (value - 1) == 0 for value in multiplier.tolist())
    return Shifted(multiplier, total) if powers else Multiplied(multiplier, total)


class Requantize(wiring.Component):
    """`lanes` sums a word to `lanes` integers, channels in turn, after `rescale.latency` cycles.

    `announce` is high `lead` cycles before each word of `sums`, so that its constants are there in time. `dsp` asks
    for hard multipliers, where it needs multipliers at all.
    """

    def __init__(self, rescale: Rescale, lanes: int, *, dsp: bool = True) -> None:
        if len(rescale.offset) % lanes:
            raise ValueError(f"lanes must divide {len(rescale.offset)} channels, not be {lanes!r}")
        self.rescale, self.lanes, self.dsp = rescale, lanes, dsp
        self.factors = Deal(rescale.factor_rows(lanes), rescale.scaled.factor)
        self.addends = Deal(rescale.addend_rows(lanes), rescale.addend_shape)
        self.lead = max(self.factors.latency, self.addends.latency - rescale.scaled.latency)
        if rescale.bent is not None:
            self.belows = Deal(rescale.below_rows(lanes), rescale.addend_shape)
            self.bends = Deal(rescale.bend_rows(lanes), rescale.bent.shape)
            self.lead = max(self.lead, self.bends.latency, self.belows.latency - rescale.scaled.latency)
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
        m.submodules.factors, m.submodules.addends = factors, addends = self.factors, self.addends
        # announced[n] is high n cycles after `announce`. The addends are needed when the products are there.
        product_at = self.lead + rescale.scaled.latency
        announced = Signal(product_at + 1)
        m.d.comb += [
            announced[0].eq(self.announce),
            factors.step.eq(announced[self.lead - factors.latency]),
            addends.step.eq(announced[product_at - addends.latency]),
        ]
        m.d.sync += announced[1:].eq(announced)
        addend = list(addends.row) if rescale.bent is None else self._bent_addends(m, announced, product_at)
        for lane in range(self.lanes):
            product = rescale.scaled.build(m, f"scaled{lane}", self.sums[lane], factors.row[lane], dsp=self.dsp)
            result = Signal(rescale.result_shape, name=f"result{lane}", reset_less=True)
            clamped, given = (Signal(rescale.o, name=f"{name}{lane}", reset_less=True) for name in ("clamped", "given"))
            m.d.sync += [
                result.eq(product + addend[lane]),
                clamped.eq(clamp_between(result.shift_right(rescale.scaling.shift), *rescale.bounds)),
                given.eq(clamped),
            ]
            m.d.comb += self.o[lane].eq(given)
        return m

    def _bent_addends(self, m: Module, announced: Signal, product_at: int) -> list[Value]:
        """Which addend each lane's sum wants: that is known when the sum comes, and waits for the product."""
        m.submodules.belows, m.submodules.bends = belows, bends = self.belows, self.bends
        m.d.comb += [
            belows.step.eq(announced[product_at - belows.latency]),
            bends.step.eq(announced[self.lead - bends.latency]),
        ]
        chosen = []
        for lane in range(self.lanes):
            is_below: Value = self.sums[lane] < bends.row[lane]
            for stage in range(self.rescale.scaled.latency):
                later = Signal(name=f"below{lane}_{stage}", reset_less=True)
                m.d.sync += later.eq(is_below)
                is_below = later
            chosen.append(Mux(is_below, belows.row[lane], self.addends.row[lane]))
        return chosen


def clamp(value: Value, shape: Shape) -> Value:
    """The nearest integer of a shape; a comparison only where it can be beyond."""
    return clamp_between(value, minimum(shape), maximum(shape))


def clamp_between(value: Value, low: int, high: int) -> Value:
    """The nearest integer from `low` to `high`, in the same way."""
    held = value.shape()
    clamped = value
    if maximum(held) > high:
        clamped = Mux(_is_above(value, high), high, clamped)
    return Mux(_is_below(value, low), low, clamped) if minimum(held) < low else clamped


def _is_above(value: Value, high: int) -> Value:
    """`value > high`; of `high` one less than a power of two the bits from there on tell, without a carry chain."""
    magnitude = value[:-1] if value.shape().signed else value
    if high < 0 or high & (high + 1):
        return value > high
    above = magnitude[high.bit_length() :].any()
    return above & ~value[-1] if value.shape().signed else above


def _is_below(value: Value, low: int) -> Value:
    """`value < low`; of `low` minus a power of two, or 0, the bits from there on tell."""
    if not value.shape().signed or low > 0 or -low & (-low - 1):
        return value < low
    if low == 0:
        return value[-1]
    return value[-1] & ~value[(-low).bit_length() - 1 : -1].all()
