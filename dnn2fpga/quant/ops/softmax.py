"""The final softmax: the hardware gives the exact logits and the winner, which softmax does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Graph, Node, Weights, readers
from ..fixed import Format
from ..graph import QNode
from .base import Op, Setting, refuse_unless
from .pack import Pack
from .row_softmax import RowSoftmax
from .tflite_softmax import softmax


@dataclass(frozen=True)
class Softmax(Op):
    """Softmax over the last axis. In integers, the logits as they are, each row with the index of the greatest behind.

    Of tied ones the first counts.
    """

    kind: ClassVar[str] = "softmax"
    hands_on: ClassVar[bool] = True
    classifies: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Softmax` layer over the last axis, or the activation."""
        refuse_unless(config, axis=-1)
        return cls(), {}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return RowSoftmax().run_float(weights, x)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training: the logits as they are, as in integers. The loss is worked out of them."""
        return x

    def quantize(self, node: Node, at: Setting) -> QNode:
        """(…, classes) to (…, classes + 1): the last of each row is the winner."""
        *axes, classes = at.input_shape
        if classes - 1 > at.i.maximum:
            raise Refusal(f"layer '{node.name}': {classes} classes do not fit into {at.i.bits}-bit outputs")
        return QNode(node.name, self, at.input_shape, (*axes, classes + 1), at.i, at.i)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return np.concatenate([x, x.argmax(axis=-1, keepdims=True)], axis=-1)

    def finish(self, node: QNode, q: np.ndarray) -> np.ndarray:
        """TensorFlow Lite's probabilities, of the logits: the winner is dropped."""
        assert isinstance(node.i, Format)
        return softmax(q[..., :-1], node.i.scale)


def within(graph: Graph) -> Graph:
    """The graph in which each softmax that is not at an end of the model gives probabilities."""

    def is_within(node: Node) -> bool:
        return any(not isinstance(reader.spec, Pack) for reader in readers(graph.nodes, node.name))

    return replace(
        graph,
        nodes=tuple(
            replace(node, spec=RowSoftmax()) if isinstance(node.spec, Softmax) and is_within(node) else node
            for node in graph.nodes
        ),
    )
