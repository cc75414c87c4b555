"""PReLU: of negative values, a slope a channel, which training finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Shape, Weights
from ..fixed import Format, multiplier_and_shift, requantize
from ..graph import QNode
from .base import Op, Setting
from .rectifiers import LeakyReLU


@dataclass(frozen=True)
class PReLU(Op):
    """`x`, of negative ones `alpha · x`. Weights: `alpha` (channels,).

    He et al. 2015, "Delving Deep into Rectifiers". In integers the distance from zero is requantized by the one law,
    with one of two multipliers: `multiplier`, or, of negative ones, the channel's `slope`, which may be negative. The
    output format is the one that holds what all input integers give, so calibration plays no part in it.
    """

    kind: ClassVar[str] = "prelu"
    integers_only: ClassVar[bool] = True
    homogeneous: ClassVar[bool] = True

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `PReLU` layer. One slope for all makes it a `LeakyReLU`."""
        (alpha,) = weights
        if alpha.size == 1:
            return LeakyReLU(float(alpha.item())), {}
        if alpha.size != alpha.shape[-1]:
            axes = list(range(1, alpha.ndim))
            raise Refusal(f"a slope for each position, {alpha.shape}, is not supported; use shared_axes={axes}")
        return cls(), {"alpha": alpha.reshape(-1)}

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """(channels,)."""
        return {"alpha": (shape[-1],)}

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return np.where(x < 0, weights["alpha"] * x, x)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        return ops.where(x < 0, weights["alpha"] * x, x)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """The sign decides between two multipliers with one shift."""
        assert isinstance(at.i, Format)
        if at.i.is_sign:
            raise Refusal(f"layer '{node.name}': a sign has no slope; give the layer before it 2 bits or more")
        alpha = np.asarray(node.weights["alpha"], np.float64)
        reached = np.array([at.i.minimum, at.i.maximum]) - at.i.zero
        low, high = reached * at.i.scale
        negative = alpha * low
        o = at.format_of(float(min(negative.min(), 0.0)), float(max(negative.max(), high)))
        ratio = np.append(alpha, 1.0) * at.i.scale / o.scale
        try:
            multiplier, shift = multiplier_and_shift(np.abs(ratio))
        except Refusal as refusal:
            raise Refusal(f"layer '{node.name}': {refusal}") from None
        return QNode(
            node.name, self, at.input_shape, at.output_shape, at.i, o,
            {"slope": multiplier[:-1] * np.sign(alpha).astype(np.int64)},
            {"multiplier": int(multiplier[-1]), "shift": shift},
        )  # fmt: skip

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers."""
        assert isinstance(node.o, Format)
        distance = x - node.i.zero
        multiplier = np.where(distance < 0, node.arrays["slope"], node.scalars["multiplier"])
        shift = node.scalars["shift"]
        return requantize(distance, multiplier, np.int64(node.o.zero << shift), shift, node.o)
