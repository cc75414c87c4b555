"""The greater of several tensors, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Weights
from ..graph import QNode
from .merge import Merge


@dataclass(frozen=True)
class Maximum(Merge):
    """`max(x_0, x_1, …)`. Integers are compared in one format, which they keep."""

    kind: ClassVar[str] = "maximum"
    alike: ClassVar[bool] = True

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """In floating point."""
        return reduce(np.maximum, xs)

    def run_traced(self, ops: Any, weights: Any, *xs: Any, pad: float) -> Any:
        """For training."""
        return reduce(ops.maximum, xs)

    def run(self, node: QNode, *xs: np.ndarray) -> np.ndarray:
        """In integers."""
        return reduce(np.maximum, xs)
