"""Sums and differences of tensors, value by value, with an optional fused ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..fixed import MULTIPLIER_BITS, Format, multiplier_and_shift, requantize, round_half_up
from ..graph import QNode
from .base import Setting
from .merge import Merge


@dataclass(frozen=True)
class Add(Merge):
    """`x_0 ± x_1 ± …`: a sum of products whose weights are what one step of each input is worth.

    In integers it is `clamp(round_half_up((Σ weight_j · x_j + offset) · 2^-shift))`. With one input it only brings
    integers to another format. A fused ReLU is the clamp of an unsigned output.
    """

    kind: ClassVar[str] = "add"
    relu: bool = False

    @property
    def signs(self) -> tuple[int, int]:
        """The sign of the first input, and of all others."""
        return 1, 1

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """In floating point."""
        first, others = self.signs
        y = first * xs[0] + others * sum(xs[1:])
        return np.maximum(y, 0) if self.relu else y

    def run_traced(self, ops: Any, weights: Any, *xs: Any, pad: float) -> Any:
        """For training."""
        y = xs[0]
        for x in xs[1:]:
            y = y + self.signs[1] * x
        return ops.relu(y) if self.relu else y

    def quantize(self, node: Node, at: Setting) -> QNode:
        """One shift serves all inputs; the offset holds all zero points."""
        assert at.o is not None
        formats = [at.i, *(other.fmt for other in at.also)]
        return sum_node(node.name, self, at, [fmt for fmt in formats if isinstance(fmt, Format)], at.o)

    def run(self, node: QNode, *xs: np.ndarray) -> np.ndarray:
        """In integers."""
        assert isinstance(node.o, Format)
        acc = sum(weight * x for weight, x in zip(node.arrays["kernel"][:, 0], xs, strict=True))
        one = np.ones(1, np.int64)
        return requantize(np.asarray(acc), one, node.arrays["offset"], node.scalars["shift"], node.o)


@dataclass(frozen=True)
class Subtract(Add):
    """`x_0 - x_1`."""

    kind: ClassVar[str] = "subtract"

    @property
    def signs(self) -> tuple[int, int]:
        """The sign of the first input, and of the second."""
        return 1, -1

    def output_shape(self, *shapes: Shape) -> Shape:
        """Of two inputs."""
        if len(shapes) != 2:
            raise Refusal(f"a difference has two inputs, not {len(shapes)}")
        return super().output_shape(*shapes)


def sum_node(name: str, spec: Add, at: Setting, formats: list[Format], o: Format) -> QNode:
    """The integer layer of a sum of inputs in `formats`, its result in `o`."""
    scales = np.array([fmt.scale for fmt in formats]) / o.scale
    try:
        steps, shift = multiplier_and_shift(scales)
    except Refusal as refusal:
        raise Refusal(f"layer '{name}': {refusal}") from None
    first, others = spec.signs
    kernel = steps * np.array([first, *[others] * (len(steps) - 1)])
    # Twice a zero point is an integer, also of a sign; the last bit of a half is lost below the rounding.
    moved = sum(int(weight) * int(2 * fmt.zero_point) for weight, fmt in zip(kernel, formats, strict=True)) // 2
    offset = round_half_up(np.array([o.zero_point * 2.0**shift])) - moved
    arrays = {"kernel": kernel[:, np.newaxis], "offset": offset, "multiplier": np.ones(1, np.int64)}
    scalars = {"shift": shift, "weight_bits": MULTIPLIER_BITS + 1}
    return QNode(name, spec, at.input_shape, at.output_shape, at.i, o, arrays, scalars)
