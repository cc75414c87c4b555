"""ReLU as a layer of its own, where it cannot be fused into the clamp of a sum of products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Weights
from ..fixed import Format
from ..graph import QNode
from .base import Op, Setting, refuse_unless


@dataclass(frozen=True)
class ReLU(Op):
    """`max(x, 0)`. Integers keep their scale; a signed input leaves unsigned, one bit narrower."""

    kind: ClassVar[str] = "relu"

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `ReLU` layer, plain."""
        refuse_unless(config, max_value=None, negative_slope=0.0, threshold=0.0)
        return cls(), {}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return np.maximum(x, 0)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The same scale, unsigned."""
        o = Format(at.i.bits - at.i.signed, False, at.i.scale)
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, o)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return np.maximum(x, 0)
