"""Between streams of integers and streams of floats."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from amaranth import Module, Mux, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..quant.fixed import Format
from ..quant.floating import FloatFormat
from ..quant.graph import QNode
from ..quant.ops.convert import inverse_scale_code, scale_code
from . import queue
from .fixed import shape_of
from .floating import FromInteger, Product, ToInteger, Unpack, from_integer, multiply, to_integer, unpack
from .floating.bits import code_of_bits, zero_exponent
from .layer import LayerComponent
from .queue import CreditQueue
from .resources import Device, Resources
from .stream import connect
from .timing import Buffer, Process, one_a_clock
from .value_by_value import ValueByValue, lane_choices


class FloatOfInteger(wiring.Component):
    """`y = fl(fl(x - zero point) · fl(scale))`: an integer of `i` to the ordered code of a float of `o`."""

    def __init__(self, i: Format, o: FloatFormat, *, dsp: bool = True) -> None:
        self.i_fmt, self.o_fmt, self.dsp = i, o, dsp
        super().__init__({"x": In(shape_of(i)), "y": Out(shape_of(o))})

    @staticmethod
    def latency_of(i: Format, o: FloatFormat) -> int:
        """Cycles from an integer to its float."""
        return FromInteger.latency + Product.latency_of(o)

    @staticmethod
    def resources(i: Format, o: FloatFormat, device: Device, *, dsp: bool) -> Resources:
        """What it takes of a chip, estimated."""
        return from_integer.resources(shape_of(i), i.zero_point, o) + multiply.resources(o, device, dsp=dsp)

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        i, fmt = self.i_fmt, self.o_fmt
        m.submodules.value = value = FromInteger(shape_of(i), i.zero_point, fmt)
        m.submodules.product = product = Product(fmt, dsp=self.dsp)
        m.d.comb += [
            value.q.eq(self.x),
            # An integer is never subnormal: but for zero its float is as good as unpacked.
            product.a.fraction.eq(value.o.fraction),
            product.a.exponent.eq(Mux(value.o.exponent == 0, zero_exponent(fmt), value.o.exponent)),
            product.a.sign.eq(value.o.sign),
            product.b.as_value().eq(unpack.unpack(int(scale_code(i, fmt)), fmt)),
            self.y.eq(code_of_bits(product.p, fmt)),
        ]
        return m


class IntegerOfFloat(wiring.Component):
    """`y = clamp(round_half_up(fl(x · fl(1 / scale)) + zero point))`: a code of `i` to an integer of `o`."""

    def __init__(self, i: FloatFormat, o: Format, *, dsp: bool = True) -> None:
        self.i_fmt, self.o_fmt, self.dsp = i, o, dsp
        super().__init__({"x": In(shape_of(i)), "y": Out(shape_of(o))})

    @staticmethod
    def latency_of(i: FloatFormat, o: Format) -> int:
        """Cycles from a float to its integer."""
        return Unpack.latency + Product.latency_of(i) + ToInteger.latency

    @staticmethod
    def resources(i: FloatFormat, o: Format, device: Device, *, dsp: bool) -> Resources:
        """What it takes of a chip, estimated."""
        taken = unpack.resources(i) + multiply.resources(i, device, dsp=dsp)
        return taken + to_integer.resources(i, o.zero_point, shape_of(o))

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        fmt, o = self.i_fmt, self.o_fmt
        m.submodules.unpack = value = Unpack(fmt)
        m.submodules.product = product = Product(fmt, dsp=self.dsp)
        m.submodules.integer = integer = ToInteger(fmt, o.zero_point, shape_of(o))
        m.d.comb += [
            value.code.eq(self.x),
            product.a.eq(value.o),
            product.b.as_value().eq(unpack.unpack(int(inverse_scale_code(o, fmt)), fmt)),
            integer.x.eq(product.p),
            self.y.eq(integer.q),
        ]
        return m


@dataclass(frozen=True)
class ConvertFolding(ValueByValue):
    """Values of format `i_fmt` brought to `o_fmt` by `lane`, one of the two components above, `i_lanes` a word.

    A tensor has `size` values. `soft` of the multipliers are made of LUTs.
    """

    lane: type[FloatOfInteger] | type[IntegerOfFloat]
    i_fmt: Format | FloatFormat
    o_fmt: Format | FloatFormat
    i_lanes: int
    size: int
    soft: int = 0
    memory_bits = 0

    @property
    def i(self) -> Shape:
        """Shape of an input value."""
        return shape_of(self.i_fmt)

    @property
    def o(self) -> Shape:
        """Shape of an output value."""
        return shape_of(self.o_fmt)

    @property
    def multipliers(self) -> int:
        """One a lane."""
        return self.i_lanes

    @property
    def latency(self) -> int:
        """Cycles from a value to its conversion, before the queue."""
        return self.lane.latency_of(self.i_fmt, self.o_fmt)  # type: ignore[arg-type]

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, 1, 1)

    def resources(self, device: Device) -> Resources:
        """What it takes of a chip, estimated."""
        hard, soft = (
            self.lane.resources(self.i_fmt, self.o_fmt, device, dsp=dsp)  # type: ignore[arg-type]
            for dsp in (True, False)
        )
        taken = hard * (self.i_lanes - self.soft) + soft * self.soft
        return taken + queue.resources(self.depth, self.i_lanes * self.o.width, device)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield one_a_clock()
        yield queue.timing(self.depth, self.latency)

    def build(self) -> "Convert":
        """The component."""
        return Convert(self)

    def with_fewer_dsps(self, excess: int) -> "Iterator[ConvertFolding]":
        """With `excess` of the multipliers made of LUTs."""
        if self.soft < self.multipliers:
            yield replace(self, soft=min(self.soft + excess, self.multipliers))


def to_float_foldings(node: QNode) -> Iterator[ConvertFolding]:
    """As many lanes as the values divide into."""
    yield from (ConvertFolding(FloatOfInteger, node.i, node.o, n, size) for n, size in lane_choices(node))


def to_integer_foldings(node: QNode) -> Iterator[ConvertFolding]:
    """As many lanes as the values divide into."""
    yield from (ConvertFolding(IntegerOfFloat, node.i, node.o, n, size) for n, size in lane_choices(node))


class Convert(LayerComponent[ConvertFolding]):
    """Converts a word of values a clock; the result leaves through a queue (`hw/queue.py`)."""

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        folding = self.folding
        m.submodules.queue = results = CreditQueue(folding.o, folding.o_lanes, folding.depth)
        connect(m, results.o, wiring.flipped(self.o))
        results.book_each(m, wiring.flipped(self.i), folding.latency)
        for at in range(folding.i_lanes):
            component = folding.lane(folding.i_fmt, folding.o_fmt, dsp=at >= folding.soft)  # type: ignore[arg-type]
            m.submodules[f"float_lane{at}"] = component
            m.d.comb += [component.x.eq(self.i.payload[at]), results.word[at].eq(component.y)]
        return m
