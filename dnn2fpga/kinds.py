"""The table of layer kinds: the one place that sees a kind in every room.

A new kind touches three files: `quant/ops/<kind>.py` (what it computes), `hw/<kind>.py` (the hardware that computes
it), and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .hw import (
    add,
    affine,
    average_pool2d,
    conv2d,
    convert,
    cropping,
    dense,
    float_dense,
    global_pool,
    in_turn,
    max_pool2d,
    maximum,
    multiply,
    permute,
    prelu,
    relu,
    row_softmax,
    softmax,
    table,
    up_sampling,
    zero_padding,
)
from .hw import slice as slice_
from .hw.layer import Folding
from .model.graph import Weights
from .quant.graph import QNode
from .quant.ops import conv_transpose, lowered_conv
from .quant.ops.add import Add, Subtract
from .quant.ops.affine import Affine, normalization, rescaling
from .quant.ops.average_pool2d import AveragePool2D
from .quant.ops.base import Op
from .quant.ops.concatenate import Concatenate
from .quant.ops.conv2d import Conv2D, FloatConv2D
from .quant.ops.convert import ToFloat, ToInteger
from .quant.ops.cropping import Cropping
from .quant.ops.dense import Dense, FloatDense
from .quant.ops.flatten import Flatten
from .quant.ops.global_pool import GlobalAveragePool, GlobalMaxPool
from .quant.ops.lookup import Lookup
from .quant.ops.max_pool2d import MaxPool2D
from .quant.ops.maximum import Maximum
from .quant.ops.multiply import Multiply
from .quant.ops.pack import Pack
from .quant.ops.permute import Permute
from .quant.ops.prelu import PReLU
from .quant.ops.rectifiers import ELU, SELU, LeakyReLU
from .quant.ops.relu import BentReLU, ReLU
from .quant.ops.reshape import Reshape
from .quant.ops.row_softmax import RowSoftmax
from .quant.ops.slice import Slice
from .quant.ops.smooth import Exponential, Gelu, HardSigmoid, HardSilu, Silu, Softplus, Softsign
from .quant.ops.softmax import Softmax
from .quant.ops.table import Sigmoid, Tanh
from .quant.ops.up_sampling import UpSampling
from .quant.ops.zero_padding import ZeroPadding


@dataclass(frozen=True)
class Kind:
    """One layer kind.

    `keras` is the Keras layer that it reads, None if there is none; `activation` the name of the Keras activation
    that it is; `foldings` lists the hardware for an integer layer, None if it needs none. `note` says what is and is
    not supported, where the names leave that open; `also` are the layers of `LOWERED` that become this kind, for the
    most part.
    """

    spec: type[Op]
    keras: str | None
    activation: str | None
    foldings: Callable[[QNode], Iterable[Folding]] | None
    note: str = ""
    also: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The Keras layers that become this kind."""
        return (*([self.keras] if self.keras else []), *self.also)

    @property
    def name(self) -> str:
        """The name in descriptions and plans."""
        return self.spec.kind


KINDS = (
    Kind(
        Conv2D,
        "Conv2D",
        None,
        conv2d.foldings,
        note="strides, padding, dilation, groups; channels last only",
        also=(
            "Conv1D",
            "DepthwiseConv1D",
            "DepthwiseConv2D",
            "SeparableConv1D",
            "SeparableConv2D",
            "Conv1DTranspose",
            "Conv2DTranspose",
        ),
    ),
    Kind(
        MaxPool2D,
        "MaxPooling2D",
        None,
        max_pool2d.foldings,
        also=("MaxPooling1D",),
    ),
    Kind(
        AveragePool2D,
        "AveragePooling2D",
        None,
        average_pool2d.foldings,
        also=("AveragePooling1D",),
    ),
    Kind(
        Dense,
        "Dense",
        None,
        dense.foldings,
        note="on the last axis of any tensor",
    ),
    Kind(Flatten, "Flatten", None, None),
    Kind(Reshape, "Reshape", None, None),
    Kind(Permute, "Permute", None, permute.foldings),
    Kind(
        ZeroPadding,
        "ZeroPadding2D",
        None,
        zero_padding.foldings,
        also=("ZeroPadding1D",),
    ),
    Kind(
        Cropping,
        "Cropping2D",
        None,
        cropping.foldings,
        also=("Cropping1D",),
    ),
    Kind(
        UpSampling,
        "UpSampling2D",
        None,
        up_sampling.foldings,
        note="nearest only",
        also=("UpSampling1D",),
    ),
    Kind(
        GlobalAveragePool,
        "GlobalAveragePooling2D",
        None,
        global_pool.foldings,
        also=("GlobalAveragePooling1D",),
    ),
    Kind(
        GlobalMaxPool,
        "GlobalMaxPooling2D",
        None,
        global_pool.foldings,
        also=("GlobalMaxPooling1D",),
    ),
    Kind(ReLU, "ReLU", "relu", relu.foldings),
    Kind(Tanh, None, "tanh", table.foldings),
    Kind(Sigmoid, None, "sigmoid", table.foldings),
    Kind(BentReLU, None, "relu6", table.foldings),
    Kind(LeakyReLU, "LeakyReLU", "leaky_relu", table.foldings),
    Kind(ELU, "ELU", "elu", table.foldings),
    Kind(SELU, None, "selu", table.foldings),
    Kind(Softplus, None, "softplus", table.foldings),
    Kind(Softsign, None, "softsign", table.foldings),
    Kind(HardSigmoid, None, "hard_sigmoid", table.foldings),
    Kind(Silu, None, "silu", table.foldings),
    Kind(HardSilu, None, "hard_silu", table.foldings),
    Kind(Gelu, None, "gelu", table.foldings),
    Kind(Exponential, None, "exponential", table.foldings),
    Kind(PReLU, "PReLU", None, prelu.foldings),
    Kind(
        Softmax,
        "Softmax",
        "softmax",
        softmax.foldings,
        note="at the end: logits and the winner",
    ),
    Kind(
        Affine,
        None,
        None,
        affine.foldings,
        note="also BatchNormalization that no kernel takes in",
        also=("Rescaling", "Normalization"),
    ),
    Kind(Add, "Add", None, add.foldings),
    Kind(Subtract, "Subtract", None, add.foldings),
    Kind(Multiply, "Multiply", None, multiply.foldings),
    Kind(Maximum, "Maximum", None, maximum.foldings),
    Kind(Concatenate, "Concatenate", None, in_turn.foldings),
    Kind(
        Slice,
        None,
        None,
        slice_.foldings,
        note="takes one of several inputs",
    ),
    Kind(
        Pack,
        None,
        None,
        in_turn.foldings,
        note="joins several outputs",
    ),
    Kind(Lookup, None, None, table.foldings),
    Kind(
        RowSoftmax,
        None,
        None,
        row_softmax.foldings,
        note="softmax within a model",
    ),
    Kind(FloatConv2D, None, None, conv2d.float_foldings),
    Kind(FloatDense, None, None, float_dense.foldings),
    Kind(ToFloat, None, None, convert.to_float_foldings),
    Kind(ToInteger, None, None, convert.to_integer_foldings),
)

SPECS = {kind.name: kind.spec for kind in KINDS}
FOLDINGS = {kind.name: kind.foldings for kind in KINDS}

Lower = Callable[[dict[str, Any], list[np.ndarray]], list[tuple[str, Op, Weights]]]


def _as(spec: type[Op]) -> Lower:
    """For a Keras layer that is read as that of another name."""
    return lambda config, weights: [("", *spec.from_keras(config, weights))]


LOWERED: dict[str, Lower] = {
    "Rescaling": rescaling,
    "Normalization": normalization,
    "Conv1D": lowered_conv.conv1d,
    "DepthwiseConv1D": lowered_conv.depthwise_conv1d,
    "DepthwiseConv2D": lowered_conv.depthwise_conv2d,
    "SeparableConv1D": lowered_conv.separable_conv1d,
    "SeparableConv2D": lowered_conv.separable_conv2d,
    "Conv1DTranspose": conv_transpose.lowered,
    "Conv2DTranspose": conv_transpose.lowered,
    "MaxPooling1D": partial(lowered_conv.pooling1d, MaxPool2D),
    "AveragePooling1D": partial(lowered_conv.pooling1d, AveragePool2D),
    "ZeroPadding1D": _as(ZeroPadding),
    "Cropping1D": _as(Cropping),
    "UpSampling1D": _as(UpSampling),
    "GlobalAveragePooling1D": _as(GlobalAveragePool),
    "GlobalMaxPooling1D": _as(GlobalMaxPool),
}
"""Keras layers that become other kinds than one of their own name, or several layers, by class name.

The function takes the layer's configuration and weights and gives the parts in order, each as (suffix, specification,
weights); a part is called as the layer with that suffix. No parts: the layer does nothing. Raises `Refusal` on a
setting that is not supported.
"""
