"""From a float to the nearest integer of a shape."""

from amaranth import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from ..fixed import maximum, minimum
from ..resources import Resources, adder, register
from .bits import bias, later, packed, shift_right, shifter_luts, special_exponent


class ToInteger(wiring.Component):
    """`clamp(round_half_up(x + zero_point))` to `shape`, of a packed float, in 4 cycles; of a NaN the greatest integer.

    `zero_point` is an integer, or one and a half; the sum is exact before it is rounded.
    """

    latency = 4

    def __init__(self, fmt: FloatFormat, zero_point: float, shape: Shape) -> None:
        if not float(2 * zero_point).is_integer():
            raise ValueError(f"zero_point must be a multiple of a half, not {zero_point!r}")
        self.fmt, self.zero_point, self.shape = fmt, zero_point, shape
        super().__init__({"x": In(packed(fmt)), "q": Out(shape)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        fmt, x = self.fmt, self.x
        reach = _reach(self.shape, self.zero_point)
        width = _width(reach, fmt)
        low, high = minimum(self.shape), maximum(self.shape)

        # 1: by how many places the point is below that of a number just under 2^reach; numbers beyond saturate.
        top = bias(fmt) + reach - 1
        places = Signal(fmt.exponent_bits, reset_less=True)
        beyond, negative = Signal(reset_less=True), Signal(reset_less=True)
        significand = Signal(fmt.fraction_bits + 1, reset_less=True)
        is_nan = (x.exponent == special_exponent(fmt)) & x.fraction.any()
        m.d.sync += [
            places.eq(top - x.exponent),
            beyond.eq(x.exponent > min(top, special_exponent(fmt) - 1)),
            negative.eq(x.sign & ~is_nan),
            significand.eq(Cat(x.fraction, x.exponent.any())),
        ]
        # 2: fixed point, two bits behind it, of which the lower stands for all below the half.
        fixed = Signal(reach + 2, reset_less=True)
        whole = shift_right(m, Cat(Const(0, width - len(significand)), significand), places)
        away = width - len(fixed)
        m.d.sync += fixed.eq(Cat(whole[: away + 1].any(), whole[away + 1 :]))
        # 3: the sum, and the half that makes rounding down rounding half up. 4: clamped.
        total = Signal(Shape(reach + 4, signed=True), reset_less=True)
        minus = later(m, negative, 1, "minus")
        m.d.sync += total.eq(Mux(minus, -fixed, fixed) + int((self.zero_point + 0.5) * 4))
        beyond, minus = later(m, beyond, 2, "beyond"), later(m, minus, 1, "minus_3")
        q = Signal(self.shape, reset_less=True)
        integer = total >> 2
        too_low = Mux(beyond, minus, integer < low)
        too_high = Mux(beyond, ~minus, integer > high)
        m.d.sync += q.eq(Mux(too_low, low, Mux(too_high, high, integer)))
        m.d.comb += self.q.eq(q)
        return m


def _reach(shape: Shape, zero_point: float) -> int:
    """Numbers from 2^reach on saturate, to either side."""
    return int(max(maximum(shape) - zero_point, zero_point - minimum(shape)) + 1).bit_length()


def _width(reach: int, fmt: FloatFormat) -> int:
    return max(reach + 2, fmt.fraction_bits + 1)


def resources(fmt: FloatFormat, zero_point: float, shape: Shape) -> Resources:
    """What it takes of a chip, estimated."""
    reach = _reach(shape, zero_point)
    width = _width(reach, fmt)
    taken = adder(fmt.exponent_bits) + adder(reach + 4) * 2 + register(fmt.bits + reach + 8 + shape.width)
    return taken + Resources(luts=shifter_luts(width, width) + width // 3 + 3 * shape.width)
