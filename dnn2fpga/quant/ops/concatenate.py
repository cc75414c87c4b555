"""Tensors behind one another along an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op
from .merge import Merge


@dataclass(frozen=True)
class Concatenate(Merge):
    """All inputs along one axis, counted from 0 without the batch, or from -1, the last. Integers are in one format."""

    kind: ClassVar[str] = "concatenate"
    alike: ClassVar[bool] = True
    axis: int = -1

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Concatenate` layer, whose axis 0 is that of the batch."""
        axis = config.get("axis", -1)
        if axis == 0:
            raise Refusal("axis=0, that of the batch, is not supported; use axis=-1, the channels")
        return cls(axis - 1 if axis > 0 else axis), {}

    def output_shape(self, *shapes: Shape) -> Shape:
        """The sum of the sizes along the axis; the others must be the same."""
        rank = len(shapes[0])
        if not -rank <= self.axis < rank:
            raise Refusal(f"axis {self.axis} is none of {shapes[0]}")
        at = self.axis % rank
        if len({(*shape[:at], *shape[at + 1 :]) for shape in shapes}) != 1 or len({len(s) for s in shapes}) != 1:
            found = " and ".join(map(str, shapes))
            raise Refusal(f"its inputs may differ along one axis only, not be {found}; make them alike before it")
        return (*shapes[0][:at], sum(shape[at] for shape in shapes), *shapes[0][at + 1 :])

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """In floating point."""
        return np.concatenate(xs, axis=self.batch_axis(xs[0].ndim))

    def run_traced(self, ops: Any, weights: Any, *xs: Any, pad: float) -> Any:
        """For training."""
        return ops.concatenate(xs, axis=self.batch_axis(len(xs[0].shape)))

    def run(self, node: QNode, *xs: np.ndarray) -> np.ndarray:
        """In integers."""
        return self.run_float({}, *xs)

    def batch_axis(self, rank: int) -> int:
        """The axis of a batch of `rank` axes."""
        return self.axis % (rank - 1) + 1

    def turns(self, *shapes: Shape) -> tuple[int, ...]:
        """Values of each input that follow one another in the output, in turn: of `shapes`, in raster order."""
        at = self.axis % len(shapes[0])
        return tuple(math.prod(shape[at:]) for shape in shapes)
