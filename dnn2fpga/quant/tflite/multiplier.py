"""Real factors as TensorFlow Lite's multipliers: 31 bits and an exponent."""

from __future__ import annotations

import numpy as np

from ..fixed import round_half_up

LEAST_EXPONENT = -31
"""Below it TensorFlow Lite takes a factor for 0."""


def quantized_multiplier(real: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """`multiplier` from 2^30 to 2^31 - 1 and `shift` with `multiplier · 2^(shift - 31)` nearest to each real ≥ 0.

    `QuantizeMultiplier` of tensorflow/lite/kernels/internal/quantization_util.cc, in double precision.
    """
    fraction, shift = np.frexp(np.asarray(real, np.float64))
    multiplier = round_half_up(fraction * 2.0**31)
    carried = multiplier == 1 << 31
    multiplier, shift = np.where(carried, multiplier // 2, multiplier), shift + carried
    tiny = shift < LEAST_EXPONENT
    return np.where(tiny, 0, multiplier), np.where(tiny, 0, shift).astype(np.int64)
