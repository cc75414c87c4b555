"""Functions with bends instead of corners, and two that are like them in pieces, as tables; all as Keras 3 has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .table import Table, logistic


@dataclass(frozen=True)
class Softplus(Table):
    """`log(1 + exp(x))`."""

    kind: ClassVar[str] = "softplus"

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return ops.maximum(x, 0.0) + ops.log1p(ops.exp(-ops.abs(x)))


@dataclass(frozen=True)
class Softsign(Table):
    """`x / (1 + |x|)`."""

    kind: ClassVar[str] = "softsign"

    def input_reach(self, activation_bits: int) -> float:
        """Where the function comes within half a step of 1."""
        return 2.0**activation_bits - 1

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return x / (1 + ops.abs(x))


@dataclass(frozen=True)
class HardSigmoid(Table):
    """`relu6(x + 3) / 6`. Keras 2 had another, `0.2 x + 0.5` in its limits."""

    kind: ClassVar[str] = "hard_sigmoid"
    spans: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    def input_reach(self, activation_bits: int) -> float:
        """Beyond, it is 0 or 1."""
        return 3.0

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return _hard_sigmoid(ops, x)


@dataclass(frozen=True)
class Silu(Table):
    """`x · sigmoid(x)`, also called swish."""

    kind: ClassVar[str] = "silu"

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return x * logistic(ops, x)


@dataclass(frozen=True)
class HardSilu(Table):
    """`x · hard_sigmoid(x)`, also called hard swish."""

    kind: ClassVar[str] = "hard_silu"

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return x * _hard_sigmoid(ops, x)


@dataclass(frozen=True)
class Gelu(Table):
    """`x` times the normal distribution's probability of less than `x`; with `approximate` by tanh.

    Hendrycks and Gimpel 2016, "Gaussian Error Linear Units". Keras's activation is the exact one.
    """

    kind: ClassVar[str] = "gelu"
    approximate: bool = False

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        if self.approximate:
            return x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))) / 2
        return x * (1 + _erf(ops, x / math.sqrt(2))) / 2


@dataclass(frozen=True)
class Exponential(Table):
    """`exp(x)`. It grows so fast that what inputs could reach says little of what they do: its output is calibrated."""

    kind: ClassVar[str] = "exponential"
    rescales: ClassVar[bool] = True

    def apply(self, ops: Any, x: Any) -> Any:
        """On an array."""
        return ops.exp(x)


def _hard_sigmoid(ops: Any, x: Any) -> Any:
    return ops.clip(x + 3, 0.0, 6.0) / 6


def _erf(ops: Any, x: Any) -> Any:
    """The error function, which NumPy lacks; Python's own is exact, and slow."""
    return np.frompyfunc(math.erf, 1, 1)(x).astype(x.dtype) if ops is np else ops.erf(x)
