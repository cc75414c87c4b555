"""Rising functions of a sum as `(sum · multiplier + addend) >> shift`, with no more bits than they need.

A function that rises with the sum is known by its thresholds: for each integer that it gives, the least sum that gives
as much. Any multiplier and addend with the same thresholds do the same. (FINN, Umuroglu et al., 2017, keeps the
thresholds themselves.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_SHIFT = 40
"""The greatest shift that is tried: sums have 32 bits at most."""

BEYOND = 1 << 40
"""A sum that no layer gives."""

FREE = 1 << 62
"""An addend that nothing bounds."""


@dataclass(frozen=True, eq=False)
class Line:
    """`(sum · multiplier + addend) >> shift`: multipliers and addends one a channel, and so is the shift, or one for all.

    The integers may be Python's own, in arrays of objects.
    """

    multiplier: np.ndarray
    addend: np.ndarray
    shift: np.ndarray | int

    def thresholds(self, steps: np.ndarray) -> np.ndarray:
        """(channels, steps): the least sum that gives each of the integers `steps`."""
        shifts = np.broadcast_to(self.shift, self.multiplier.shape)
        return np.array(
            [
                [-((a - (k << s)) // m) if m else (-BEYOND if a >> s >= k else BEYOND) for k in steps.tolist()]
                for m, a, s in zip(self.multiplier.tolist(), self.addend.tolist(), shifts.tolist(), strict=True)
            ],
            object,
        )


@dataclass(frozen=True, eq=False)
class Rising:
    """One function a channel of sums from `least` to `greatest`, which gives `steps[j]` from `thresholds[:, j]` on.

    `slope` is about what one more of the sum adds: a Line whose addends do not count.
    """

    least: np.ndarray
    greatest: np.ndarray
    steps: np.ndarray
    thresholds: np.ndarray
    slope: Line

    def line(self) -> Line | None:
        """The line of the least shift, the same for all channels, that is this function. None if none is found."""
        thresholds = np.clip(self.thresholds, self.least[:, np.newaxis], self.greatest[:, np.newaxis] + 1)
        thresholds = thresholds.astype(np.int64)
        lines = (self._with_shift(shift, thresholds) for shift in range(MOST_SHIFT + 1))
        return next((line for line in lines if line is not None), None)

    def _with_shift(self, shift: int, thresholds: np.ndarray) -> Line | None:
        """The sum at a threshold must reach its step, the one below must not: that bounds the addend from both sides.

        Of the two multipliers nearest to the slope the first is taken that leaves an addend.
        """
        goal = self.steps << shift
        multiplier, addend = np.zeros((2, len(self.least)), np.int64)
        missing = np.ones(len(self.least), bool)
        for more in (0, 1):
            tried = (self.slope.multiplier.astype(object) << shift >> self.slope.shift) + more
            if max(tried) * int(np.abs(thresholds).max(initial=0) + 1) >= FREE >> 1:
                return None
            tried = tried.astype(np.int64)
            rise = tried[:, np.newaxis]
            never, always = thresholds > self.greatest[:, np.newaxis], thresholds <= self.least[:, np.newaxis]
            low = np.where(never, -FREE, goal - rise * thresholds).max(axis=1, initial=-FREE)
            high = np.where(always, FREE, goal - rise * (thresholds - 1) - 1).min(axis=1, initial=FREE)
            fits = missing & (low <= high)
            multiplier[fits], addend[fits] = tried[fits], np.where(low > -FREE, low, high)[fits]
            missing &= ~fits
        return None if missing.any() else Line(multiplier, addend, shift)
