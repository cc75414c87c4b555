"""Average-pooling: the mean of each window, channel by channel, of the values that lie inside the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Shape, Weights
from ..fixed import Format, requantize
from ..graph import QNode
from .base import Setting
from .pool2d import Pool2D


@dataclass(frozen=True)
class AveragePool2D(Pool2D):
    """The mean of each window, rounded half up; padding does not count."""

    kind: ClassVar[str] = "average_pool2d"
    integers_only: ClassVar[bool] = True

    def counts(self, shape: Shape) -> np.ndarray:
        """Values of the image in each window, one a position, of as many axes as the output."""
        ones = np.ones((1, *shape[:-1], 1), np.int64)
        return self.pooled(np.sum, ones, 0)[0]

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return (self.pooled(np.sum, x, 0) / self.counts(x.shape[1:])).astype(x.dtype)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training; as in floating point, padding does not count."""
        shape = tuple(x.shape[1:])
        window = self.window
        values = math.prod(window.kernel)

        def sums(padded: Any) -> Any:
            return ops.average_pool(padded, window.kernel, window.strides, "valid", "channels_last") * values

        return self.pooled_traced(ops, sums, x, 0) / self.counts(shape).astype(np.float32)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """Sums of integers as they are, times 1 / count: a zero point is the same part of both sides.

        One multiplier and offset for all, or one a position where windows reach beyond the image.
        """
        assert isinstance(at.i, Format)
        counts = self.counts(at.input_shape)
        counts = counts[(0,) * (counts.ndim - 1)] if (counts == counts.flat[0]).all() else counts
        values = int(counts.max())
        multiplier, offset, shift = reciprocals(counts, values * at.i.minimum, values * at.i.maximum)
        arrays = {"multiplier": multiplier, "offset": offset}
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, at.i, arrays, {"shift": shift})

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        assert isinstance(node.o, Format)
        sums = self.pooled(np.sum, x.astype(np.int64), 0)
        return requantize(sums, node.arrays["multiplier"], node.arrays["offset"], node.scalars["shift"], node.o)


def reciprocals(counts: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Multipliers, offsets and a shift by which the rounding law divides sums from `low` to `high` by `counts` exactly.

    With m = ⌈2^s / c⌉ = (2^s + e) / c, `(sum · m + d + 2^(s-1)) / 2^s` is `sum / c + ½` and an error of
    `(sum · e / c + d) / 2^s`. The offset d makes it positive or 0 for all sums. `sum / c + ½` lies at least 1 / (2 c)
    below the next integer; as long as the error is less, the floor is that of the exact quotient. (The method is that
    of Granlund and Montgomery, 1994, "Division by invariant integers using multiplication".)
    """
    shift = 0
    while True:
        multiplier = -(-(1 << shift) // counts)
        excess = multiplier * counts - (1 << shift)
        offset = -(low * excess // counts)
        if (2 * (high * excess + offset * counts) < 1 << shift).all():
            return multiplier, offset, shift
        shift += 1
