"""Reshape: only the shape changes; the values keep their order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op


@dataclass(frozen=True)
class Reshape(Op):
    """Any shape to `target`, in raster order; one of its sizes may be -1, which is what is left."""

    kind: ClassVar[str] = "reshape"
    homogeneous: ClassVar[bool] = True
    hands_on: ClassVar[bool] = True
    target: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.target or self.target.count(-1) > 1 or any(size < 1 for size in self.target if size != -1):
            raise Refusal(f"target shape {self.target} must hold sizes of at least 1, one of which may be -1")

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Reshape` layer."""
        return cls(tuple(config["target_shape"])), {}

    def output_shape(self, shape: Shape) -> Shape:
        """The target, -1 filled in."""
        size = math.prod(shape)
        known = math.prod(axis for axis in self.target if axis != -1)
        filled = tuple(size // known if axis == -1 else axis for axis in self.target)
        if math.prod(filled) != size:
            raise Refusal(f"{shape} has {size} values, which are no {self.target}; reshape to as many")
        return filled

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return x.reshape(len(x), *self.output_shape(x.shape[1:]))

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.reshape(x, (-1, *self.output_shape(tuple(x.shape[1:]))))

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return x.reshape(len(x), *self.output_shape(x.shape[1:]))
