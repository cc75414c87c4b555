"""Kin of ReLU, as tables: straight lines for the positive inputs, with something left of the negative ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Weights
from .base import Op
from .table import Table

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class LeakyReLU(Table):
    """`x`, of negative ones `negative_slope · x`. Keras's activation has a slope of 0.2, its layer one of 0.3."""

    kind: ClassVar[str] = "leaky_relu"
    homogeneous: ClassVar[bool] = True
    negative_slope: float = 0.2

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `LeakyReLU` layer, whose slope Keras 2 called alpha, or the activation."""
        return cls(float(config.get("negative_slope", config.get("alpha", 0.2)))), {}

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return ops.where(x >= 0, x, self.negative_slope * x)


@dataclass(frozen=True)
class ELU(Table):
    """`x`, of negative ones `alpha · (exp(x) - 1)`."""

    kind: ClassVar[str] = "elu"
    alpha: float = 1.0

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From an `ELU` layer, or the activation."""
        return cls(float(config.get("alpha", 1.0))), {}

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return _elu(ops, x, self.alpha)


@dataclass(frozen=True)
class SELU(Table):
    """The self-normalizing ELU of Klambauer et al. 2017: scaled, with an alpha of its own."""

    kind: ClassVar[str] = "selu"

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return SELU_SCALE * _elu(ops, x, SELU_ALPHA)


def _elu(ops: Any, x: Any, alpha: float) -> Any:
    return ops.where(x > 0, x, alpha * ops.expm1(ops.minimum(x, 0.0)))
