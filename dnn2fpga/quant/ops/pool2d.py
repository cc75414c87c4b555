"""What poolings share: one value of each window, channel by channel, without weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Shape, Weights
from .base import Op, refuse_unless
from .window import Window, refuse_unlike_pooling


@dataclass(frozen=True)
class Pool2D(Op):
    """One value of each window, of images and, with a window one row high, of sequences. Integers keep their format."""

    homogeneous: ClassVar[bool] = True
    window: Window

    def __post_init__(self) -> None:
        refuse_unlike_pooling(self.window)

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray], axes: int = 2) -> tuple[Op, Weights]:
        """From a pooling layer over one or two `axes`."""
        refuse_unless(config, data_format="channels_last")
        return cls(Window.from_keras(config, "pool_size", axes)), {}

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) to (down, across, channels); (length, channels) to (across, channels)."""
        return self.window.output_shape(shape, shape[-1])

    def pooled(self, reduce: Callable[..., np.ndarray], x: np.ndarray, pad: float) -> np.ndarray:
        """What `reduce`, as `np.sum`, makes of each window of a batch, with `pad` beside the image."""
        windows = self.window.over(x.shape[1:]).extract(x, pad)
        return reduce(windows, axis=(3, 4)).reshape(len(x), *self.output_shape(x.shape[1:]))

    def pooled_traced(self, ops: Any, reduce: Callable[[Any], Any], x: Any, pad: float) -> Any:
        """The same of Keras tensors; `reduce` takes the padded images `(n, height, width, channels)`."""
        shape = tuple(x.shape[1:])
        placement = self.window.over(shape)
        x = ops.reshape(x, (-1, *placement.shape))
        x = ops.pad(x, ((0, 0), *placement.margins, (0, 0)), constant_values=pad)
        return ops.reshape(reduce(x), (-1, *self.output_shape(shape)))
