"""The end of a model of several outputs: all of them in one tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...model.graph import Node, Shape, Weights
from ..fixed import Format
from ..graph import QNode
from .base import Setting
from .merge import Merge


@dataclass(frozen=True)
class Pack(Merge):
    """All inputs, flattened, one behind the other. Integers stay as they are, each in its own format."""

    kind: ClassVar[str] = "pack"
    hands_on: ClassVar[bool] = True
    packs: ClassVar[bool] = True
    rescales: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """(all values,)."""
        return (sum(math.prod(shape) for shape in shapes),)

    def run_float(self, weights: Weights, *xs: np.ndarray) -> np.ndarray:
        """In floating point."""
        return np.concatenate([x.reshape(len(x), -1) for x in xs], axis=1)

    def run_traced(self, ops: Any, weights: Any, *xs: Any, pad: float) -> Any:
        """For training."""
        return ops.concatenate([ops.reshape(x, (-1, math.prod(x.shape[1:]))) for x in xs], axis=1)

    def quantize(self, node: Node, at: Setting) -> QNode:
        """In a format wide enough for each."""
        o = packed([fmt for fmt in (at.i, *(other.fmt for other in at.also)) if isinstance(fmt, Format)])
        return QNode(node.name, self, at.input_shape, at.output_shape, at.i, o)

    def run(self, node: QNode, *xs: np.ndarray) -> np.ndarray:
        """In integers."""
        return self.run_float({}, *xs)

    def to_real(self, node: QNode, q: np.ndarray) -> np.ndarray:
        """Each part by its own format."""
        parts = [
            arriving.fmt.dequantize(part) for arriving, part in zip(node.arriving, self.parts(node, q), strict=True)
        ]
        return np.concatenate(parts, axis=1)

    @staticmethod
    def parts(node: QNode, q: np.ndarray) -> Iterator[np.ndarray]:
        """What each input contributed to `(n, values)`, as `(n, its values)`."""
        at = 0
        for arriving in node.arriving:
            size = math.prod(arriving.shape)
            yield q[:, at : at + size]
            at += size

    @staticmethod
    def turns(*shapes: Shape) -> tuple[int, ...]:
        """Values of each input that follow one another in the output."""
        return tuple(math.prod(shape) for shape in shapes)


def packed(formats: list[Format]) -> Format:
    """The format, of no scale of its own, that holds the integers of all `formats`."""
    signed = any(fmt.signed for fmt in formats)
    bits = max(fmt.bits + (signed and not fmt.signed) for fmt in formats)
    return Format(bits, signed, 1.0, -0.5 if signed and bits == 1 else 0.0)
