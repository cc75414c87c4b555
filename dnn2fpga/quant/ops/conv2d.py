"""2-D convolution, with an optional fused ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Shape, Weights
from ..floating import FloatFormat
from ..graph import QNode
from .base import Op, Setting, refuse_unless
from .float_mac import run_float_mac
from .mac import float_mac, quantize_mac, read_weights, run_mac, traced_mac
from .window import Placement, Window


@dataclass(frozen=True)
class Conv2D(Op):
    """A convolution of `filters` kernels. Weights: `kernel` (height, width, in, filters) and `bias` (filters)."""

    kind: ClassVar[str] = "conv2d"
    has_kernel: ClassVar[bool] = True
    sensitive: ClassVar[bool] = True
    filters: int
    window: Window
    relu: bool = False

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Conv2D` layer."""
        refuse_unless(config, groups=1, data_format="channels_last")
        return cls(config["filters"], Window.from_keras(config, "kernel_size")), read_weights(weights)

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) to (down, across, filters); (length, channels) to (across, filters)."""
        return self.window.output_shape(shape, self.filters)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """(height, width, channels, filters) and (filters,)."""
        return {"kernel": (*self.window.kernel, shape[-1], self.filters), "bias": (self.filters,)}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return float_mac(weights, self._rows(x, 0), relu=self.relu)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        shape = tuple(x.shape[1:])
        placement = self.window.over(shape)
        x = ops.reshape(x, (-1, *placement.shape))
        x = ops.pad(x, ((0, 0), *placement.margins, (0, 0)), constant_values=pad)
        # Keras does not stride and dilate at once.
        strides, dilation = self.window.strides, self.window.dilation
        both = strides != (1, 1) and dilation != (1, 1)
        sums = ops.conv(x, weights["kernel"], (1, 1) if both else strides, "valid", "channels_last", dilation)
        if both:
            sums = sums[:, :: strides[0], :: strides[1]]
        y = traced_mac(ops, sums, weights, relu=self.relu)
        return ops.reshape(y, (-1, *self.output_shape(shape)))

    def quantize(self, node: Node, at: Setting) -> QNode:
        """As every sum of products."""
        return quantize_mac(node, self, at)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers; padding is the integer nearest to the real 0."""
        return run_mac(node, self._rows(x.astype(np.float32), node.i.zero))

    def as_float(self) -> FloatConv2D:
        """The same layer, left in floating point."""
        return FloatConv2D(self.filters, self.window, self.relu)

    def placement(self, shape: Shape) -> Placement:
        """The window over an input of `shape`."""
        return self.window.over(shape)

    def _rows(self, x: np.ndarray, pad: int) -> np.ndarray:
        """One row of values a window: (n, down, across, k); (n, across, k) of images of two axes."""
        windows = self.window.over(x.shape[1:]).extract(x, pad)
        return windows.reshape(len(x), *self.window.output_shape(x.shape[1:], -1))


@dataclass(frozen=True)
class FloatConv2D(Conv2D):
    """A convolution left in floating point. `float_mac.float_node` makes its integer layer, of ordered codes."""

    kind: ClassVar[str] = "float_conv2d"

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In floats of the layer's format; padding is 0."""
        assert isinstance(node.i, FloatFormat)
        return run_float_mac(node, self._rows(node.i.values(x), 0))
