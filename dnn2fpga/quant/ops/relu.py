"""ReLU as a layer of its own, where it cannot be fused into the clamp of a sum of products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Weights
from ..graph import QNode
from .base import Op, Setting, refuse_unless


@dataclass(frozen=True)
class ReLU(Op):
    """`max(x, 0)`. Integers keep their scale; they leave unsigned, as many bits as the positive ones need."""

    kind: ClassVar[str] = "relu"
    homogeneous: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `ReLU` layer, plain."""
        refuse_unless(config, max_value=None, negative_slope=0.0, threshold=0.0)
        return cls(), {}

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
