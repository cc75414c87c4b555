"""What layers that read several tensors have in common: Keras calls them merging layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op


class Merge(Op):
    """A layer of two inputs or more: each of its functions takes as many shapes or arrays."""

    integers_only = True
    rescales = True

    def output_shape(self, *shapes: Shape) -> Shape:
        """The shape of each input, which must be the same. Raises `Refusal` if they are not."""
        if len(set(shapes)) != 1:
            found = " and ".join(map(str, shapes))
            raise Refusal(f"its inputs must have the same shape, not {found}; make them alike before it")
        return shapes[0]

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """None."""
        return {}

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """In floating point."""
        raise NotImplementedError

    def run_traced(self, ops: Any, weights: Any, *xs: Any, pad: float) -> Any:
        """For training."""
        raise NotImplementedError

    def run(self, node: QNode, *xs: np.ndarray) -> np.ndarray:
        """In integers."""
        raise NotImplementedError
