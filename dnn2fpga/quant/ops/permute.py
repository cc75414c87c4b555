"""Permute: the axes change places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op


@dataclass(frozen=True)
class Permute(Op):
    """Axis n of the output is axis `dims[n]` of the input, counted from 1, as in Keras."""

    kind: ClassVar[str] = "permute"
    homogeneous: ClassVar[bool] = True
    hands_on: ClassVar[bool] = True
    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise Refusal(f"dims {self.dims} must hold each of 1 to {len(self.dims)} once")

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Permute` layer."""
        return cls(tuple(config["dims"])), {}

    def output_shape(self, shape: Shape) -> Shape:
        """The axes in their new order."""
        if len(shape) != len(self.dims):
            raise Refusal(f"dims {self.dims} take {len(self.dims)} axes, not {shape}")
        return tuple(shape[axis - 1] for axis in self.dims)

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return x.transpose(0, *self.dims)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.transpose(x, (0, *self.dims))

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return x.transpose(0, *self.dims)
