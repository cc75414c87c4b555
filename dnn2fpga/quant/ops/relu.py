"""ReLU as a layer of its own, where it cannot be fused into the clamp of a sum of products; and with its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Weights
from ..fixed import Format
from ..graph import QNode
from .base import Op, Setting
from .rectifiers import LeakyReLU
from .table import Table


@dataclass(frozen=True)
class ReLU(Op):
    """`max(x, 0)`. Integers keep their scale; they leave unsigned, as many bits as the positive ones need."""

    kind: ClassVar[str] = "relu"
    homogeneous: ClassVar[bool] = True
    only_rectifies: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `ReLU` layer, plain or with parameters, or the activation."""
        max_value = config.get("max_value")
        slope, threshold = (float(config.get(name) or 0) for name in ("negative_slope", "threshold"))
        if max_value is None and threshold == 0:
            return (LeakyReLU(slope) if slope else cls()), {}
        return BentReLU(None if max_value is None else float(max_value), slope, threshold), {}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return np.maximum(x, 0)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.relu(x)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """As `rectified` says."""
        if at.i.bits == 1 and at.i.signed:
            raise Refusal(f"layer '{node.name}': behind a sign a ReLU has nothing to do; leave it out of the model")
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, at.i.rectified)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return np.maximum(x, node.i.zero) - node.i.zero


@dataclass(frozen=True)
class BentReLU(Table):
    """Keras's `ReLU` with its three parameters, and `relu6`, which is how it comes by default.

    `x` above `threshold`, no more than `max_value` if there is one; below `negative_slope · (x - threshold)`. Only the
    lower limit, 0, may be fused into the layer before it (`rectifies`). If that layer's format ends at the upper one,
    nothing is left to do.
    """

    kind: ClassVar[str] = "bent_relu"
    max_value: float | None = 6.0
    negative_slope: float = 0.0
    threshold: float = 0.0

    @property
    def rectifies(self) -> bool:
        """Whether negative inputs all give 0, and positive ones themselves up to a limit."""
        return self.negative_slope == 0 and self.threshold == 0

    def input_reach(self, activation_bits: int) -> float:
        """Where the upper limit is reached, if negative inputs all give 0."""
        if self.max_value is None or self.negative_slope or self.max_value <= self.threshold:
            return math.inf
        return self.max_value

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        y = ops.where(x > self.threshold, x, 0.0 * x)
        y = y if self.max_value is None else ops.minimum(y, self.max_value)
        return y + self.negative_slope * ops.minimum(x - self.threshold, 0.0) if self.negative_slope else y

    def quantize(self, node: Node, at: Setting) -> QNode:
        """A table, or what a ReLU is of integers that neither limit touches."""
        i = at.i
        assert isinstance(i, Format)
        limit = math.inf if self.max_value is None else self.max_value
        if self.rectifies and i == i.rectified and (i.maximum - 0.5) * i.scale < limit:
            return QNode(node.name, ReLU(), at.input_shape, at.output_shape, i, i)
        return super().quantize(node, at)
