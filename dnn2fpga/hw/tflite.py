"""TensorFlow Lite's law of requantization as the general one, so that the same hardware follows both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..quant.fixed import Format
from ..quant.graph import QNode
from ..quant.ops.mac import channel_ranges
from ..quant.thresholds import Line, Rising


@dataclass(frozen=True, eq=False)
class Constants:
    """`clamp(round_half_up((sum · multiplier + offset) · 2^-shift))` to `limits`, a multiplier and offset a channel."""

    offset: np.ndarray
    multiplier: np.ndarray
    shift: int
    limits: tuple[int, int]


def constants_of(node: QNode) -> Constants:
    """The constants by which the hardware requantizes the sums of an integer layer."""
    return LAWS[node.rounding](node)


def _half_up(node: QNode) -> Constants:
    assert isinstance(node.o, Format)
    arrays, limits = node.arrays, (node.o.minimum, node.o.maximum)
    return Constants(arrays["offset"], arrays["multiplier"], node.scalars["shift"], limits)


def _tflite(node: QNode) -> Constants:
    """What gives for every sum there can be what the file's 31-bit multipliers and shifts a channel give.

    Half as many bits will mostly do, with one shift for all channels; if not, the multipliers themselves.
    """
    assert isinstance(node.i, Format)
    limits = node.scalars["low"], node.scalars["high"]
    least, greatest = channel_ranges(node.arrays["kernel"], node.i.minimum, node.i.maximum)
    steps = np.arange(limits[0] + 1, limits[1] + 1)
    exact = _exact(node)
    line = Rising(least, greatest, steps, exact.thresholds(steps), exact).line() or _with_one_shift(exact)
    return Constants(line.addend - ((1 << int(line.shift)) >> 1), line.multiplier, int(line.shift), limits)


LAWS = {"half_up": _half_up, "tflite": _tflite}


def _exact(node: QNode) -> Line:
    """The file's own law, in Python's integers: the offset is multiplied, the half and the zero point are added."""
    arrays = {name: array.astype(object) for name, array in node.arrays.items()}
    shift = 31 - arrays["shift"]
    half_and_zero = (1 << (shift - 1)) + (node.scalars["zero_point"] << shift)
    return Line(arrays["multiplier"], arrays["offset"] * arrays["multiplier"] + half_and_zero, shift)


def _with_one_shift(line: Line) -> Line:
    """The same with the greatest shift for all channels."""
    most = int(np.max(line.shift))
    return Line(line.multiplier << (most - line.shift), line.addend << (most - line.shift), most)
