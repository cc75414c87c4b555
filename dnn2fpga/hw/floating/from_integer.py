"""From an integer to the nearest float."""

from amaranth import Cat, Const, Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from ..fixed import maximum, minimum, shape_for
from ..resources import Resources, adder, register
from .bits import bias, finished, later, leading_zeros, packed, rounded, shift_left, shifter_luts


class FromInteger(wiring.Component):
    """The integer `q` of `shape`, less `zero_point`, as the nearest float, packed, in 5 cycles.

    `zero_point` is an integer, or one and a half; the difference is exact before it is rounded.
    """

    latency = 5

    def __init__(self, shape: Shape, zero_point: float, fmt: FloatFormat) -> None:
        if not float(2 * zero_point).is_integer():
            raise ValueError(f"zero_point must be a multiple of a half, not {zero_point!r}")
        self.shape, self.zero_point, self.fmt = shape, zero_point, fmt
        super().__init__({"q": In(shape), "o": Out(packed(fmt))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        fmt, kept_bits = self.fmt, self.fmt.fraction_bits + 1
        steps, shape = _difference(self.shape, self.zero_point)

        # 1: the difference, in steps of 1 or of a half. 2: its magnitude.
        difference = Signal(shape, reset_less=True)
        m.d.sync += difference.eq(self.q * steps - int(self.zero_point * steps))
        magnitude = Signal(shape.width, reset_less=True)
        m.d.sync += magnitude.eq(Mux(difference < 0, -difference, difference))

        # 3: where its leading one is. 4: that goes to the top.
        zeros = leading_zeros(m, magnitude)
        up = later(m, zeros, 1, "up")
        normalized = Signal(max(shape.width, kept_bits + 2), reset_less=True)
        padding = len(normalized) - shape.width
        m.d.sync += normalized.eq(Cat(Const(0, padding), shift_left(m, later(m, magnitude, 1, "counted"), up)))
        base = Signal(fmt.exponent_bits + 1, reset_less=True)  # the exponent less one, as `rounded` wants it
        top_exponent = bias(fmt) + shape.width - steps
        m.d.sync += base.eq(top_exponent - 1 - up)

        # 5: rounded.
        low = len(normalized) - kept_bits
        kept, half, rest = normalized[low:], normalized[low - 1], normalized[: low - 1].any()
        exponent = Mux(normalized[-1], base, 0)  # nothing is 0
        sign = later(m, difference < 0, 3, "sign")
        magnitude = rounded(m, exponent, kept, half, rest, fmt)
        o = Signal(packed(fmt), reset_less=True)
        m.d.sync += o.as_value().eq(finished(magnitude, sign, Const(0), Const(0), fmt))
        m.d.comb += self.o.eq(o)
        return m


def _difference(shape: Shape, zero_point: float) -> tuple[int, Shape]:
    """The steps that make 1, and the shape of the difference in such steps."""
    steps = 1 if float(zero_point).is_integer() else 2
    low, high = (int(steps * (q - zero_point)) for q in (minimum(shape), maximum(shape)))
    return steps, shape_for(low, high)


def resources(shape: Shape, zero_point: float, fmt: FloatFormat) -> Resources:
    """What it takes of a chip, estimated."""
    width = _difference(shape, zero_point)[1].width
    wide = max(width, fmt.fraction_bits + 3)
    taken = adder(width) * 2 + adder(fmt.bits) + register(2 * width + wide + fmt.exponent_bits + 8)
    return taken + Resources(luts=shifter_luts(width, width) + 2 * width + fmt.bits + wide - fmt.fraction_bits)
