"""Sums of products: convolutions and fully connected layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import Refusal
from ..graph import QNode
from ..ops.base import Op
from ..ops.conv2d import Conv2D
from ..ops.dense import Dense
from ..ops.flatten import Flatten
from ..ops.mac import channel_ranges
from ..ops.window import Window
from .laws import arrays_of, line_of, multiply, multiply_float
from .site import Site, window

Multiply = Callable[[np.ndarray, np.ndarray], np.ndarray]

WEIGHT_BITS = 8
INT32 = 1 << 31


def conv_2d(site: Site) -> list[QNode]:
    """A convolution: its kernel is (filters, height, width, channels)."""
    kernel = site.constant(1, "kernel", "INT8")
    filters, height, width, channels = _axes(kernel, 4)
    groups, rest = divmod(site.arriving().shape[-1], channels)
    if rest or filters % groups:
        raise Refusal(f"its kernel {kernel.shape} takes {channels} of {site.arriving().shape[-1]} channels")
    spec = Conv2D(filters, window(site, (height, width), dilates=True), groups=groups)
    return [_node(site, spec, kernel.transpose(1, 2, 3, 0).reshape(-1, filters), _factor(site, filters, axis=0))]


def depthwise_conv_2d(site: Site) -> list[QNode]:
    """A convolution of each channel by itself: its kernel is (1, height, width, filters)."""
    kernel = site.constant(1, "kernel", "INT8")
    one, height, width, filters = _axes(kernel, 4)
    channels = site.arriving().shape[-1]
    if one != 1 or filters % channels:
        raise Refusal(f"its kernel {kernel.shape} does not go with {channels} channels")
    spec = Conv2D(filters, window(site, (height, width), dilates=True), groups=channels)
    return [_node(site, spec, kernel.reshape(-1, filters), _factor(site, filters, axis=3))]


def _factor(site: Site, channels: int, axis: int) -> np.ndarray:
    """What a step of each channel's sum is worth, in steps of the output."""
    scales = _scales(site, channels, axis).astype(np.float64)
    return site.i.scale * scales / site.o.scale


def fully_connected(site: Site) -> list[QNode]:
    """A dense layer over all values of a tensor: its kernel is (units, features)."""
    kernel = site.constant(1, "kernel", "INT8")
    units, features = _axes(kernel, 2)
    shape = site.arriving().shape
    seen = shape[-1] if site.option("KeepNumDims") else math.prod(shape)
    if features != seen:
        raise Refusal(f"its kernel takes {features} values of {seen}; runs over other axes are not supported")
    if site.option("WeightsFormat"):
        raise Refusal("its shuffled weights are not supported; convert with the default format")
    factor = _factor(site, units, axis=0)
    if site.option("KeepNumDims") and len(shape) > 1:
        return [_node(site, Conv2D(units, Window((1, 1))), kernel.T, factor, multiply_float)]
    dense = _node(site, Dense(units), kernel.T, factor, multiply_float)
    return flattened(site, dense) if len(shape) > 1 else [dense]


def flattened(site: Site, node: QNode) -> list[QNode]:
    """`node`, which takes one axis, behind a layer that brings its input to that."""
    shape = (math.prod(node.input_shape),)
    flat = site.node(Flatten(), o=site.i, output_shape=shape)
    flat = replace(flat, name=f"{site.name}_flatten")
    return [flat, replace(node, input_shape=shape, inputs=(flat.name,))]


def _node(site: Site, spec: Op, kernel: np.ndarray, factor: np.ndarray, multiply: Multiply = multiply) -> QNode:
    """The layer of `kernel` (k, channels), `factor` the real worth of a step of its sums in steps of its output.

    Bias and the input's zero point are added to the sum before it is multiplied.
    """
    i, channels, limits = site.i, kernel.shape[1], site.limits()
    kernel = kernel.astype(np.int64)
    offset = _bias(site, channels) - int(i.zero_point) * kernel.sum(axis=0)
    sums = channel_ranges(kernel, i.minimum, i.maximum)
    for extreme in sums:
        reach = (extreme + offset) * np.maximum(2.0 * factor, 1)
        if not (np.abs(reach) < INT32).all():
            raise Refusal("its sums may overflow 32 bits, where TensorFlow Lite leaves the result open")

    def law(x: np.ndarray) -> np.ndarray:
        return multiply(x + offset[:, np.newaxis], factor[:, np.newaxis]) + zero

    zero = int(site.o.zero_point)
    line = line_of(law, sums, factor, zero, limits)
    scalars = {"shift": line.shift, "low": limits[0], "high": limits[1], "weight_bits": WEIGHT_BITS}
    return site.node(spec, {"kernel": kernel, **arrays_of(line)}, scalars)


def _bias(site: Site, channels: int) -> np.ndarray:
    if len(site.inputs) < 3 or site.inputs[2] is None:
        return np.zeros(channels, np.int64)
    bias = site.constant(2, "bias", "INT32").reshape(-1)
    if len(bias) != channels:
        raise Refusal(f"its bias has {len(bias)} values for {channels} channels")
    return bias.astype(np.int64)


def _scales(site: Site, channels: int, axis: int) -> np.ndarray:
    """The kernel's scales, one a channel, in float32. Its zero points must be 0, as the format's rules say."""
    tensor = site.tensor(1)
    if tensor.zero_points.any():
        raise Refusal(f"its kernel '{tensor.name}' has zero points other than 0; convert to symmetric weights")
    if len(tensor.scales) not in (1, channels) or (len(tensor.scales) > 1 and tensor.axis != axis):
        raise Refusal(f"its kernel '{tensor.name}' has {len(tensor.scales)} scales along axis {tensor.axis}")
    return np.broadcast_to(tensor.scales, channels)


def _axes(kernel: np.ndarray, count: int) -> tuple[int, ...]:
    if kernel.ndim != count:
        raise Refusal(f"its kernel has shape {kernel.shape}; {count} axes are needed")
    return kernel.shape
