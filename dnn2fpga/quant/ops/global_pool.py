"""Global pooling: one value a channel, the average or the greatest of all its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..fixed import Format, requantize
from ..graph import QNode
from .base import Op, Setting, refuse_unless
from .mac import WIDEST_SUM


@dataclass(frozen=True)
class GlobalPool(Op):
    """One value a channel; with `keepdims` the other axes stay, of size 1. Integers keep their format."""

    homogeneous: ClassVar[bool] = True
    keepdims: bool = False

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a global pooling layer of one or two dimensions."""
        refuse_unless(config, data_format="channels_last")
        return cls(config.get("keepdims", False)), {}

    def output_shape(self, shape: Shape) -> Shape:
        """(…, channels) to (channels,), or (1, …, 1, channels)."""
        if len(shape) < 2:
            raise Refusal(f"takes (height, width, channels) or (length, channels), not {shape}")
        return (*(1,) * (len(shape) - 1), shape[-1]) if self.keepdims else shape[-1:]

    def _shaped(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return y.reshape(len(x), *self.output_shape(x.shape[1:]))


@dataclass(frozen=True)
class GlobalMaxPool(GlobalPool):
    """The greatest value of each channel."""

    kind: ClassVar[str] = "global_max_pool"

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return self._shaped(_pixels(x).max(axis=1), x)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.max(x, axis=tuple(range(1, len(x.shape) - 1)), keepdims=self.keepdims)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return self._shaped(_pixels(x).max(axis=1), x)


@dataclass(frozen=True)
class GlobalAveragePool(GlobalPool):
    """The average of each channel. In integers, that of the integers, exactly, rounded half up."""

    kind: ClassVar[str] = "global_average_pool"
    integers_only: ClassVar[bool] = True

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return self._shaped(_pixels(x).mean(axis=1), x)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training. One division, so that what lies between two integers is just that."""
        sums = ops.sum(x, axis=tuple(range(1, len(x.shape) - 1)), keepdims=self.keepdims)
        return sums / float(math.prod(x.shape[1:-1]))

    def quantize(self, node: Node, at: Setting) -> QNode:
        """In the input's format; the scalars are the constants of the rounding law."""
        assert isinstance(at.i, Format)
        count = math.prod(at.input_shape[:-1])
        low, high = count * at.i.minimum, count * at.i.maximum
        multiplier, offset, shift = mean_law(count, low, high)
        if (max(-low, high) * multiplier + offset + (1 << shift)).bit_length() > WIDEST_SUM:
            raise Refusal(f"layer '{node.name}': {count} values of {at.i.bits} bits are too many to average; use fewer bits")
        scalars = {"multiplier": multiplier, "offset": offset, "shift": shift}
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, at.i, {}, scalars)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        assert isinstance(node.o, Format)
        multiplier, offset, shift = (node.scalars[name] for name in ("multiplier", "offset", "shift"))
        sums = _pixels(x).sum(axis=1)
        return self._shaped(requantize(sums, np.array(multiplier), np.array(offset), shift, node.o), x)


def _pixels(x: np.ndarray) -> np.ndarray:
    """(n, …, channels) as (n, pixels, channels)."""
    return x.reshape(len(x), -1, x.shape[-1])


def mean_law(count: int, low: int, high: int) -> tuple[int, int, int]:
    """Multiplier, offset and shift of `fixed.requantize` that round the mean of `count` integers exactly.

    That is: for every sum from `low` ≤ 0 to `high` ≥ 0 they give `⌊sum / count + 1/2⌋`, with the least shift s.
    Let m = ⌈2^s / count⌉ and e = m · count - 2^s. With the offset c, 2^-s (sum · m + c) + 1/2 is
    `(2 sum + count) / (2 count)` plus `(sum · e + c · count) / (count · 2^s)`. The first is a multiple of
    `1 / (2 count)`, so its floor stays as it is as long as the second is at least 0 and less than `1 / (2 count)`.
    The former is so with c = ⌈-low · e / count⌉, the latter if 2 (high · e + c · count) < 2^s.
    """
    shift = 0
    while True:
        multiplier = -(-(1 << shift) // count)
        excess = multiplier * count - (1 << shift)
        offset = -(low * excess // count)
        if 2 * (high * excess + offset * count) < 1 << shift:
            return multiplier, offset, shift
        shift += 1
