"""Layers that move the pixels of an image without looking into them; a sequence is an image one row high."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape, Weights
from ..graph import QNode
from .base import Op
from .window import Margins


@dataclass(frozen=True)
class ImageOp(Op):
    """A layer over (height, width, channels), or (length, channels), that keeps the channels of each pixel together.

    Integers and floats keep their format. A kind says what becomes of the size, and moves batches
    `(n, height, width, channels)` of NumPy and of Keras.
    """

    homogeneous: ClassVar[bool] = True
    hands_on: ClassVar[bool] = True

    @abstractmethod
    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what leaves. Raises `Refusal` if nothing would."""

    @abstractmethod
    def moved(self, x: np.ndarray, pad: float) -> np.ndarray:
        """The images that leave; `pad` is what a new value is."""

    @abstractmethod
    def traced(self, ops: Any, x: Any, pad: float) -> Any:
        """The same on Keras tensors; `ops` is `keras.ops`."""

    def output_shape(self, shape: Shape) -> Shape:
        """(height, width, channels) or (length, channels) to another height, width or length."""
        height, width, channels = image_shape(shape)
        height, width = self.size(height, width)
        if len(shape) == 2 and height != 1:
            raise Refusal(f"takes (height, width, channels), not {shape}")
        return (height, width, channels)[3 - len(shape) :]

    def run_float(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        """In floating point."""
        return self._run(x, 0)

    def run_traced(self, ops: Any, weights: Mapping[str, Any], x: Any, *, pad: float) -> Any:
        """For training."""
        shape = tuple(x.shape[1:])
        image = ops.reshape(x, (-1, *image_shape(shape)))
        return ops.reshape(self.traced(ops, image, pad), (-1, *self.output_shape(shape)))

    def run(self, node: QNode, x: np.ndarray) -> np.ndarray:
        """In integers; a new value is the integer nearest to the real 0."""
        return self._run(x, node.i.zero)

    def _run(self, x: np.ndarray, pad: int) -> np.ndarray:
        shape = x.shape[1:]
        return self.moved(x.reshape(-1, *image_shape(shape)), pad).reshape(-1, *self.output_shape(shape))


def image_shape(shape: Shape) -> tuple[int, int, int]:
    """(height, width, channels) of an image, or of a sequence (length, channels). Raises `Refusal` on another."""
    if len(shape) not in (2, 3):
        raise Refusal(f"takes (height, width, channels) or (length, channels), not {shape}")
    return (1, *shape)[-3:]  # type: ignore[return-value]


def margins_of(value: Any) -> Margins:
    """Keras's margins: ((above, below), (left, right)) of an image, (left, right) of a sequence."""
    rows, columns = ((0, 0), value) if isinstance(value[0], int) else value
    return (int(rows[0]), int(rows[1])), (int(columns[0]), int(columns[1]))
