"""Products of two tensors, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..fixed import Format, multiplier_and_shift, round_half_up
from ..graph import QNode
from .base import Setting
from .mac import REQUANTIZED
from .merge import Merge


@dataclass(frozen=True)
class Multiply(Merge):
    """`x_0 · x_1`. In integers `clamp(round_half_up(((x_0 - z_0) · (x_1 - z_1) · multiplier + offset) · 2^-shift))`."""

    kind: ClassVar[str] = "multiply"

    def output_shape(self, *shapes: Shape) -> Shape:
        """Of two inputs."""
        if len(shapes) != 2:
            raise Refusal(f"a product has two inputs, not {len(shapes)}; multiply two at a time")
        return super().output_shape(*shapes)

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """In floating point."""
        return xs[0] * xs[1]

    def run_traced(self, ops: Any, weights: Any, *xs: Any, pad: float) -> Any:
        """For training."""
        return xs[0] * xs[1]

    def quantize(self, node: Node, at: Setting) -> QNode:
        """Zero points are taken off before the product. Raises `Refusal` behind a sign, whose zero is no integer."""
        assert isinstance(at.i, Format)
        assert at.o is not None
        (other,) = at.also
        assert isinstance(other.fmt, Format)
        if at.i.is_sign or other.fmt.is_sign:
            raise Refusal(f"layer '{node.name}': signs cannot be multiplied; give the layer before it more bits")
        ratio = np.array([at.i.scale * other.fmt.scale / at.o.scale])
        try:
            multiplier, shift = multiplier_and_shift(ratio)
        except Refusal as refusal:
            raise Refusal(f"layer '{node.name}': {refusal}") from None
        offset = round_half_up(np.array([at.o.zero_point * 2.0**shift]))
        arrays = {"multiplier": multiplier, "offset": offset}
        zeros = {"zero_0": int(at.i.zero_point), "zero_1": int(other.fmt.zero_point)}
        return QNode(
            node.name, self, at.input_shape, at.output_shape, at.i, at.o, arrays, {"shift": shift, **zeros}
        )  # fmt: skip

    def run(self, node: QNode, *xs: np.ndarray) -> np.ndarray:
        """In integers."""
        scalars = node.scalars
        product = (xs[0] - scalars["zero_0"]) * (xs[1] - scalars["zero_1"])
        return REQUANTIZED[node.rounding](node, product)
