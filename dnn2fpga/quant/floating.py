"""Floating-point numbers: formats, and the rounding of those that NumPy lacks.

The semantics are those of IEEE 754: round to nearest, ties to even; subnormal numbers are kept, not flushed to zero;
overflow gives an infinity; and every operation that gives a NaN gives the same one, quiet and positive.

A stream carries a float as its **ordered code**: the bits themselves if the sign is 0, else the one's complement of the
magnitude, `-magnitude - 1`. The order of the codes is the order of the reals (−0 just below +0, NaN above infinity),
so what only compares, as ReLU and max-pooling do, works on codes as it does on any integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..errors import Refusal

WIDTHS = {"float32": (8, 23), "bfloat16": (8, 7), "float16": (5, 10)}
"""Of each format: bits of exponent and of fraction."""


@dataclass(frozen=True)
class FloatFormat:
    """A floating-point format, by `name` one of `WIDTHS`; unsigned without its sign bit, as a ReLU leaves it.

    Raises `Refusal` on another name.
    """

    name: str
    signed: bool = True

    def __post_init__(self) -> None:
        if self.name not in WIDTHS:
            raise Refusal(f"a floating-point format must be one of {', '.join(WIDTHS)}, not {self.name!r}")

    @property
    def exponent_bits(self) -> int:
        """Width of the exponent."""
        return WIDTHS[self.name][0]

    @property
    def fraction_bits(self) -> int:
        """Width of the fraction, the leading one not counted."""
        return WIDTHS[self.name][1]

    @property
    def bits(self) -> int:
        """Width of a code."""
        return self.signed + self.exponent_bits + self.fraction_bits

    @property
    def minimum(self) -> int:
        """The least code: of a format with a sign a negative NaN, below every number."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The greatest code: a NaN, above every number."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def zero(self) -> int:
        """The code of +0: what padding is."""
        return 0

    @property
    def infinity(self) -> int:
        """The code of +infinity; those above it are NaNs, as are those below that of -infinity, `-infinity - 1`."""
        return ((1 << self.exponent_bits) - 1) << self.fraction_bits

    @property
    def nan(self) -> int:
        """The code of the NaN that operations give."""
        return self.infinity | 1 << (self.fraction_bits - 1)

    @property
    def rectified(self) -> FloatFormat:
        """The format of what a ReLU leaves."""
        return replace(self, signed=False)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Reals to the codes of the nearest numbers, ties to even, in int64; negative ones to 0 if unsigned."""
        x = np.asarray(x, np.float64)
        bias = (1 << (self.exponent_bits - 1)) - 1
        exponent = np.maximum(np.frexp(x)[1] - 1, 1 - bias)  # subnormals share the least exponent
        step = np.ldexp(1.0, exponent - self.fraction_bits)
        rounded = np.rint(x / step) * step  # a power of two divides exactly
        largest = (2 - 2.0**-self.fraction_bits) * 2.0**bias
        rounded = np.where(np.abs(rounded) > largest, np.copysign(np.inf, x), rounded)
        return self.codes(rounded.astype(np.float32))

    def dequantize(self, codes: np.ndarray) -> np.ndarray:
        """Codes to the reals they stand for, in float64."""
        with np.errstate(invalid="ignore"):  # of a signaling NaN
            return self.values(codes).astype(np.float64)

    def codes(self, values: np.ndarray) -> np.ndarray:
        """The codes, in int64, of float32 numbers that lie in the format; negative ones give 0 if it is unsigned."""
        if self.name == "float16":
            bits = np.asarray(values, np.float16).view(np.int16)
        else:
            bits = np.asarray(values, np.float32).view(np.int32)
        magnitude = bits.astype(np.int64) & ((1 << (8 * bits.itemsize - 1)) - 1)
        if self.name == "bfloat16":
            magnitude >>= 16
        codes = np.where(bits < 0, -magnitude - 1 if self.signed else 0, magnitude)
        return np.where(np.isnan(values), self.nan, codes)

    def values(self, codes: np.ndarray) -> np.ndarray:
        """The float32 numbers that codes stand for; float32 holds those of every format."""
        codes = np.asarray(codes, np.int64)
        magnitude = np.where(codes < 0, ~codes, codes)
        if self.name == "float16":
            values = magnitude.astype(np.int16).view(np.float16).astype(np.float32)
        else:
            values = (magnitude << (23 - self.fraction_bits)).astype(np.int32).view(np.float32)
        return np.copysign(values, np.where(codes < 0, np.float32(-1), np.float32(1)))

    def round(self, x: np.ndarray) -> np.ndarray:
        """The result `x` of one float32 operation on numbers of the format, as that operation in the format gives it.

        Addition, subtraction and multiplication only. Rounding twice, to float32 and then to the format, gives what
        rounding once gives, because float32 has at least 2p + 2 bits of precision where the format has p: 24 for 8 and
        for 11 (Figueroa, "When is double rounding innocuous?", 1995). With subnormal results too: sums are then exact,
        and products exact or under half of the least subnormal.
        """
        if self.name == "float32":
            return x
        if self.name == "float16":
            with np.errstate(over="ignore"):
                return x.astype(np.float16).astype(np.float32)
        bits = np.asarray(x, np.float32).view(np.uint32)
        rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
        return np.where(np.isnan(x), x, rounded.view(np.float32))
