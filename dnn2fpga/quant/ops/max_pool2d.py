"""Max-pooling: the greatest value of each window, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Weights
from ..graph import QNode
from .pool2d import Pool2D


@dataclass(frozen=True)
class MaxPool2D(Pool2D):
    """The greatest value of each window; padding never wins."""

    kind: ClassVar[str] = "max_pool2d"

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return self.pooled(np.max, x, -np.inf)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""

        def greatest(padded: Any) -> Any:
            return ops.max_pool(padded, self.window.kernel, self.window.strides, "valid", "channels_last")

        return self.pooled_traced(ops, greatest, x, -np.inf)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers; padding is the format's least value."""
        return self.pooled(np.max, x, node.i.minimum)
