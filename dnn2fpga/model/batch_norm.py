"""Batch normalization: a layer of floats only, gone before anything becomes an integer (see `passes.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import Refusal
from .graph import Shape, Weights


@dataclass(frozen=True)
class BatchNormalization:
    """Each channel moved and scaled to what training saw.

    Weights, all `(channels,)`: `moving_mean`, `moving_variance`, `gamma` with `scale`, `beta` with `center`.
    """

    kind: ClassVar[str] = "batch_normalization"
    epsilon: float
    axis: int = -1
    scale: bool = True
    center: bool = True

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[BatchNormalization, Weights]:
        """From a `BatchNormalization` layer, with or without `scale` and `center`."""
        axis = config["axis"][0] if isinstance(config["axis"], list) else config["axis"]  # Keras 2 keeps a list
        spec = cls(config["epsilon"], axis, config["scale"], config["center"])
        # `renorm` adds weights at the end, which only training uses
        return spec, dict(zip(spec._weight_names(), weights, strict=False))

    def output_shape(self, shape: Shape) -> Shape:
        """The same shape. Raises `Refusal` if the axis is not that of the channels, which is the last."""
        if self.axis not in (-1, len(shape)):
            raise Refusal(f"axis={self.axis} is not supported on {shape}; use axis=-1, the channels")
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """All `(channels,)`."""
        return dict.fromkeys(self._weight_names(), shape[-1:])

    def _weight_names(self) -> list[str]:
        """The weights, in Keras's order."""
        return ["gamma"] * self.scale + ["beta"] * self.center + ["moving_mean", "moving_variance"]

    def slope_and_offset(self, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        """`a` and `b`, both `(channels,)` in float64, for which the layer is `a · x + b`.

        Raises `Refusal` on a negative variance.
        """
        mean, variance = (np.asarray(weights[name], np.float64) for name in ("moving_mean", "moving_variance"))
        if (variance < 0).any():
            raise Refusal("moving_variance holds negative values; train the model again, or load an earlier checkpoint")
        slope = weights.get("gamma", 1.0) / np.sqrt(variance + self.epsilon)
        return slope, weights.get("beta", 0.0) - mean * slope

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        slope, offset = self.slope_and_offset(weights)
        return (x * slope + offset).astype(x.dtype)
