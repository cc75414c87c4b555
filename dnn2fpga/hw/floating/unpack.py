"""From the code of a float to its parts, subnormals normalized, ready to be multiplied."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from ..resources import Resources
from .bits import bits_of_code, leading_zeros, packed, shift_left, unpacked, zero_exponent


class Unpack(wiring.Component):
    """The ordered `code` of a float to `o`, as `bits.unpacked` has it, in 2 cycles."""

    latency = 2

    def __init__(self, fmt: FloatFormat) -> None:
        self.fmt = fmt
        super().__init__({"code": In(fmt.bits), "o": Out(unpacked(fmt))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        fmt = self.fmt
        x = Signal(packed(fmt), reset_less=True)
        m.d.sync += Value.cast(x).eq(bits_of_code(self.code, fmt))

        zeros = leading_zeros(m, x.fraction)
        subnormal = x.exponent == 0
        o = Signal(unpacked(fmt), reset_less=True)
        m.d.sync += [
            o.sign.eq(x.sign),
            o.exponent.eq(x.exponent),
            o.fraction.eq(x.fraction),
        ]
        with m.If(subnormal):
            m.d.sync += [
                o.fraction.eq(shift_left(m, x.fraction, zeros) << 1),
                o.exponent.eq(Mux(x.fraction.any(), -zeros, zero_exponent(fmt))),
            ]
        m.d.comb += self.o.eq(o)
        return m


def unpack(code: int, fmt: FloatFormat) -> int:
    """The bits of `bits.unpacked` for the code of a constant."""
    negative = code < 0
    magnitude = ~code if negative else code
    exponent, fraction = magnitude >> fmt.fraction_bits, magnitude & ((1 << fmt.fraction_bits) - 1)
    if exponent == 0 and fraction == 0:
        exponent = zero_exponent(fmt)
    elif exponent == 0:
        zeros = fmt.fraction_bits - fraction.bit_length()
        exponent, fraction = -zeros, (fraction << (zeros + 1)) & ((1 << fmt.fraction_bits) - 1)
    exponent &= (2 << fmt.exponent_bits) - 1
    return (negative << (fmt.exponent_bits + 1) | exponent) << fmt.fraction_bits | fraction


def resources(fmt: FloatFormat) -> Resources:
    """What it takes of a chip: fitted to what nextpnr gave for the three formats on ECP5."""
    return Resources(luts=9 * fmt.fraction_bits + 4, ffs=fmt.fraction_bits + fmt.exponent_bits + 3)
