"""The table of layer kinds: the one place that sees a kind in every room.

A new kind touches three files: `quant/ops/<kind>.py` (what it computes), `hw/<kind>.py` (the hardware that computes
it), and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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

Lower = Callable[[dict[str, Any], list[np.ndarray]], list[tuple[str, Op, Weights]]]
"""Makes of a Keras layer's configuration and weights its parts in order, each as (suffix, specification, weights).

A part is called as the layer with that suffix. No parts: the layer does nothing. Raises `Refusal` on a setting that is
not supported.
"""


@dataclass(frozen=True)
class Kind:
    """One layer kind.

    `keras` is the Keras layer that it reads, None if there is none; `activation` the name of the Keras activation
    that it is; `foldings` lists the hardware for an integer layer, None if it needs none. `note` says what is
    supported, `refused` what is not, where the names leave that open; what every layer refuses is in `REFUSED`.
    `lowered` holds the Keras layers of other names that become this kind, for the most part, each with what makes its
    parts.
    """

    spec: type[Op]
    keras: str | None = None
    activation: str | None = None
    foldings: Callable[[QNode], Iterable[Folding]] | None = None
    note: str = ""
    refused: str = ""
    lowered: Mapping[str, Lower] = field(default_factory=dict)

    @property
    def reads(self) -> tuple[str, ...]:
        """The Keras layers that become this kind."""
        return (*([self.keras] if self.keras else []), *self.lowered)

    @property
    def name(self) -> str:
        """The name in descriptions and plans."""
        return self.spec.kind


def _as(spec: type[Op]) -> Lower:
    """For a Keras layer that is read as that of another name."""
    return lambda config, weights: [("", *spec.from_keras(config, weights))]


BROADCAST = "inputs of different shapes"

KINDS = (
    Kind(
        Conv2D,
        "Conv2D",
        foldings=conv2d.foldings,
        note="strides, padding, dilation, groups, depth_multiplier; causal over sequences; output_padding",
        lowered={
            "Conv1D": lowered_conv.conv1d,
            "DepthwiseConv1D": lowered_conv.depthwise_conv1d,
            "DepthwiseConv2D": lowered_conv.depthwise_conv2d,
            "SeparableConv1D": lowered_conv.separable_conv1d,
            "SeparableConv2D": lowered_conv.separable_conv2d,
            "Conv1DTranspose": conv_transpose.lowered,
            "Conv2DTranspose": conv_transpose.lowered,
        },
    ),
    Kind(
        MaxPool2D,
        "MaxPooling2D",
        foldings=max_pool2d.foldings,
        note="pool_size, strides, padding",
        lowered={"MaxPooling1D": lowered_conv.pooling1d(MaxPool2D)},
    ),
    Kind(
        AveragePool2D,
        "AveragePooling2D",
        foldings=average_pool2d.foldings,
        note="pool_size, strides, padding (left out of the average)",
        lowered={"AveragePooling1D": lowered_conv.pooling1d(AveragePool2D)},
    ),
    Kind(Dense, "Dense", foldings=dense.foldings, note="on the last axis of any tensor"),
    Kind(Flatten, "Flatten", note="costs nothing"),
    Kind(Reshape, "Reshape", note="costs nothing"),
    Kind(Permute, "Permute", foldings=permute.foldings, note="any order of the axes"),
    Kind(ZeroPadding, "ZeroPadding2D", foldings=zero_padding.foldings, lowered={"ZeroPadding1D": _as(ZeroPadding)}),
    Kind(Cropping, "Cropping2D", foldings=cropping.foldings, lowered={"Cropping1D": _as(Cropping)}),
    Kind(
        UpSampling,
        "UpSampling2D",
        foldings=up_sampling.foldings,
        note="interpolation nearest",
        refused="interpolation bilinear, bicubic, …",
        lowered={"UpSampling1D": _as(UpSampling)},
    ),
    Kind(
        GlobalAveragePool,
        "GlobalAveragePooling2D",
        foldings=global_pool.foldings,
        lowered={"GlobalAveragePooling1D": _as(GlobalAveragePool)},
    ),
    Kind(
        GlobalMaxPool,
        "GlobalMaxPooling2D",
        foldings=global_pool.foldings,
        lowered={"GlobalMaxPooling1D": _as(GlobalMaxPool)},
    ),
    Kind(ReLU, "ReLU", "relu", relu.foldings, "max_value, negative_slope, threshold"),
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
    Kind(
        PReLU,
        "PReLU",
        foldings=prelu.foldings,
        note="a slope a channel, or one for all",
        refused="a slope a position: use shared_axes=[1, 2]",
    ),
    Kind(
        Softmax,
        "Softmax",
        "softmax",
        softmax.foldings,
        "at the end: logits and the winner; within a model: row_softmax",
        "any axis but the last",
    ),
    Kind(
        Affine,
        foldings=affine.foldings,
        note="also BatchNormalization that no kernel takes in",
        refused="any axis but the last; invert of Normalization; staying in floating point",
        lowered={"Rescaling": rescaling, "Normalization": normalization},
    ),
    Kind(Add, "Add", foldings=add.foldings, note="two inputs or more", refused=BROADCAST),
    Kind(Subtract, "Subtract", foldings=add.foldings, note="two inputs", refused=BROADCAST),
    Kind(
        Multiply,
        "Multiply",
        foldings=multiply.foldings,
        note="two inputs",
        refused=f"more than two inputs; {BROADCAST}",
    ),
    Kind(Maximum, "Maximum", foldings=maximum.foldings, note="two inputs or more", refused=BROADCAST),
    Kind(Concatenate, "Concatenate", foldings=in_turn.foldings, note="along any axis"),
    Kind(Slice, foldings=slice_.foldings, note="takes one of several inputs"),
    Kind(Pack, foldings=in_turn.foldings, note="joins several outputs"),
    Kind(Lookup, foldings=table.foldings, note="functions of one value in .tflite files"),
    Kind(RowSoftmax, foldings=row_softmax.foldings, note="softmax within a model"),
    Kind(FloatConv2D, foldings=conv2d.float_foldings, note="what stays in floating point"),
    Kind(FloatDense, foldings=float_dense.foldings, note="what stays in floating point"),
    Kind(ToFloat, foldings=convert.to_float_foldings, note="before layers in floating point"),
    Kind(ToInteger, foldings=convert.to_integer_foldings, note="behind layers in floating point"),
)

REFUSED = (
    "data_format channels_first", "a dtype other than float32", "masks", "calls with training=True",
    "inputs without a fixed shape", "classes and functions of your own", "layers that give several tensors",
)  # fmt: skip
"""What is refused of every layer."""

SPECS = {kind.name: kind.spec for kind in KINDS}
FOLDINGS = {kind.name: kind.foldings for kind in KINDS}
LOWERED = {name: lower for kind in KINDS for name, lower in kind.lowered.items()}
"""Keras layers that become other kinds than one of their own name, or several layers, by class name."""
