"""Flatten: only the shape changes; the values keep their order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op, refuse_unless


@dataclass(frozen=True)
class Flatten(Op):
    """Any shape to one axis, in raster order."""

    kind: ClassVar[str] = "flatten"
    hands_on: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Flatten` layer."""
        refuse_unless(config, data_format="channels_last")
        return cls(), {}

    def output_shape(self, shape: Shape) -> Shape:
        """(a, b, …) to (a · b · …,)."""
        return (math.prod(shape),)

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return x.reshape(len(x), -1)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.reshape(x, (-1, math.prod(x.shape[1:])))

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return x.reshape(len(x), -1)
