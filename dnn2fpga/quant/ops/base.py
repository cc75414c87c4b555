"""What every layer kind answers, with the answers that most of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..fixed import Format
from ..floating import FloatFormat
from ..graph import Arriving, QNode


@dataclass(frozen=True)
class Setting:
    """What the quantizer knows when it reaches a layer.

    `i` is the format that arrives. Of a layer with a kernel, `o` is the format of its output, `weight_bits` the
    width of its weights and `weight_scale` the real value of one step of them, one a channel, before the norms of
    the weights are kept, if `norms_kept` (see `scheme.Formats`). `activation_bits` is
    the width that the user chose for outputs, `power_of_two` whether scales are to be such; `last` says that the
    output is the model's own (or feeds only the choice of a winner). Of a layer with several inputs `i` and
    `input_shape` are those of the first; `also` holds those of the others. `symmetric` says whether formats are to
    have no zero point.
    """

    i: Format | FloatFormat
    input_shape: Shape
    output_shape: Shape
    activation_bits: int
    power_of_two: bool
    last: bool
    o: Format | None = None
    weight_bits: int | None = None
    weight_scale: np.ndarray | None = None
    norms_kept: bool = False
    also: tuple[Arriving, ...] = ()
    symmetric: bool = True

    def format_of(self, low: float, high: float) -> Format:
        """The format that just holds reals from `low` to `high`, of the kind that the user chose."""
        bits, symmetric, power_of_two = self.activation_bits, self.symmetric, self.power_of_two
        return Format.holding(low, high, bits, symmetric=symmetric, power_of_two=power_of_two)


@dataclass(frozen=True)
class Op:
    """A layer kind's specification: its hyperparameters, and what it does in floats and in integers.

    A kind overrides what differs from an identity without weights. `has_kernel` marks those that are sums of
    products with weights `kernel` (…, channels) and `bias`, and a field `relu`; `sensitive` those of them that
    Algorithm 1 leaves in floating point first; `integers_only` those without weights that take no floats;
    `homogeneous` those with f(s x) = s f(x) for every s > 0; `hands_on` those that give the very values that came, at
    the end of a model maybe with a winner. The format of what `rescales` gives is calibrated, as that of every sum of
    products; inputs in different formats are brought to that one first if they are to be `alike`. `unpacks` marks
    those that take one of several inputs out of the model's tensor, `packs` those that put several outputs into one;
    `classifies` those that give probabilities in floating point, and in integers logits, the winner behind them.
    `only_rectifies` is `max(x, 0)`, which a layer with a field `relu` before it may take over.
    The functions of a layer of several inputs (`merge.Merge`) take as many shapes and arrays.
    """

    kind: ClassVar[str]
    has_kernel: ClassVar[bool] = False
    sensitive: ClassVar[bool] = False
    integers_only: ClassVar[bool] = False
    homogeneous: ClassVar[bool] = False
    hands_on: ClassVar[bool] = False
    rescales: ClassVar[bool] = False
    alike: ClassVar[bool] = False
    unpacks: ClassVar[bool] = False
    packs: ClassVar[bool] = False
    classifies: ClassVar[bool] = False
    only_rectifies: ClassVar[bool] = False

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """The specification and weights of a Keras layer. Raises `Refusal` on a setting that is not supported."""
        return cls(), {}

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that leaves when `shape` enters. Raises `Refusal` if it cannot enter."""
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape that each weight must have when `shape` enters."""
        return {}

    def input_reach(self, activation_bits: int) -> float:
        """The magnitude beyond which inputs no longer change the output: calibration clips there."""
        return math.inf

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """The layer in floating point, on a batch."""
        raise NotImplementedError

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """The layer on a batch of Keras tensors, for training; `ops` is `keras.ops`.

        `pad` is the real value of what a window finds beside the image.
        """
        raise NotImplementedError

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The integer layer that stands for `node`."""
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, at.i)

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """The integer layer on a batch of integers."""
        raise NotImplementedError

    def finish(self, node: QNode, q: np.ndarray) -> np.ndarray:
        """What a host makes of the integers `q` of a model's last layer, if that comes from a `.tflite` file."""
        return q

    def to_real(self, node: QNode, q: np.ndarray) -> np.ndarray:
        """The integers `q` `(n, *output_shape)` that `node` gives as the reals they stand for."""
        return node.o.dequantize(q)


def refuse_unless(config: dict[str, Any], **supported: Any) -> None:
    """Refuse a Keras layer whose settings differ from the `supported` ones. Absent settings pass."""
    for key, value in supported.items():
        found = config.get(key, value)
        if isinstance(found, list):
            found = tuple(found)
        if found != value:
            raise Refusal(f"{key}={found!r} is not supported; use {key}={value!r}")
