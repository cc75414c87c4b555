"""The law of requantization, rewritten so that it gives the same integers and takes less hardware."""

from dataclasses import dataclass

import numpy as np
from amaranth import Shape

from .fixed import maximum, minimum, shape_for


@dataclass(frozen=True, eq=False)
class Scaling:
    """`clamp((sum · multiplier + addend) >> shift)`: multipliers and addends one a channel, one shift for all."""

    multiplier: np.ndarray
    addend: np.ndarray
    shift: int

    def result_range(self, total: Shape) -> tuple[int, int]:
        """The least and greatest `sum · multiplier + addend`, over all channels and all sums of shape `total`."""
        pairs = list(zip(self.multiplier.tolist(), self.addend.tolist(), strict=True))
        return (
            min(minimum(total) * multiplier + addend for multiplier, addend in pairs),
            max(maximum(total) * multiplier + addend for multiplier, addend in pairs),
        )

    def simplified(self, total: Shape, o: Shape) -> "Scaling":
        """One with smaller multipliers that gives the same for all sums of shape `total`, clamped to shape `o`."""
        return self._threshold(total, o) if o.width == 1 and (self.multiplier > 0).all() else self._reduced()

    def _reduced(self) -> "Scaling":
        """Without the power of two, 2^j, that all multipliers and the shift have in common.

        `(sum · m + a) >> s` is the floor of `((sum · m + a) / 2^j) / 2^(s - j)`, and the floor of the inner division
        may be taken first. In that, `sum · m / 2^j` is an integer, so that only `a / 2^j` is rounded down: what is left
        is `(sum · (m >> j) + (a >> j)) >> (s - j)`.
        """
        bits = int(np.bitwise_or.reduce(self.multiplier))
        common = min(self.shift, (bits & -bits).bit_length() - 1) if bits else 0
        return Scaling(self.multiplier >> common, self.addend >> common, self.shift - common)

    def _threshold(self, total: Shape, o: Shape) -> "Scaling":
        """For one bit out: whether the sum reaches a threshold (FINN, Umuroglu et al., 2017), without a multiplier.

        The greater of the two integers, `g`, is given if `(sum · m + a) >> s` is at least `g`: if `sum · m + a` is at
        least `g · 2^s`: if the sum is at least `t = ⌈(g · 2^s - a) / m⌉`. A threshold beyond all sums may as well lie
        just beyond them. And `(sum - t + g · 2^n) >> n` is `g` if so, and else `g - 1`, without a clamp, for any `n`
        that makes 2^n greater than all `sum - t` and `t - sum - 1`.
        """
        greatest, (low, high) = maximum(o), (minimum(total), maximum(total))
        multipliers, addends = self.multiplier.tolist(), self.addend.tolist()
        thresholds = [
            min(max(-((addend - (greatest << self.shift)) // multiplier), low), high + 1)
            for multiplier, addend in zip(multipliers, addends, strict=True)
        ]
        shift = max(high - min(thresholds), max(thresholds) - low - 1).bit_length()
        addend = np.array([(greatest << shift) - threshold for threshold in thresholds])
        return Scaling(np.ones_like(self.multiplier), addend, shift)

    @property
    def addend_shape(self) -> Shape:
        """A shape that holds every addend."""
        return shape_for(int(self.addend.min()), int(self.addend.max()))
