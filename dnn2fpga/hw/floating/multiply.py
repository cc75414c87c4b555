"""The product of two floats."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from ..mac import multiplier_resources
from ..primitives.multiplier import Multiplier
from ..resources import Device, Resources, register
from .bits import (
    bias,
    code_of_bits,
    finished,
    later,
    packed,
    rounded,
    shift_right,
    special_exponent,
    unpacked,
    zero_exponent,
)
from .unpack import Unpack


class Product(wiring.Component):
    """`p = a * b` of unpacked floats, packed, in `Product.latency_of(fmt)` cycles: 6, of float32 8.

    The significands are multiplied by a `Multiplier`, in a DSP block if `dsp`.
    """

    def __init__(self, fmt: FloatFormat, *, dsp: bool = True) -> None:
        self.fmt, self.dsp = fmt, dsp
        self.latency = Product.latency_of(fmt)
        super().__init__({"a": In(unpacked(fmt)), "b": In(unpacked(fmt)), "p": Out(packed(fmt))})

    @staticmethod
    def latency_of(fmt: FloatFormat) -> int:
        """Cycles from two floats to their product."""
        return Multiplier.latency_of(_significand(fmt), _significand(fmt)) + 2

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        fmt, a, b = self.fmt, self.a, self.b
        fraction_bits = fmt.fraction_bits
        m.submodules.multiplier = multiplier = Multiplier(_significand(fmt), _significand(fmt), dsp=self.dsp)
        m.d.comb += [multiplier.a.eq(Cat(a.fraction, Const(1, 1))), multiplier.b.eq(Cat(b.fraction, Const(1, 1)))]

        # Beside the multiplier, first cycle: the exponent of a product from 1 to 2, less one, as `rounded` wants it;
        # and what is no number.
        exponent = Signal(Shape(fmt.exponent_bits + 3, signed=True), reset_less=True)
        sign, special, nan = (Signal(name=name, reset_less=True) for name in ("sign", "special", "nan"))
        (a_special, a_nan, a_zero), (b_special, b_nan, b_zero) = (_classes(x, fmt) for x in (a, b))
        m.d.sync += [
            exponent.eq(a.exponent + b.exponent - (bias(fmt) + 1)),
            sign.eq(a.sign ^ b.sign),
            special.eq(a_special | b_special),
            nan.eq(a_nan | b_nan | (a_special & b_zero) | (a_zero & b_special)),
        ]
        # Second cycle: subnormal products are shifted right until their exponent is that of the least normal ones.
        width = fraction_bits + 4  # two bits before the point, fraction, half, sticky
        shift = Signal(range(width), reset_less=True)
        base = Signal(fmt.exponent_bits + 1, reset_less=True)
        negative = exponent[-1]
        lacking = (-exponent)[: len(shift)]
        far = ~exponent[len(shift) :].all() | (lacking == 0)
        m.d.sync += [
            shift.eq(Mux(negative, lacking | far.replicate(len(shift)), 0)),
            base.eq(Mux(negative, 0, exponent)),
        ]
        delay = multiplier.latency
        shift, base = later(m, shift, delay - 2, "shift"), later(m, base, delay - 1, "base")
        sign, special, nan = (
            later(m, flag, delay, name) for flag, name in ((sign, "sign"), (special, "special"), (nan, "nan"))
        )

        # The product, from 1 to below 4, its lower bits in a sticky one; shifted, then rounded.
        product = multiplier.p
        value = Cat(product[: fraction_bits - 1].any(), product[fraction_bits - 1 :])
        shifted = Signal(width, reset_less=True)
        m.d.sync += shifted.eq(shift_right(m, value, shift))
        ones, top = shifted[-2], shifted[-1]
        kept = Mux(top, shifted[3:-1], shifted[2:-2])
        half = Mux(top, shifted[2], shifted[1])
        rest = shifted[0] | (top & shifted[1])
        magnitude = rounded(m, base, Cat(kept, ones & ~top, top), half, rest, fmt)
        p = Signal(packed(fmt), reset_less=True)
        m.d.sync += p.as_value().eq(finished(magnitude, sign, special | nan, nan, fmt))
        m.d.comb += self.p.eq(p)
        return m


class Multiply(wiring.Component):
    """`p = a * b` of floats, as ordered codes of `fmt`, in `latency` cycles: 8, of float32 10."""

    def __init__(self, fmt: FloatFormat) -> None:
        self.fmt = fmt
        self.latency = Unpack.latency + Product.latency_of(fmt)
        code = Shape(fmt.bits, fmt.signed)
        super().__init__({"a": In(code), "b": In(code), "p": Out(code)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.submodules.a = a = Unpack(self.fmt)
        m.submodules.b = b = Unpack(self.fmt)
        m.submodules.product = product = Product(self.fmt)
        m.d.comb += [
            a.code.eq(self.a), b.code.eq(self.b),
            product.a.eq(a.o), product.b.eq(b.o),
            self.p.eq(code_of_bits(product.p, self.fmt)),
        ]  # fmt: skip
        return m


def resources(fmt: FloatFormat, device: Device, *, dsp: bool = True) -> Resources:
    """What a `Product` takes of a chip: but for the multiplier, fitted to what nextpnr gave on ECP5."""
    significand = _significand(fmt)
    fraction, exponent = fmt.fraction_bits, fmt.exponent_bits
    taken = Resources(luts=23 * fraction // 2 + 8 * exponent + 12, ffs=3 * fraction + 2 * exponent + 10)
    taken += register(3 * fraction * (Multiplier.latency_of(significand, significand) > 4))
    return taken + multiplier_resources(significand, significand, device, dsp=dsp)


def _significand(fmt: FloatFormat) -> Shape:
    return Shape(fmt.fraction_bits + 1)


def _classes(x: Any, fmt: FloatFormat) -> tuple[Value, Value, Value]:
    """Whether an unpacked float is an infinity or a NaN, a NaN, zero."""
    special = x.exponent == special_exponent(fmt)
    return special, special & x.fraction.any(), x.exponent == zero_exponent(fmt)
