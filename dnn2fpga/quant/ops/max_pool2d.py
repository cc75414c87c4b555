"""Max-pooling: the greatest value of each window, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op, refuse_unless
from .window import Window, refuse_unlike_pooling


@dataclass(frozen=True)
class MaxPool2D(Op):
    """The greatest value of each window. Integers keep their format."""

    kind: ClassVar[str] = "max_pool2d"
    homogeneous: ClassVar[bool] = True
    window: Window

    def __post_init__(self) -> None:
        refuse_unlike_pooling(self.window)

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `MaxPooling2D` layer."""
        refuse_unless(config, data_format="channels_last")
        return cls(Window.from_keras(config, "pool_size")), {}

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) to (down, across, channels); (length, channels) to (across, channels)."""
        return self.window.output_shape(shape, shape[-1])

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point; padding never wins."""
        windows = self.window.over(x.shape[1:]).extract(x, -np.inf)
        return windows.max(axis=(3, 4)).reshape(len(x), *self.output_shape(x.shape[1:]))

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training; as in floating point, padding never wins."""
        shape = tuple(x.shape[1:])
        placement = self.window.over(shape)
        x = ops.pad(
            ops.reshape(x, (-1, *placement.shape)), ((0, 0), *placement.margins, (0, 0)), constant_values=-np.inf
        )
        y = ops.max_pool(x, self.window.kernel, self.window.strides, "valid", "channels_last")
        return ops.reshape(y, (-1, *self.output_shape(shape)))

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers; padding is the format's least value, so it never wins."""
        windows = self.window.over(x.shape[1:]).extract(x, node.i.minimum)
        return windows.max(axis=(3, 4)).reshape(len(x), *self.output_shape(x.shape[1:]))
