"""The table of layer kinds: the one place that sees a kind in every room.

A new kind touches three files: `quant/ops/<kind>.py` (what it computes), `hw/<kind>.py` (the hardware that computes
it), and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .hw import average_pool2d, conv2d, convert, dense, float_dense, max_pool2d, relu, softmax, table
from .hw.layer import Folding
from .model.graph import Weights
from .quant.graph import QNode
from .quant.ops import lowered_conv
from .quant.ops.average_pool2d import AveragePool2D
from .quant.ops.base import Op
from .quant.ops.conv2d import Conv2D, FloatConv2D
from .quant.ops.convert import ToFloat, ToInteger
from .quant.ops.dense import Dense, FloatDense
from .quant.ops.flatten import Flatten
from .quant.ops.max_pool2d import MaxPool2D
from .quant.ops.relu import ReLU
from .quant.ops.softmax import Softmax
from .quant.ops.table import Sigmoid, Tanh


@dataclass(frozen=True)
class Kind:
    """One layer kind.

    `keras` is the Keras layer that it reads, None if there is none; `activation` the name of the Keras activation
    that it is; `foldings` lists the hardware for an integer layer, None if it needs none.
    """

    spec: type[Op]
    keras: str | None
    activation: str | None
    foldings: Callable[[QNode], Iterable[Folding]] | None

    @property
    def name(self) -> str:
        """The name in descriptions and plans."""
        return self.spec.kind


KINDS = (
    Kind(Conv2D, "Conv2D", None, conv2d.foldings),
    Kind(MaxPool2D, "MaxPooling2D", None, max_pool2d.foldings),
    Kind(AveragePool2D, "AveragePooling2D", None, average_pool2d.foldings),
    Kind(Dense, "Dense", None, dense.foldings),
    Kind(Flatten, "Flatten", None, None),
    Kind(ReLU, "ReLU", "relu", relu.foldings),
    Kind(Tanh, None, "tanh", table.foldings),
    Kind(Sigmoid, None, "sigmoid", table.foldings),
    Kind(Softmax, "Softmax", "softmax", softmax.foldings),
    Kind(FloatConv2D, None, None, conv2d.float_foldings),
    Kind(FloatDense, None, None, float_dense.foldings),
    Kind(ToFloat, None, None, convert.to_float_foldings),
    Kind(ToInteger, None, None, convert.to_integer_foldings),
)

SPECS = {kind.name: kind.spec for kind in KINDS}
FOLDINGS = {kind.name: kind.foldings for kind in KINDS}

LOWERED: dict[str, Callable[[dict[str, Any], list[np.ndarray]], list[tuple[str, Op, Weights]]]] = {
    "Conv1D": lowered_conv.conv1d,
    "DepthwiseConv1D": lowered_conv.depthwise_conv1d,
    "DepthwiseConv2D": lowered_conv.depthwise_conv2d,
    "SeparableConv1D": lowered_conv.separable_conv1d,
    "SeparableConv2D": lowered_conv.separable_conv2d,
    "MaxPooling1D": lowered_conv.max_pooling1d,
    "AveragePooling1D": lowered_conv.average_pooling1d,
}
"""Keras layers that are other layers of ours: what makes of one's configuration and weights (suffix of the name,
specification, weights), one for each of ours, in their order."""
