"""The bits of a float, and the shifts and counts that all operations are made of."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, ValueCastable, signed
from amaranth.lib import data

from ...quant.floating import FloatFormat


def packed(fmt: FloatFormat) -> data.StructLayout:
    """The bits of a float as IEEE 754 has them, sign on top; of an unsigned format too."""
    return data.StructLayout({"fraction": fmt.fraction_bits, "exponent": fmt.exponent_bits, "sign": 1})


def unpacked(fmt: FloatFormat) -> data.StructLayout:
    """A float made ready to be multiplied: subnormals too have a leading one, and exponents down below 0.

    The greatest exponent that a packed float can have says infinity or NaN, as there; the least of this layout, zero.
    """
    return data.StructLayout({"fraction": fmt.fraction_bits, "exponent": signed(fmt.exponent_bits + 1), "sign": 1})


def special_exponent(fmt: FloatFormat) -> int:
    """The exponent of infinities and NaNs."""
    return (1 << fmt.exponent_bits) - 1


def zero_exponent(fmt: FloatFormat) -> int:
    """The exponent of an unpacked zero."""
    return -(1 << fmt.exponent_bits)


def bias(fmt: FloatFormat) -> int:
    """The exponent of 1."""
    return (1 << (fmt.exponent_bits - 1)) - 1


def nan_fraction(fmt: FloatFormat) -> int:
    """The fraction of the NaN that operations give."""
    return 1 << (fmt.fraction_bits - 1)


def bits_of_code(code: Value, fmt: FloatFormat) -> Value:
    """The bits of an ordered code."""
    if not fmt.signed:
        return Cat(code, Const(0, 1))
    sign = code[-1]
    return Cat(code[:-1] ^ sign.replicate(fmt.bits - 1), sign)


def code_of_bits(bits: ValueCastable, fmt: FloatFormat) -> Value:
    """The ordered code of a float's bits; of an unsigned format that of the greater of the float and 0."""
    value = Value.cast(bits)
    magnitude, sign = value[:-1], value[-1]
    if not fmt.signed:
        return Mux(sign, 0, magnitude)
    return Cat(magnitude ^ sign.replicate(len(magnitude)), sign).as_signed()


def later(m: Module, value: ValueCastable, cycles: int, name: str) -> ValueCastable:
    """`value`, `cycles` cycles later, in registers without reset."""
    for cycle in range(cycles):
        register = Signal.like(value, name=f"{name}_{cycle}", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value


def leading_zeros(m: Module, value: Value) -> Value:
    """How many zeros stand above the topmost one; meaningless for 0."""
    if len(value) == 1:
        return Const(0, 0)
    return _leading_zeros(m, Cat(Const(0, (1 << (len(value) - 1).bit_length()) - len(value)), value))[1]


def _leading_zeros(m: Module, value: Value) -> tuple[Value, Value]:
    """Of as many bits as a power of two: whether any is one, and the zeros above the topmost one."""
    if len(value) == 2:
        return value.any(), ~value[1]
    half = len(value) // 2
    any_low, low = _leading_zeros(m, value[:half])
    any_high, high = _leading_zeros(m, value[half:])
    return _named(m, any_low | any_high, "any"), _named(m, Cat(Mux(any_high, high, low), ~any_high), "zeros")


def shift_left(m: Module, value: Value, amount: Value) -> Value:
    """As wide as `value`: what is shifted out is lost."""
    for at, bit in enumerate(amount):
        value = _named(m, Mux(bit, (value << (1 << at))[: len(value)], value), f"left{at}")
    return value


def shift_right(m: Module, value: Value, amount: Value) -> Value:
    """As wide as `value`; its lowest bit is also one if any bit that was shifted out was (a sticky bit)."""
    levels = (len(value) - 1).bit_length()
    for at, bit in enumerate(amount[:levels]):
        step = 1 << at
        shifted = Cat(value[: step + 1].any(), value[step + 1 :], Const(0, step))
        value = _named(m, Mux(bit, shifted, value), f"right{at}")
    if len(amount) > levels:
        value = Mux(amount[levels:].any(), Cat(value.any(), Const(0, len(value) - 1)), value)
    return value


def _named(m: Module, value: Value, name: str) -> Signal:
    """`value` as a signal: an expression that is used twice would be worked out twice by a simulator."""
    signal = Signal(len(value), name=name)
    m.d.comb += signal.eq(value)
    return signal


def rounded(m: Module, exponent: Value, kept: Value, half: Value, rest: Value, fmt: FloatFormat) -> Value:
    """Exponent and fraction of a float, rounded to nearest even: the magnitude `packed` has, and one bit above.

    `kept` is the significand: the leading one, or a zero of a subnormal, above the fraction; then come the bit `half`
    and the `rest` below. `exponent` is one less than the float's, and 0 of a subnormal: the leading one adds to it.
    Where rounding carries, into the exponent or to infinity, the same addition does it.
    """
    up = half & (rest | kept[0])
    width = fmt.exponent_bits + fmt.fraction_bits + 1
    # One adder for both additions: the round enters as its carry.
    total = Cat(Const(1, 1), Const(0, fmt.fraction_bits), exponent) + Cat(up, kept)
    return _named(m, total[1 : width + 1], "magnitude")


def finished(magnitude: Value, sign: Value, special: Value, nan: Value, fmt: FloatFormat) -> Value:
    """A packed float of a `rounded` magnitude; an infinity if that is beyond the greatest float, or if `special`.

    `nan` gives the NaN, and asks for `special` too.
    """
    exponent = magnitude[fmt.fraction_bits :]
    infinite = special | exponent[-1] | exponent[:-1].all()
    fraction = Mux(infinite, 0, magnitude[: fmt.fraction_bits])
    top = fraction[-1] | nan
    return Cat(fraction[:-1], top, exponent[:-1] | infinite.replicate(fmt.exponent_bits), sign & ~nan)


def shifter_luts(width: int, places: int) -> int:
    """LUTs of a shifter of `width` bits by up to `places`: one a bit for each power of two."""
    return width * places.bit_length()
