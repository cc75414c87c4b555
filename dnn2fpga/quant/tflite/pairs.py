"""ADD and MUL of TensorFlow Lite: functions of two int8 values, exactly, and ADD as a weighted sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fixed import Format
from .laws import multiply

LEFT = 20
"""Bits by which ADD shifts its inputs, so as not to lose by rounding twice."""

MOST_SHIFT = 28
NEAR = 2


def add(x: np.ndarray, y: np.ndarray, i: Format, j: Format, o: Format) -> np.ndarray:
    """ADD of integers in formats `i` and `j`, in `o`, before the activation's limits.

    `AddElementwise` of tensorflow/lite/kernels/internal/reference/add.h, its factors as in kernels/add.cc.
    """
    twice = 2.0 * max(i.scale, j.scale)
    raw = sum(multiply((value - int(fmt.zero_point)) << LEFT, fmt.scale / twice) for value, fmt in ((x, i), (y, j)))
    return multiply(np.asarray(raw), twice / (2.0**LEFT * o.scale)) + int(o.zero_point)


def product_factor(i: Format, j: Format, o: Format) -> float:
    """What MUL multiplies a product by (kernels/mul.cc): product and quotient of floats."""
    return float(np.float32(i.scale) * np.float32(j.scale) / np.float32(o.scale))


@dataclass(frozen=True)
class Plane:
    """`(weights[0] · x + weights[1] · y + addend) >> shift`."""

    weights: tuple[int, int]
    addend: int
    shift: int


def plane(
    results: np.ndarray, i: Format, j: Format, limits: tuple[int, int], slopes: tuple[float, float]
) -> Plane | None:
    """What gives, clamped to `limits`, `results[x - i.minimum, y - j.minimum]` for all x and y. None if none is found.

    For weights about `slopes · 2^shift` each result bounds the addend, from both sides unless it is a limit.
    """
    x, y = np.arange(i.minimum, i.maximum + 1)[:, np.newaxis], np.arange(j.minimum, j.maximum + 1)
    results = np.clip(results, *limits)
    free = np.int64(1) << 62
    for shift in range(MOST_SHIFT + 1):
        near = range(-NEAR, NEAR + 1)
        goal = results << shift
        first, second = (round(slope * 2.0**shift) for slope in slopes)
        for weights in ((first + more, second + other) for more in near for other in near):
            need = goal - weights[0] * x - weights[1] * y
            low = int(np.where(results == limits[0], -free, need).max())
            high = int(np.where(results == limits[1], free, need + (1 << shift) - 1).min())
            if low <= high:
                return Plane(weights, low, shift)
    return None
