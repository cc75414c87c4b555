"""TensorFlow Lite's law of requantization as the general one, so that the same hardware follows both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..quant.fixed import Format
from ..quant.graph import QNode
from ..quant.ops.mac import channel_ranges


@dataclass(frozen=True, eq=False)
class Constants:
    """`clamp((sum · multiplier + offset + ½ · 2^shift) >> shift)` to `limits`, multipliers and offsets one a channel."""

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
    """Constants that give for every sum there can be what the 31-bit multipliers and the shifts of the file give.

    What a channel gives rises with its sum, so that it is known by its thresholds: for each integer that it gives,
    the least sum that gives as much. Any multiplier and addend with the same thresholds do the same. They are looked
    for with one shift for all channels, from the least up: about as many bits do as tell the thresholds from one
    another.
    """
    assert isinstance(node.i, Format)
    limits = node.scalars["low"], node.scalars["high"]
    least, greatest = channel_ranges(node.arrays["kernel"], node.i.minimum, node.i.maximum)
    steps = np.arange(limits[0] + 1, limits[1] + 1)
    multiplier, addend, shift = _exact(node)
    thresholds = _thresholds(multiplier, addend, shift, steps)
    thresholds = np.clip(thresholds, least[:, np.newaxis], greatest[:, np.newaxis] + 1).astype(np.int64)
    for common in range(WIDEST_SHIFT + 1):
        found = _with_shift(common, (multiplier, shift), thresholds, steps, (least, greatest))
        if found is not None:
            return Constants(found[1] - ((1 << common) >> 1), found[0], common, limits)
    common = int(shift.max())
    wide = multiplier << (common - shift)
    return Constants((addend << (common - shift)) - ((1 << common) >> 1), wide, common, limits)


LAWS = {"half_up": _half_up, "tflite": _tflite}

WIDEST_SHIFT = 40
"""The greatest shift that is tried: sums have 32 bits at most."""


def _exact(node: QNode) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multipliers, addends and shifts, one a channel, of `(sum · multiplier + addend) >> shift`, as Python integers."""
    arrays = {name: array.astype(object) for name, array in node.arrays.items()}
    shift = 31 - arrays["shift"]
    half_and_zero = (1 << (shift - 1)) + (node.scalars["zero_point"] << shift)
    return arrays["multiplier"], arrays["offset"] * arrays["multiplier"] + half_and_zero, shift


def _thresholds(multiplier: np.ndarray, addend: np.ndarray, shift: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(channels, steps): the least sum that gives each of `steps`; one beyond all sums where none, or all, do."""
    return np.array(
        [
            [-((a - (k << s)) // m) if m else (-BEYOND if a >> s >= k else BEYOND) for k in steps.tolist()]
            for m, a, s in zip(multiplier, addend, shift, strict=True)
        ],
        object,
    )


BEYOND = 1 << 40
"""A sum that no layer gives: TensorFlow Lite's have 32 bits."""


def _with_shift(
    common: int,
    exact: tuple[np.ndarray, np.ndarray],
    thresholds: np.ndarray,
    steps: np.ndarray,
    sums: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray] | None:
    """Multipliers and addends, one a channel, with the same `thresholds` for `sums` from least to greatest.

    The sum at a threshold must reach its step, the one below must not: that bounds the addend from both sides. Of the
    two multipliers nearest to the `exact` one the first is taken that leaves an addend. None if a channel has none.
    """
    multiplier, shift = exact
    least, greatest = (bound[:, np.newaxis] for bound in sums)
    goal = steps << common
    found = np.zeros((2, len(multiplier)), np.int64)
    missing = np.ones(len(multiplier), bool)
    for more in (0, 1):
        tried = (multiplier << common >> shift) + more
        if max(tried) * int(np.abs(thresholds).max() + 1) >= FREE >> 1:
            return None
        tried = tried.astype(np.int64)
        slope = tried[:, np.newaxis]
        low = np.where(thresholds > greatest, -FREE, goal - slope * thresholds).max(axis=1, initial=-FREE)
        high = np.where(thresholds <= least, FREE, goal - slope * (thresholds - 1) - 1).min(axis=1, initial=FREE)
        fits = missing & (low <= high)
        found[:, fits] = np.where(low > -FREE, low, high)[fits], tried[fits]
        missing &= ~fits
    return None if missing.any() else (found[1], found[0])


FREE = 1 << 62
"""An addend that nothing bounds."""
