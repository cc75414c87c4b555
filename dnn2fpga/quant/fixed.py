"""Fixed-point numbers: formats, and the only place in the software where anything is rounded.

An integer `q` in a format of scale `s` and zero point `z` stands for the real number `(q - z) · s`.
`hw/requantize.py` is the hardware twin of `requantize` and `requantize_bent`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import Refusal

MIN_BITS, MAX_BITS = 1, 16
MULTIPLIER_BITS = 16
"""Width of a requantization multiplier, unsigned: its relative error is at most 2^-16."""

POWER_BITS = 11
"""Width of multipliers that are all powers of two, unless they must be greater: room for channels 2^6 apart, and 4
bits below the least."""


@dataclass(frozen=True)
class Format:
    """An integer format: width in bits, signedness, the real value of one step, and the zero point.

    The zero point is the integer that stands for the real 0. Only the signed 1-bit format has none: its two
    integers, -1 and 0, stand for -scale/2 and +scale/2, a sign, and its zero point lies between them, at -½.
    """

    bits: int
    signed: bool
    scale: float
    zero_point: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise Refusal(f"a scale must be a positive finite number, not {self.scale!r}")
        allowed = -0.5 if self.is_sign else self.zero
        if self.zero_point != allowed:
            raise Refusal(f"the zero point of this format must be {allowed}, not {self.zero_point!r}")

    @property
    def name(self) -> str:
        """As people write it."""
        return "sign" if self.is_sign else f"{'int' if self.signed else 'uint'}{self.bits}"

    @property
    def is_sign(self) -> bool:
        """Whether its two integers are a sign (BNN, XNOR-Net)."""
        return self.bits == 1 and self.signed

    @property
    def minimum(self) -> int:
        """The least integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The greatest integer."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def dtype(self) -> type[np.integer[Any]]:
        """The NumPy type in which others keep its integers: of up to 8 bits, or of up to 16."""
        if self.bits <= 8:
            return np.int8 if self.signed else np.uint8
        return np.int16 if self.signed else np.uint16

    @property
    def zero(self) -> int:
        """The integer nearest to the real 0, which padding is; of a sign, the positive one."""
        return int(np.clip(np.floor(self.zero_point + 0.5), self.minimum, self.maximum))

    @property
    def rectified(self) -> Format:
        """The format of what a ReLU leaves: the same scale, unsigned, zero at 0."""
        return Format(max(1, (self.maximum - self.zero).bit_length()), False, self.scale)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Reals to integers, rounded half up and saturated, in int64."""
        return round_half_up(
            np.clip(np.asarray(x, np.float64) / self.scale + self.zero_point, self.minimum, self.maximum)
        )

    def dequantize(self, q: np.ndarray) -> np.ndarray:
        """Integers to the reals they stand for, in float64."""
        return (np.asarray(q, np.float64) - self.zero_point) * self.scale

    def with_power_of_two(self) -> Format:
        """The format of the next power of two as its scale, which holds at least the same reals."""
        return replace(self, scale=float(next_power_of_two(self.scale)))

    @staticmethod
    def covering(low: float, high: float, bits: int, *, signed: bool | None = None) -> Format:
        """The symmetric format that just holds the reals from `low` to `high` (unsigned if `low >= 0`).

        With one bit and a sign, the two integers stand for the magnitude that is greater, and its negative.
        """
        signed = low < 0 if signed is None else signed
        reach = max(abs(low), abs(high)) if signed else high
        if bits == 1 and signed:
            return Format(1, True, 2 * reach or 1.0, -0.5)
        steps = (1 << (bits - signed)) - 1
        return Format(bits, signed, max(reach, 0.0) / steps or 1.0)

    @staticmethod
    def between(low: float, high: float, bits: int, *, power_of_two: bool = False) -> Format:
        """The asymmetric format, unsigned, that just holds the reals from `low` to `high`, and 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        steps = (1 << bits) - 1
        scale = (high - low) / steps or 1.0
        if power_of_two:
            scale = float(next_power_of_two(scale))
        return Format(bits, False, scale, float(np.clip(np.floor(-low / scale + 0.5), 0, steps)))

    @staticmethod
    def holding(
        low: float, high: float, bits: int, *, symmetric: bool, power_of_two: bool, signed: bool | None = None
    ) -> Format:
        """The format that just holds the reals from `low` to `high`, of the kind that the user chose.

        It has a zero point unless it is `symmetric`, or to be unsigned, or nothing lies below 0, or it has one bit.
        """
        if not symmetric and signed is not False and low < 0 and bits > 1:
            return Format.between(low, high, bits, power_of_two=power_of_two)
        found = Format.covering(low, high, bits, signed=signed)
        return found.with_power_of_two() if power_of_two else found


def check_bits(what: str, bits: int) -> None:
    """Refuse a width that no part of the flow supports."""
    if not (isinstance(bits, int) and MIN_BITS <= bits <= MAX_BITS):
        raise Refusal(f"{what} must be from {MIN_BITS} to {MAX_BITS} bits, not {bits!r}")


def round_half_up(x: np.ndarray) -> np.ndarray:
    """Reals to the nearest int64; ties go up."""
    x = np.asarray(x, np.float64)
    below = np.floor(x)
    # the difference is exact near a tie; x + 0.5 is not: it takes the float just below 0.5 to 1
    return below.astype(np.int64) + (x - below >= 0.5)


def round_away(x: np.ndarray) -> np.ndarray:
    """Reals to the nearest int64; ties go away from 0, as TensorFlow Lite has them."""
    x = np.asarray(x, np.float64)
    whole = np.trunc(x)
    return whole.astype(np.int64) + np.where(np.abs(x - whole) >= 0.5, np.copysign(1, x), 0).astype(np.int64)


def next_power_of_two(x: np.ndarray | float) -> np.ndarray:
    """The least power of two that is at least each of the positive reals `x`."""
    fraction, exponent = np.frexp(x)
    return np.ldexp(1.0, exponent - (fraction == 0.5))


def requantize(acc: np.ndarray, multiplier: np.ndarray, offset: np.ndarray, shift: int, fmt: Format) -> np.ndarray:
    """`clamp(round_half_up((acc · multiplier + offset) · 2^-shift))`, in int64.

    Multipliers and offsets are one a channel (last axis). The offset holds all that is added to a sum of products:
    the bias, and what zero points amount to, in units of 2^-shift of an output step.
    """
    half = (1 << shift) >> 1
    return np.clip((acc * multiplier + (offset + half)) >> shift, fmt.minimum, fmt.maximum)


def requantize_bent(
    acc: np.ndarray,
    multiplier: np.ndarray,
    offsets: tuple[np.ndarray, np.ndarray],
    bend: np.ndarray,
    shift: int,
    limits: tuple[int, int],
) -> np.ndarray:
    """The law of `requantize` with two offsets a channel, the second where `acc` is less than `bend`.

    It is what laws that round ties away from 0 come to: TensorFlow Lite's (see docs/tflite.md).
    """
    half = (1 << shift) >> 1
    offset = np.where(acc >= bend, *offsets)
    return np.clip((acc * multiplier + (offset + half)) >> shift, *limits)


def quantize_tflite(x: np.ndarray, fmt: Format) -> np.ndarray:
    """Reals to integers in float32, ties away from 0, and saturated: `AffineQuantize` of TensorFlow Lite."""
    steps = np.asarray(x, np.float32) / np.float32(fmt.scale)
    # beyond twice what the format spans all are saturated; within, the float holds the half
    steps = np.clip(steps, -(2.0 ** (fmt.bits + 1)), 2.0 ** (fmt.bits + 1))
    return np.clip(round_away(steps) + int(fmt.zero_point), fmt.minimum, fmt.maximum)


def multiplier_and_shift(ratio: np.ndarray) -> tuple[np.ndarray, int]:
    """The unsigned integers `m < 2^16` and the shift `s` whose `m · 2^-s` come nearest to `ratio`.

    One shift serves a whole layer: it is set by the largest ratio, so that the hardware only ever shifts by a
    constant. `ratio` holds one positive real a channel; where all are powers of two, so are the multipliers.
    Raises `Refusal` if one is beyond every multiplier.
    """
    ratio = np.asarray(ratio, np.float64)
    powers = bool((np.frexp(ratio)[0] == 0.5).all())
    top = (1 << MULTIPLIER_BITS) - 1
    if powers:
        top = int(np.clip(np.max(ratio), 1 << (POWER_BITS - 1), 1 << (MULTIPLIER_BITS - 1)))
    if np.max(ratio) > top:
        raise Refusal(
            f"one step of the sum is worth {np.max(ratio):.0f} steps of the output, which is beyond {top}; "
            "use more bits for weights and activations, or calibrate on samples that give larger outputs"
        )
    shift = int(np.clip(np.floor(np.log2(top / np.max(ratio))), 0, 62))
    return np.minimum(round_half_up(ratio * 2.0**shift), top), shift
