"""Functions of one value as tables: one entry an input integer, worked out once, when the model is quantized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Weights
from ..fixed import Format
from ..graph import QNode
from .base import Op, Setting


@dataclass(frozen=True)
class Table(Op):
    """A function of one value. `table[q]` holds the output for input `q`, negative `q` wrapping to the end.

    A table of n-bit inputs has 2^n entries, and the hardware a copy of it for every lane: 2 Kbit at 8 bits, but
    1 Mbit, 64 block RAMs of an ECP5, at 16.
    """

    integers_only: ClassVar[bool] = True
    spans: ClassVar[tuple[float, float] | None] = None
    """What the output format holds; None for what the function gives of all input integers."""

    def apply(self, ops: Any, x: Any) -> Any:
        """The function on an array; `ops` is NumPy or `keras.ops`."""
        raise NotImplementedError

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return self.apply(np, x)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return self.apply(ops, x)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The output format follows from that of the input, without calibration, unless it `rescales`."""
        assert isinstance(at.i, Format)
        x = at.i.dequantize(entries(at.i))
        with np.errstate(over="ignore"):
            y = self.apply(np, x)
        o = at.o or at.format_of(*(self.spans or (float(y.min()), float(y.max()))))
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, o, {"table": o.quantize(y)})

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return node.arrays["table"][x]


def entries(fmt: Format) -> np.ndarray:
    """The integer of a format that each entry of a table stands for: negative ones are behind the others."""
    at = np.arange(1 << fmt.bits)
    return np.where(at > fmt.maximum, at - (1 << fmt.bits), at)


@dataclass(frozen=True)
class Tanh(Table):
    """Hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"
    spans: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)

    def input_reach(self, activation_bits: int) -> float:
        """Where the function comes within half a step of 1."""
        return float(np.arctanh(1 - 2.0**-activation_bits))

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return ops.tanh(x)


@dataclass(frozen=True)
class Sigmoid(Table):
    """The logistic function, `(1 + tanh(x / 2)) / 2`."""

    kind: ClassVar[str] = "sigmoid"
    spans: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    def input_reach(self, activation_bits: int) -> float:
        """Where the function comes within half a step of 1."""
        return 2 * float(np.arctanh(1 - 2.0**-activation_bits))

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return logistic(ops, x)


def logistic(ops: Any, x: Any) -> Any:
    """The logistic function of an array, in a form that never overflows."""
    return (1 + ops.tanh(x / 2)) / 2
