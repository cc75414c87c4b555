"""Weights as integers: the scale of each channel, and the integers themselves."""

from __future__ import annotations

import numpy as np

from .calibrate import CALIBRATIONS
from .fixed import round_half_up
from .histogram import Histogram

NEAREST_TO_ZERO = 2.0**-16
"""The scale of a binary channel of zeros, as a part of the greatest: -1 and +1 cannot give 0, but next to it."""


def weight_max(bits: int) -> int:
    """The greatest integer weight; the least is its negative."""
    return max((1 << (bits - 1)) - 1, 1)


def weight_scale(kernel: np.ndarray, bits: int, *, per_channel: bool, calibration: str) -> np.ndarray:
    """The real value of one step of the weights `(k, channels)`, one a channel, equal ones unless `per_channel`.

    With 1 and with 2 bits it is that of the least squared error, whatever the calibration: a greatest weight says
    nothing about where the others lie, and as a scale it would make nearly all ternary weights 0. With more bits it
    is the calibration's threshold over the greatest integer. A channel of zeros gets a scale of 1; in a binary kernel
    that has other channels, one so small that it hardly matters.
    """
    values = kernel if per_channel else kernel.reshape(-1, 1)
    if bits == 1:
        scale = binary_scale(values)
        scale[scale == 0] = scale.max() * NEAREST_TO_ZERO
    elif bits == 2:
        scale = ternary_scale(values)
    else:
        calibrate = CALIBRATIONS[calibration]
        reach = [calibrate(Histogram.of(channel), bits, True).high for channel in values.T]
        scale = np.array(reach) / weight_max(bits)
    scale = np.where(scale > 0, scale, 1.0)
    return np.broadcast_to(scale, kernel.shape[1:]).copy()


def binary_scale(kernel: np.ndarray) -> np.ndarray:
    """XNOR-Net's scale (Rastegari et al. 2016): the mean of |w| has the least squared error as -scale and +scale."""
    return np.abs(kernel).mean(axis=0)


def ternary_scale(kernel: np.ndarray) -> np.ndarray:
    """The scale of least squared error as -scale, 0 and +scale: Li et al. 2016, "Ternary Weight Networks".

    If the m greatest magnitudes become ±scale, the best scale is their mean, and the error is least for the m with
    the greatest (Σ |w|)² / m. The paper guesses that m by a threshold of 0.7 times the mean of |w|; here all are
    tried. At the optimum that threshold is scale/2, where rounding has it.
    """
    sums = np.cumsum(-np.sort(-np.abs(kernel), axis=0), axis=0)
    m = np.arange(1, len(kernel) + 1)[:, np.newaxis]
    best = np.argmax(sums**2 / m, axis=0)
    return sums[best, np.arange(kernel.shape[1])] / (best + 1)


def quantized_weights(kernel: np.ndarray, scale: np.ndarray, bits: int) -> np.ndarray:
    """Real weights `(k, channels)` as integers: rounded half up and clipped; with 1 bit the sign, +1 for 0."""
    if bits == 1:
        return np.where(kernel < 0, -1, 1)
    top = weight_max(bits)
    return round_half_up(np.clip(kernel / scale, -top, top))


def norm_corrected(kernel: np.ndarray, q: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The scales that give each channel of the integers `q` `(k, channels)` the norm of the real weights.

    Banner, Nahshan and Soudry 2019, section 3.3: coarse weights have a mean and, around it, a norm that differ from
    those of the real ones. The norm is in the scale. The mean is not: one step is more than it would take. What
    it adds to the sums, given the mean input, is in the bias (`improve.correct_biases`).
    """
    wanted = np.linalg.norm(kernel - kernel.mean(axis=0), axis=0)
    had = np.linalg.norm(q - q.mean(axis=0), axis=0) * scale
    sound = (wanted > 0) & (had > 0)
    return scale * np.divide(wanted, had, out=np.ones_like(scale), where=sound)
