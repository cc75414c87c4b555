"""Keras's convolutions and poolings that are others of ours: over sequences, depthwise, separable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...model.graph import Weights
from .base import Op, refuse_unless
from .conv2d import Conv2D
from .mac import read_weights
from .pool2d import Pool2D
from .window import Window

Config = dict[str, Any]
Parts = list[tuple[str, Op, Weights]]


def conv1d(config: Config, weights: list[np.ndarray]) -> Parts:
    """`Conv1D`. Keras's kernel is (length, in / groups, filters)."""
    refuse_unless(config, data_format="channels_last")
    window = Window.from_keras(config, "kernel_size", 1)
    spec = Conv2D(config["filters"], window, groups=config.get("groups", 1))
    return [("", spec, read_weights([weights[0][np.newaxis], *weights[1:]]))]


def depthwise_conv2d(config: Config, weights: list[np.ndarray]) -> Parts:
    """`DepthwiseConv2D`."""
    return [("", *_depthwise(config, weights, 2))]


def depthwise_conv1d(config: Config, weights: list[np.ndarray]) -> Parts:
    """`DepthwiseConv1D`."""
    return [("", *_depthwise(config, weights, 1))]


def separable_conv2d(config: Config, weights: list[np.ndarray]) -> Parts:
    """`SeparableConv2D`."""
    return _separable(config, weights, 2)


def separable_conv1d(config: Config, weights: list[np.ndarray]) -> Parts:
    """`SeparableConv1D`."""
    return _separable(config, weights, 1)


def _depthwise(config: Config, weights: list[np.ndarray], axes: int) -> tuple[Op, Weights]:
    """One group a channel. Keras's kernel is (…, channels, multiplier), and its outputs are in that very order."""
    refuse_unless(config, data_format="channels_last")
    window = Window.from_keras(config, "kernel_size", axes)
    channels, multiplier = weights[0].shape[-2:]
    filters = channels * multiplier
    kernel = weights[0].reshape(*window.kernel, 1, filters)
    return Conv2D(filters, window, groups=channels), read_weights([kernel, *weights[1:]])


def _separable(config: Config, weights: list[np.ndarray], axes: int) -> Parts:
    """A depthwise convolution, then one of single pixels, which has the bias."""
    depthwise, own = _depthwise(config, weights[:1], axes)
    pointwise = Conv2D(config["filters"], Window((1, 1)))
    kernel = weights[1].reshape(1, 1, *weights[1].shape[-2:])
    return [("_depthwise", depthwise, own), ("", pointwise, read_weights([kernel, *weights[2:]]))]


def pooling1d(spec: type[Pool2D]) -> Callable[[Config, list[np.ndarray]], Parts]:
    """What reads `MaxPooling1D` or `AveragePooling1D`, as `spec`."""
    return lambda config, weights: [("", *spec.from_keras(config, weights, axes=1))]
