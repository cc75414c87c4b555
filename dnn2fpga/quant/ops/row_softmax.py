"""Softmax in the middle of a model, in integers: a table of exponentials, a sum, a division."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Weights
from ..fixed import Format, round_half_up
from ..graph import QNode
from .base import Op, Setting


@dataclass(frozen=True)
class RowSoftmax(Op):
    """Softmax over the last axis, as probabilities.

    In integers, of a row `q` of C values: `e = table[max(q) - q]`, of which the greatest is `2^E - 1`, and
    `y = (e · top + (sum(e) >> 1)) // sum(e)`, rounded half up, where `top` stands for 1. E is such that the table's
    roundings together amount to less than a sixteenth of a step of `y`, `8 · (C + 1) · top <= 2^E`: `y` is within one
    step of softmax, and mostly what softmax is rounded to.
    """

    kind: ClassVar[str] = "row_softmax"
    integers_only: ClassVar[bool] = True

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.softmax(x, axis=-1)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The output format spans 0 to 1, so calibration plays no part in it."""
        assert isinstance(at.i, Format)
        o = at.format_of(0.0, 1.0)
        top = round(1 / o.scale)
        bits = (8 * (at.input_shape[-1] + 1) * top - 1).bit_length()
        distance = np.arange(1 << at.i.bits) * at.i.scale
        table = round_half_up(np.exp(-distance) * ((1 << bits) - 1))
        return QNode(
            node.name, self, at.input_shape, at.output_shape, at.i, o, {"table": table}, {"top": top}
        )  # fmt: skip

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        e = node.arrays["table"][x.max(axis=-1, keepdims=True) - x]
        total = e.sum(axis=-1, keepdims=True)
        return (e * node.scalars["top"] + (total >> 1)) // total
