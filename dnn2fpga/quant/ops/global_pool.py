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
from .average_pool2d import reciprocals
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
        *constants, shift = reciprocals(np.array(count), low, high)
        multiplier, offset = map(int, constants)
        if (max(-low, high) * multiplier + offset + (1 << shift)).bit_length() > WIDEST_SUM:
            raise Refusal(
                f"layer '{node.name}': {count} values of {at.i.bits} bits are too many to average; use fewer bits"
            )
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
