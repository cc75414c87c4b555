"""The start of a model of several inputs, which come in one tensor: each takes its part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..graph import QNode
from .base import Op, Setting


@dataclass(frozen=True)
class Slice(Op):
    """The values of a flat tensor from `start` on that fill `shape`. Integers get the part's own format."""

    kind: ClassVar[str] = "slice"
    integers_only: ClassVar[bool] = True
    rescales: ClassVar[bool] = True
    unpacks: ClassVar[bool] = True
    start: int
    shape: tuple[int, ...]

    @property
    def span(self) -> slice:
        """Where the values lie."""
        return slice(self.start, self.start + math.prod(self.shape))

    def output_shape(self, shape: Shape) -> Shape:
        """(values,) to the part's shape."""
        if len(shape) != 1 or not 0 <= self.start < self.span.stop <= shape[0]:
            raise Refusal(f"values {self.start} to {self.span.stop} are none of a tensor of {shape}")
        return self.shape

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return x[:, self.span].reshape(len(x), *self.shape)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.reshape(x[:, self.span], (-1, *self.shape))

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The integers are in the part's format already."""
        assert at.o is not None
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, at.o)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return x[:, self.span].reshape(len(x), *self.shape)
