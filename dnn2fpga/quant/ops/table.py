"""tanh and sigmoid as tables: one entry an input integer, worked out once, when the model is quantized."""

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
    """A function of one value. `table[q]` holds the output for input `q`, negative `q` wrapping to the end."""

    integers_only: ClassVar[bool] = True
    signed: ClassVar[bool]

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The output format spans the function's whole range, so calibration plays no part in it."""
        o = Format.covering(-1.0 if self.signed else 0.0, 1.0, at.activation_bits)
        o = o.with_power_of_two() if at.power_of_two else o
        entries: np.ndarray = np.arange(1 << at.i.bits)
        if at.i.signed:
            entries = np.where(entries > at.i.maximum, entries - (1 << at.i.bits), entries)
        table = o.quantize(self.run_float({}, at.i.dequantize(entries)))
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, o, {"table": table})

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        return node.arrays["table"][x]


@dataclass(frozen=True)
class Tanh(Table):
    """Hyperbolic tangent."""

    kind: ClassVar[str] = "tanh"
    signed: ClassVar[bool] = True

    def input_reach(self, activation_bits: int) -> float:
        """Where the function comes within half a step of 1."""
        return float(np.arctanh(1 - 2.0**-activation_bits))

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return np.tanh(x)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.tanh(x)


@dataclass(frozen=True)
class Sigmoid(Table):
    """The logistic function, `(1 + tanh(x / 2)) / 2`."""

    kind: ClassVar[str] = "sigmoid"
    signed: ClassVar[bool] = False

    def input_reach(self, activation_bits: int) -> float:
        """Where the function comes within half a step of 1."""
        return 2 * float(np.arctanh(1 - 2.0**-activation_bits))

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return (1 + np.tanh(x / 2)) / 2

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return (1 + ops.tanh(x / 2)) / 2
