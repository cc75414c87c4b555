"""The laws of rounding of TensorFlow Lite's reference kernels, one by one, and the bent line that each of them is.

Which law an operator follows was found by trying: tests compare each with `BUILTIN_REF` of the package on PyPI.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import Refusal
from ..fixed import round_away
from ..thresholds import Line, Rising, thresholds_of
from .multiplier import quantized_multiplier


def multiply(x: np.ndarray, real: np.ndarray | float) -> np.ndarray:
    """`x · real`, rounded twice, in int64: the factor has 31 bits and an exponent.

    First half up to a multiple of 2^-exponent, then, if the exponent is below 0, to an integer, ties away from 0. This
    is `MultiplyByQuantizedMultiplier` (tensorflow/lite/kernels/internal/common.cc) without `TFLITE_SINGLE_ROUNDING`,
    with `SaturatingRoundingDoublingHighMul` and `RoundingDivideByPOT` of gemmlowp (fixedpoint/fixedpoint.h).
    """
    return multiply_quantized(x, *quantized_multiplier(real))


def multiply_quantized(x: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int) -> np.ndarray:
    """The same with the factor as TensorFlow Lite has it. `x · 2^shift` must fit 32 bits, as it must there."""
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    once = ((np.asarray(x, np.int64) << left) * multiplier + (1 << 30)) >> 31
    half = (np.int64(1) << right) >> 1
    return (once + half - ((once < 0) & (right > 0))) >> right


def multiply_float(x: np.ndarray, real: np.ndarray | float) -> np.ndarray:
    """`x · real` in float64, ties away from 0, in int64: how FULLY_CONNECTED has it."""
    return round_away(np.asarray(x, np.float64) * real)


def line_of(
    law: Callable[[np.ndarray], np.ndarray],
    sums: tuple[np.ndarray, np.ndarray],
    slope: np.ndarray,
    zero: int,
    limits: tuple[int, int],
) -> Line:
    """The bent line that is `law`, from each channel's least sum to its greatest, within `limits`.

    `law` takes (channels, n) sums; `slope` is about what one more of each adds, and results above `zero` and up to it
    have lines of their own. Raises `Refusal` if there is none.
    """
    steps = np.arange(limits[0] + 1, limits[1] + 1)
    found = Rising(*sums, steps, thresholds_of(law, *sums, steps), slope, zero).line()
    if found is None:
        raise Refusal("its rounding cannot be had exactly by one multiplication; convert with another data set")
    return found


def arrays_of(line: Line) -> dict[str, np.ndarray]:
    """The arrays of a layer that follows a bent line."""
    half = (1 << line.shift) >> 1
    return {
        "multiplier": line.multiplier, "offset": line.addend - half, "offset_below": line.below - half,
        "bend": line.bend,
    }  # fmt: skip
