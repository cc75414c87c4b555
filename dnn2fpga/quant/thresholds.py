"""Rising functions of a sum as two parallel lines, rounded down, with no more bits than they need.

A function that rises with the sum is known by its thresholds: for each integer that it gives, the least sum that gives
as much. Any line with the same thresholds does the same. (FINN, Umuroglu et al., 2017, keeps the thresholds
themselves.) Functions that round ties away from 0 are two lines: one for results above zero, one for those below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST_SHIFT = 40
"""The greatest shift that is tried: sums have 32 bits at most."""

FREE = 1 << 62
"""An addend that nothing bounds."""


@dataclass(frozen=True, eq=False)
class Line:
    """`(sum · multiplier + addend) >> shift`, with `below` for `addend` where the sum is less than `bend`.

    All are one a channel, but the shift is one for all.
    """

    multiplier: np.ndarray
    addend: np.ndarray
    below: np.ndarray
    bend: np.ndarray
    shift: int


@dataclass(frozen=True, eq=False)
class Rising:
    """One function a channel of sums from `least` to `greatest`, which gives `steps[j]` from `thresholds[:, j]` on.

    `slope` is what one more of the sum adds, about; the steps up to `zero` have a line of their own.
    """

    least: np.ndarray
    greatest: np.ndarray
    steps: np.ndarray
    thresholds: np.ndarray
    slope: np.ndarray
    zero: int

    def line(self) -> Line | None:
        """The line of the least shift, the same for all channels, that is this function. None if none is found."""
        lines = (self._with_shift(shift) for shift in range(MOST_SHIFT + 1))
        return next((line for line in lines if line is not None), None)

    def _with_shift(self, shift: int) -> Line | None:
        """Of the two multipliers nearest to the slope the first is taken that leaves addends."""
        found = np.zeros((3, len(self.least)), np.int64)
        missing = np.ones(len(self.least), bool)
        for more in (0, 1):
            tried = np.floor(self.slope * 2.0**shift) + more
            if tried.max() * (np.abs(self.thresholds).max(initial=0) + 1.0) >= FREE / 4:
                return None
            tried = tried.astype(np.int64)
            low, high = self._bounds(tried, shift, self.steps > self.zero)
            low = np.maximum(low, self._bounds(tried, shift, self.steps == self.zero)[0])
            low_below, high_below = self._bounds(tried, shift, self.steps <= self.zero)
            both = np.maximum(low, low_below) <= np.minimum(high, high_below)
            low, high = np.where(both, [np.maximum(low, low_below), np.minimum(high, high_below)], [low, high])
            low_below, high_below = np.where(both, [low, high], [low_below, high_below])
            fits = missing & (low <= high) & (low_below <= high_below)
            found[:, fits] = np.array([tried, _within(low, high), _within(low_below, high_below)])[:, fits]
            missing &= ~fits
        return None if missing.any() else Line(found[0], found[1], found[2], self._bend(), shift)

    def _bounds(self, multiplier: np.ndarray, shift: int, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Between which the addends must lie: the sum at a threshold must reach its step, the one below must not."""
        thresholds, goal = self.thresholds[:, which], self.steps[which] << shift
        rise = multiplier[:, np.newaxis]
        never, always = thresholds > self.greatest[:, np.newaxis], thresholds <= self.least[:, np.newaxis]
        low = np.where(never, -FREE, goal - rise * thresholds).max(axis=1, initial=-FREE)
        high = np.where(always, FREE, goal - rise * (thresholds - 1) - 1).min(axis=1, initial=FREE)
        return low, high

    def _bend(self) -> np.ndarray:
        """The least sum of the upper line: that which gives `zero`, or a step below all sums or above them."""
        at = self.steps == self.zero
        if at.any():
            return self.thresholds[:, at][:, 0]
        return self.least if (self.steps > self.zero).all() else self.greatest + 1


def _within(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """An addend between bounds, of which one may be free, or both."""
    return np.where(low > -FREE, low, np.where(high < FREE, high, 0))


def thresholds_of(
    function: Callable[[np.ndarray], np.ndarray], least: np.ndarray, greatest: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """(channels, steps): the least sum from `least` to `greatest` for which a rising function gives each step.

    One more than the greatest where none does. `function` takes and gives (channels, steps). By bisection.
    """
    low = np.broadcast_to(least[:, np.newaxis], (len(least), len(steps))).astype(np.int64)
    high = np.broadcast_to(greatest[:, np.newaxis] + 1, low.shape).astype(np.int64)
    while (low < high).any():
        middle = (low + high) >> 1
        reached = function(middle) >= steps
        low, high = np.where(reached | (low >= high), low, middle + 1), np.where(reached & (low < high), middle, high)
    return low
