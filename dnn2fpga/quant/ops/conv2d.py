"""2-D convolution, with an optional fused ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..floating import FloatFormat
from ..graph import QNode
from .base import Op, Setting, refuse_unless
from .float_mac import run_float_mac
from .mac import float_mac, quantize_mac, read_weights, run_mac, traced_mac
from .window import Placement, Window


@dataclass(frozen=True)
class Conv2D(Op):
    """A convolution of `filters` kernels, of as many for each of `groups` groups of neighboring channels.

    A group's kernels see the group's channels only. Weights: `kernel` (height, width, in / groups, filters) and
    `bias` (filters). Raises `Refusal` on filters that do not divide into groups.
    """

    kind: ClassVar[str] = "conv2d"
    has_kernel: ClassVar[bool] = True
    sensitive: ClassVar[bool] = True
    filters: int
    window: Window
    relu: bool = False
    groups: int = 1

    def __post_init__(self) -> None:
        if self.groups < 1 or self.filters % self.groups:
            raise Refusal(f"groups must divide {self.filters} filters, not be {self.groups}")

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Conv2D` layer."""
        refuse_unless(config, data_format="channels_last")
        window = Window.from_keras(config, "kernel_size")
        return cls(config["filters"], window, groups=config.get("groups", 1)), read_weights(weights)

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) to (down, across, filters); (length, channels) to (across, filters)."""
        if shape[-1] % self.groups:
            raise Refusal(f"{shape[-1]} channels do not divide into {self.groups} groups")
        return self.window.output_shape(shape, self.filters)

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """(height, width, channels / groups, filters) and (filters,)."""
        return {"kernel": (*self.window.kernel, shape[-1] // self.groups, self.filters), "bias": (self.filters,)}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return float_mac(weights, self._rows(x, 0), self.groups, relu=self.relu)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        shape = tuple(x.shape[1:])
        placement = self.window.over(shape)
        x = ops.reshape(x, (-1, *placement.shape))
        x = ops.pad(x, ((0, 0), *placement.margins, (0, 0)), constant_values=pad)
        y = traced_mac(ops, self._traced_sums(ops, x, weights["kernel"]), weights, relu=self.relu)
        return ops.reshape(y, (-1, *self.output_shape(shape)))

    def _traced_sums(self, ops: Any, x: Any, kernel: Any) -> Any:
        """The sums of products over a padded image."""
        strides, dilation = self.window.strides, self.window.dilation
        depthwise = x.shape[-1] == self.groups > 1
        # Keras does not do strides and dilation at once, nor TensorFlow two strides depthwise on every CPU.
        if strides != (1, 1) and (dilation != (1, 1) or (depthwise and strides[0] != strides[1])):
            dense = replace(self, window=replace(self.window, strides=(1, 1)))
            return dense._traced_sums(ops, x, kernel)[:, :: strides[0], :: strides[1]]
        if depthwise:
            kernel = ops.reshape(kernel, (*self.window.kernel, self.groups, -1))
            return ops.depthwise_conv(x, kernel, strides, "valid", "channels_last", dilation)
        # TensorFlow has no gradient of a convolution in groups on a CPU.
        groups = zip(ops.split(x, self.groups, -1), ops.split(kernel, self.groups, -1), strict=True)
        sums = [ops.conv(part, weights, strides, "valid", "channels_last", dilation) for part, weights in groups]
        return ops.concatenate(sums, -1)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """As every sum of products."""
        return quantize_mac(node, self, at)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers; padding is the integer nearest to the real 0."""
        return run_mac(node, self._rows(x.astype(np.float32), node.i.zero), self.groups)

    def as_float(self) -> FloatConv2D:
        """The same layer, left in floating point: one group, with weights of 0 for what a group does not see."""
        return FloatConv2D(self.filters, self.window, self.relu)

    def placement(self, shape: Shape) -> Placement:
        """The window over an input of `shape`."""
        return self.window.over(shape)

    def _rows(self, x: np.ndarray, pad: int) -> np.ndarray:
        """One row of values a window: (n, down, across, k), (n, across, k) of images of two axes.

        With several groups one a group: (groups, n, …, k).
        """
        windows = self.window.over(x.shape[1:]).extract(x, pad)
        positions = self.window.output_shape(x.shape[1:], -1)
        if self.groups == 1:
            return windows.reshape(len(x), *positions)
        by_group = windows.reshape(*windows.shape[:-1], self.groups, -1)
        return np.moveaxis(by_group, -2, 0).reshape(self.groups, len(x), *positions)


@dataclass(frozen=True)
class FloatConv2D(Conv2D):
    """A convolution left in floating point. `float_mac.float_node` makes its integer layer, of ordered codes."""

    kind: ClassVar[str] = "float_conv2d"

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In floats of the layer's format; padding is 0."""
        assert isinstance(node.i, FloatFormat)
        return run_float_mac(node, self._rows(node.i.values(x), 0))
