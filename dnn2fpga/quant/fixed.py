"""Fixed-point numbers: formats, and the only place in the software where anything is rounded.

An integer `q` in a format of scale `s` stands for the real number `q · s`; zero is always the integer 0.
`hw/requantize.py` is the hardware twin of `requantize`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import Refusal

MIN_BITS, MAX_BITS = 2, 16
MULTIPLIER_BITS = 16
"""Width of a requantization multiplier, unsigned: its relative error is at most 2^-16."""


@dataclass(frozen=True)
class Format:
    """An integer format: width in bits, signedness, and the real value of the integer 1."""

    bits: int
    signed: bool
    scale: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise Refusal(f"a scale must be a positive finite number, not {self.scale!r}")

    @property
    def minimum(self) -> int:
        """The least integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The greatest integer."""
        return (1 << (self.bits - self.signed)) - 1

    @staticmethod
    def covering(low: float, high: float, bits: int, *, signed: bool | None = None) -> Format:
        """The symmetric format that just holds the reals from `low` to `high` (unsigned if `low >= 0`)."""
        signed = low < 0 if signed is None else signed
        steps = (1 << (bits - signed)) - 1
        reach = max(abs(low), abs(high)) if signed else high
        return Format(bits, signed, reach / steps if reach > 0 else 1.0)


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


def quantize(x: np.ndarray, fmt: Format) -> np.ndarray:
    """Reals to integers of `fmt`, rounded half up and saturated."""
    scaled = np.clip(np.asarray(x, np.float64) / fmt.scale, fmt.minimum, fmt.maximum)
    return round_half_up(scaled)


def dequantize(q: np.ndarray, fmt: Format) -> np.ndarray:
    """Integers of `fmt` to the reals they stand for."""
    return np.asarray(q, np.float64) * fmt.scale


def requantize(acc: np.ndarray, multiplier: np.ndarray, shift: int, fmt: Format) -> np.ndarray:
    """`clamp(round_half_up(acc · multiplier · 2^-shift))`, in int64, the multiplier one a channel (last axis)."""
    half = (1 << shift) >> 1
    return np.clip((acc * multiplier + half) >> shift, fmt.minimum, fmt.maximum)


def multiplier_and_shift(ratio: np.ndarray) -> tuple[np.ndarray, int]:
    """The unsigned integers `m < 2^16` and the shift `s` whose `m · 2^-s` come nearest to `ratio`.

    One shift serves a whole layer: it is set by the largest ratio, so that the hardware only ever shifts by a
    constant. `ratio` holds one positive real a channel. Raises `Refusal` if one is beyond every multiplier.
    """
    top = (1 << MULTIPLIER_BITS) - 1
    if np.max(ratio) > top:
        raise Refusal(
            f"one step of the sum is worth {np.max(ratio):.0f} steps of the output, which is beyond {top}; "
            "use more bits for weights and activations, or calibrate on samples that give larger outputs"
        )
    shift = int(np.clip(np.floor(np.log2(top / np.max(ratio))), 0, 62))
    return np.minimum(round_half_up(ratio * 2.0**shift), top), shift
