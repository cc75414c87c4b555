"""Calibrations: which range of real values a format of some width is best spent on.

Each takes the `Histogram` of the values, the width in bits from 1 to 16, and whether the format is to be symmetric,
and gives a `Range`: `(0, T)` for values that are never negative, else `(-T, T)` if symmetric and `(low, high)` with 0
in it if not. A range reaches no further than what was seen, to the greatest magnitude if symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product

import numpy as np

from .fixed import Format, round_half_up
from .histogram import BINS, Histogram, Range, observe

__all__ = ["CALIBRATIONS", "Calibration", "Histogram", "Range", "observe"]

Calibration = Callable[[Histogram, int, bool], Range]
Cost = Callable[[Histogram, Format], float]

CLIPPED = 1e-4
"""The share of the values that `percentile` may clip."""

THRESHOLDS = 128
"""Thresholds that a search tries: from the greatest magnitude down to one bin, each 6 % below the one before."""

GRID = 24
"""Thresholds at each end that the search for an asymmetric range tries with all others, before it turns to each end."""


def min_max(h: Histogram, bits: int, symmetric: bool) -> Range:
    """All that was seen, so that nothing is clipped.

    Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference".
    """
    return _within(h, h.seen.low, h.seen.high, symmetric)


def percentile(h: Histogram, bits: int, symmetric: bool) -> Range:
    """The least range, to the next bin, that clips at most 0.01 % of the values; half of that at each asymmetric end.

    McKinstry et al. 2019, "Discovering Low-Precision Networks Close to Full-Precision Networks for Efficient
    Embedded Inference".
    """
    allowed = CLIPPED * h.seen.n
    if symmetric or h.seen.low >= 0:
        reach = np.unique(np.abs(h.edges))
        threshold = reach[h.clipped(-reach, reach) <= allowed][0]
        return _within(h, -threshold, threshold, symmetric)
    low, high = np.minimum(h.edges, 0), np.maximum(h.edges, 0)
    low = low[h.clipped(low, np.full_like(low, h.seen.reach)) <= allowed / 2]
    high = high[h.clipped(np.full_like(high, -h.seen.reach), high) <= allowed / 2]
    return _within(h, low[-1], high[0], symmetric)


def mse(h: Histogram, bits: int, symmetric: bool) -> Range:
    """The range whose format has the least mean squared error, of rounding and of clipping, by search.

    Shin, Hwang and Sung 2016, "Fixed-point performance analysis of recurrent neural networks"; Sung, Shin and Hwang
    2015, "Resiliency of Deep Neural Networks under Quantization".
    """
    return _searched(h, bits, symmetric, squared_error)


def entropy(h: Histogram, bits: int, symmetric: bool) -> Range:
    """The range whose format loses the least information, by search: Migacz 2017, "8-bit Inference with TensorRT"."""
    return _searched(h, bits, symmetric, divergence)


def banner(h: Histogram, bits: int, symmetric: bool) -> Range:
    """The range of least expected squared error under a Laplace or a Gauss distribution, whichever fits better.

    ACIQ: Banner, Nahshan and Soudry 2019, "Post training 4-bit quantization of convolutional networks for
    rapid-deployment", sections 2 and 3. Symmetric ranges suppose a mean of 0. Of values that are never negative, the
    zeros are taken out and the others are half a distribution around 0: the paper's fused ReLU. The paper counts
    2^bits steps in a range; here they are those of the format.
    """
    seen = h.seen
    n, center, magnitude, square = seen.n, 0.0, seen.magnitude, seen.square
    if seen.low >= 0:
        n -= seen.zeros
    elif not symmetric:
        center, magnitude, square = seen.mean, h.spread, square - n * seen.mean**2
    if magnitude == 0 or square <= 0:
        return min_max(h, bits, symmetric)
    steps = 1 / _format(Range(0.0 if seen.low >= 0 else -1.0, 1.0), bits, symmetric).scale
    threshold = analytic_clip(magnitude / n, math.sqrt(square / n), steps)
    return _within(h, center - threshold, center + threshold, symmetric)


CALIBRATIONS: Mapping[str, Calibration] = {
    "min_max": min_max,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
    "banner": banner,
}


def squared_error(h: Histogram, fmt: Format) -> float:
    """The mean squared error of the values in `fmt`, exact for values spread evenly within each bin."""
    filled = np.flatnonzero(h.counts)
    edges = h.edges / fmt.scale + fmt.zero_point
    left, right = edges[filled], edges[filled + 1]

    def area(u: np.ndarray) -> np.ndarray:
        """The integral of (u - q(u))², u counted in steps, up to a constant."""
        q = np.clip(round_half_up(u), fmt.minimum, fmt.maximum)
        return q / 12 + (u - q) ** 3 / 3

    in_steps = (area(right) - area(left)) / np.maximum(right - left, np.finfo(np.float64).tiny)
    of_zeros = float(fmt.dequantize(np.array(fmt.zero))) ** 2 * h.seen.zeros
    return (float(h.counts[filled] @ in_steps) * fmt.scale**2 + of_zeros) / h.seen.n


def divergence(h: Histogram, fmt: Format) -> float:
    """The information lost in `fmt`, in nats a value that is not 0: the divergence of Migacz 2017, made sound.

    It compares the histogram with what the integers tell of it, in which the values that one integer stands for are
    spread evenly over the filled bins from which they come, and clipped values are missing. Migacz counts these
    into the last bin that is kept; if that bin happens to be a peak, clipping all the rest seems to cost next to
    nothing. Here they have a bin of their own, with one value added to both sides. The sum missing, this is Csiszár's
    I-divergence; without clipping it is that of Kullback and Leibler.
    """
    filled = np.flatnonzero(h.counts)
    counts, centers = h.counts[filled], ((h.edges[:-1] + h.edges[1:]) / 2)[filled]
    integers = round_half_up(centers / fmt.scale + fmt.zero_point)
    inside = (fmt.minimum <= integers) & (integers <= fmt.maximum)
    kept = counts[inside]
    clipped = int(counts.sum() - kept.sum())
    _, integer = np.unique(integers[inside], return_inverse=True)
    spread = (np.bincount(integer, kept) / np.bincount(integer))[integer]
    lost = float(kept @ np.log(kept / spread)) + (clipped + 1) * math.log(clipped + 1) - clipped
    return lost / int(counts.sum())


def analytic_clip(deviation: float, rms: float, steps: float) -> float:
    """The threshold, from the center of a distribution, of least expected squared error with `steps` steps to it.

    `deviation` is the mean of |x - center|, `rms` the root of the mean of (x - center)². They are the parameters of
    the Laplace and of the Gauss distribution that fit best; the likelier of the two counts. Clipping at a deviations
    costs 2 e^-a b² (Laplace), rounding a step of a/steps a twelfth of its square: banner's equations 8 and 11, whose
    derivatives here have their root found by bisection.
    """
    if math.log(2 * deviation) + 1 <= math.log(math.sqrt(2 * math.pi) * rms) + 0.5:
        return deviation * _root(lambda a: a * math.exp(a) - 12 * steps**2)

    def slope(a: float) -> float:
        density, beyond = math.exp(-a * a / 2) / math.sqrt(2 * math.pi), math.erfc(a / math.sqrt(2)) / 2
        return a - 24 * steps**2 * (density - a * beyond)

    return rms * _root(slope)


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function crosses 0, between 0 and 32."""
    low, high = 0.0, 32.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def _searched(h: Histogram, bits: int, symmetric: bool, cost: Cost) -> Range:
    """The range whose format costs least; of equals, the widest."""
    seen = min_max(h, bits, symmetric)
    if h.seen.low == h.seen.high:
        return seen

    def best(ranges: Iterable[Range]) -> Range:
        return min(ranges, key=lambda one: cost(h, _format(one, bits, symmetric)))

    parts = _parts(THRESHOLDS)
    if symmetric or seen.low == 0 or seen.high == 0:
        return best(Range(part * seen.low, part * seen.high) for part in parts)
    found = best(Range(a * seen.low, b * seen.high) for a, b in product(_parts(GRID), repeat=2))
    found = best([found, *(Range(found.low, part * seen.high) for part in parts)])
    return best([found, *(Range(part * seen.low, found.high) for part in parts)])


def _parts(n: int) -> list[float]:
    """`n` parts of a range, from all of it to one bin."""
    return np.geomspace(1, 1 / BINS, n).tolist()


def _format(wanted: Range, bits: int, symmetric: bool) -> Format:
    """The format that holds a range."""
    if symmetric or wanted.low >= 0 or bits == 1:
        return Format.covering(wanted.low, wanted.high, bits)
    return Format.between(wanted.low, wanted.high, bits)


def _within(h: Histogram, low: float, high: float, symmetric: bool) -> Range:
    """The range from `low` to `high`, no wider than what was seen, in the shape that all calibrations give."""
    if h.seen.low >= 0:
        return Range(0.0, float(min(high, h.seen.high)))
    if symmetric:
        reach = float(min(max(-low, high), h.seen.reach))
        return Range(-reach, reach)
    return Range(float(min(max(low, h.seen.low), 0.0)), float(max(min(high, h.seen.high), 0.0)))
