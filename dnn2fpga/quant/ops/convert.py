"""Between integers and floats: what stands where a layer in floating point meets one in integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape, Weights
from ..fixed import Format, round_half_up
from ..floating import FloatFormat
from ..graph import QNode
from .base import Op


@dataclass(frozen=True)
class ToFloat(Op):
    """Integers of a `Format` to floats: `fl(fl(q - zero point) · fl(scale))`, the difference exact, each fl rounded."""

    kind: ClassVar[str] = "to_float"

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """Values stay as they are."""
        return x

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """Integers to ordered codes."""
        assert isinstance(node.i, Format)
        assert isinstance(node.o, FloatFormat)
        fmt = node.o
        value = fmt.values(fmt.quantize(x - node.i.zero_point))
        with np.errstate(over="ignore", invalid="ignore"):
            return fmt.codes(fmt.round(value * fmt.values(scale_code(node.i, fmt))))


@dataclass(frozen=True)
class ToInteger(Op):
    """Floats to integers of a `Format`: `clamp(round_half_up(fl(x · fl(1 / scale)) + zero point))`.

    The product is rounded in the float's own format, the sum is exact. A NaN gives the greatest integer.
    """

    kind: ClassVar[str] = "to_integer"

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """Values stay as they are."""
        return x

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """Ordered codes to integers."""
        assert isinstance(node.i, FloatFormat)
        assert isinstance(node.o, Format)
        fmt, o = node.i, node.o
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = fmt.round(fmt.values(x) * fmt.values(inverse_scale_code(o, fmt)))
        moved = np.where(np.isnan(scaled), np.inf, scaled)
        moved = np.clip(moved.astype(np.float64), o.minimum - o.zero_point - 1, o.maximum - o.zero_point + 1)
        # The zero point is added to integers: to a float it would cost the bits that decide. Only a sign's is none.
        rounded = np.floor(moved).astype(np.int64) if o.is_sign else round_half_up(moved)
        return np.clip(rounded + int(np.floor(o.zero_point + 0.5)), o.minimum, o.maximum)


def scale_code(i: Format, fmt: FloatFormat) -> np.ndarray:
    """The code of the scale by which integers of `i` are multiplied."""
    return fmt.quantize(np.float64(i.scale))


def inverse_scale_code(o: Format, fmt: FloatFormat) -> np.ndarray:
    """The code of what floats are multiplied by to become integers of `o`."""
    return FloatFormat(fmt.name).quantize(1 / np.float64(o.scale))


def to_float_node(name: str, shape: Shape, i: Format, fmt: FloatFormat) -> QNode:
    """The layer that brings integers of `i` to floats, unsigned if none stands for a negative number.

    Raises `Refusal` if the scale is none in `fmt`.
    """
    _refuse_unless_normal(name, i.scale, fmt)
    return QNode(name, ToFloat(), shape, shape, i, FloatFormat(fmt.name, signed=i.minimum < i.zero_point))


def to_integer_node(name: str, shape: Shape, i: FloatFormat, o: Format) -> QNode:
    """The layer that brings floats of `i` to integers of `o`. Raises `Refusal` if 1 / scale is none in `i`."""
    _refuse_unless_normal(name, 1 / o.scale, i)
    return QNode(name, ToInteger(), shape, shape, i, o)


def _refuse_unless_normal(name: str, factor: float, fmt: FloatFormat) -> None:
    """Subnormal factors would cost bits of every value; 0 and infinity all of them."""
    code = int(fmt.quantize(np.float64(factor)))
    if not 1 << fmt.fraction_bits <= code < fmt.infinity:
        raise Refusal(f"layer '{name}': its scale asks for a factor of {factor:g}, beyond {fmt.name}; use bfloat16")
