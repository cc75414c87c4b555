"""The sum of two floats."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from ..resources import Resources
from .bits import finished, later, leading_zeros, packed, rounded, shift_left, shift_right, special_exponent


class Add(wiring.Component):
    """`s = a + b` of packed floats, in 6 cycles: swap, align, add, count, normalize, round."""

    latency = 6

    def __init__(self, fmt: FloatFormat) -> None:
        self.fmt = fmt
        layout = packed(fmt)
        super().__init__({"a": In(layout), "b": In(layout), "s": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        fmt, a, b = self.fmt, self.a, self.b
        width = fmt.fraction_bits + 4  # the leading one, fraction, and three bits to round by, the lowest sticky

        # 1: the greater magnitude and the lesser; by how many places they differ.
        greater, lesser = (Signal(packed(fmt), name=name, reset_less=True) for name in ("greater", "lesser"))
        places = Signal(fmt.exponent_bits, reset_less=True)
        swap = a.as_value()[:-1] < b.as_value()[:-1]
        a_exponent, b_exponent = _exponent(a), _exponent(b)
        m.d.sync += [
            greater.as_value().eq(Mux(swap, b.as_value(), a.as_value())),
            lesser.as_value().eq(Mux(swap, a.as_value(), b.as_value())),
            places.eq(Mux(swap, b_exponent - a_exponent, a_exponent - b_exponent)),
        ]

        # 2: the lesser significand aligned; what is no number.
        aligned, significand = Signal(width, reset_less=True), Signal(fmt.fraction_bits + 1, reset_less=True)
        subtract, special, nan = (Signal(name=name, reset_less=True) for name in ("subtract", "special", "nan"))
        no_number, also = (x.exponent == special_exponent(fmt) for x in (greater, lesser))
        differ = greater.sign != lesser.sign
        m.d.sync += [
            aligned.eq(shift_right(m, Cat(Const(0, 3), _significand(lesser)), places)),
            significand.eq(_significand(greater)),
            subtract.eq(differ),
            special.eq(no_number),
            nan.eq(no_number & (greater.fraction.any() | (also & differ))),
        ]
        exponent = later(m, _exponent(greater), 2, "exponent")
        sign = later(m, greater.sign, 2, "sign")

        # 3: the sum, with a bit above for its carry. A difference of equals is +0.
        total = Signal(width + 1, reset_less=True)
        inverted = Cat(aligned ^ subtract.replicate(width), subtract)
        # One adder for both: what makes the complement a negative enters as its carry.
        m.d.sync += total.eq((Cat(Const(0b0001, 4), significand) + Cat(subtract, inverted))[1:])
        subtracted = later(m, subtract, 1, "subtracted")

        # 4: by how many places the leading one is to go up; no further than the least exponent allows.
        zeros = leading_zeros(m, total)
        up = Signal(range(width + 1), reset_less=True)
        m.d.sync += up.eq(Mux(exponent < zeros, exponent, zeros))
        nothing = later(m, total == 0, 1, "nothing")
        exponent = later(m, exponent, 1, "exponent_4")

        # 5: there it goes. The exponent is noted less one: `rounded` adds the leading one to it.
        normalized = Signal(width + 1, reset_less=True)
        base = Signal(fmt.exponent_bits, reset_less=True)
        m.d.sync += [
            normalized.eq(shift_left(m, later(m, total, 1, "total"), up)),
            base.eq(Mux(nothing, 0, exponent - up)),
        ]
        sign = later(m, sign, 1, "sign_4") & ~(nothing & later(m, subtracted, 1, "subtracted_4"))

        # 6: rounded.
        s = Signal(packed(fmt), reset_less=True)
        magnitude = rounded(m, base, normalized[4:], normalized[3], normalized[:3].any(), fmt)
        special, nan = later(m, special, 3, "special"), later(m, nan, 3, "nan")
        m.d.sync += s.as_value().eq(finished(magnitude, later(m, sign, 1, "sign_5"), special, nan, fmt))
        m.d.comb += self.s.eq(s)
        return m


def resources(fmt: FloatFormat) -> Resources:
    """What it takes of a chip: fitted to what nextpnr gave for the three formats on ECP5."""
    fraction, exponent = fmt.fraction_bits, fmt.exponent_bits
    return Resources(luts=19 * fraction + 16 * exponent + 50, ffs=6 * (fraction + exponent) + 42)


def _exponent(x: Any) -> Value:
    """The exponent by which a packed float's places count: a subnormal's is that of the least normal ones."""
    return Cat(x.exponent[0] | (x.exponent == 0), x.exponent[1:])


def _significand(x: Any) -> Value:
    """The leading one, of a subnormal a zero, above the fraction."""
    return Cat(x.fraction, x.exponent.any())
