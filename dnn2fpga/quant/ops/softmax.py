"""The final softmax: the hardware gives the exact logits and the winner, which softmax does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..graph import QNode
from .base import Op, Setting
from .tflite_softmax import softmax


@dataclass(frozen=True)
class Softmax(Op):
    """In floats, softmax. In integers, the logits as they are, then the index of the greatest (the first, if tied)."""

    kind: ClassVar[str] = "softmax"
    hands_on: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        """One axis only."""
        if len(shape) != 1:
            raise Refusal(f"softmax takes (classes,), not {shape}; put a Flatten before it")
        return shape

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training: the logits as they are, as in integers. The loss is worked out of them."""
        return x

    def quantize(self, node: Node, at: Setting) -> QNode:
        """(classes,) to (classes + 1,): the last is the winner."""
        classes = at.input_shape[0]
        if not at.last:
            raise Refusal(f"layer '{node.name}': softmax is supported only at the end of a model")
        if classes - 1 > at.i.maximum:
            raise Refusal(f"layer '{node.name}': {classes} classes do not fit into {at.i.bits}-bit outputs")
        return QNode(node.name, self, at.input_shape, (classes + 1,), at.i, at.i)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return np.concatenate([x, x.argmax(axis=-1, keepdims=True)], axis=-1)

    def finish(self, node: QNode, q: np.ndarray) -> np.ndarray:
        """TensorFlow Lite's probabilities, of the logits: the winner is dropped."""
        return softmax(q[..., :-1], node.i.scale)
