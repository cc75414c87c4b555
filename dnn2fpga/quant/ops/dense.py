"""A fully connected layer, with an optional fused ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Shape, Weights
from ..floating import FloatFormat
from ..graph import QNode
from .base import Op, Setting
from .float_mac import run_float_mac
from .mac import float_mac, quantize_mac, read_weights, run_mac, traced_mac


@dataclass(frozen=True)
class Dense(Op):
    """`units` sums over the last axis, the features. Weights: `kernel` (features, units) and `bias` (units)."""

    kind: ClassVar[str] = "dense"
    has_kernel: ClassVar[bool] = True
    units: int
    relu: bool = False

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Dense` layer."""
        return cls(config["units"]), read_weights(weights)

    def output_shape(self, shape: Shape) -> Shape:
        """(…, features) to (…, units)."""
        return (*shape[:-1], self.units)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """(features, units) and (units,)."""
        return {"kernel": (shape[-1], self.units), "bias": (self.units,)}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return float_mac(weights, x, relu=self.relu)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return traced_mac(ops, ops.matmul(x, weights["kernel"]), weights, relu=self.relu)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """As every sum of products."""
        return quantize_mac(node, self, at)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return run_mac(node, x)

    def as_float(self) -> FloatDense:
        """The same layer, left in floating point."""
        return FloatDense(self.units, self.relu)


@dataclass(frozen=True)
class FloatDense(Dense):
    """A dense layer left in floating point. `float_mac.float_node` makes its integer layer, of ordered codes."""

    kind: ClassVar[str] = "float_dense"

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In floats of the layer's format."""
        assert isinstance(node.i, FloatFormat)
        return run_float_mac(node, node.i.values(x))
