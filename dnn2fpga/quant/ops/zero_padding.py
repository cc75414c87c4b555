"""Zeros around an image, and between its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Weights
from .base import Op, refuse_unless
from .image import ImageOp, margins_of
from .window import Margins


@dataclass(frozen=True)
class ZeroPadding(ImageOp):
    """`margins` of zeros around the image, and `strides - 1` (down, across) of them between neighboring pixels."""

    kind: ClassVar[str] = "zero_padding"
    margins: Margins
    strides: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if min(map(min, self.margins)) < 0:
            raise Refusal(f"margins {self.margins} must be at least 0; use Cropping")
        if min(self.strides) < 1:
            raise Refusal(f"strides {self.strides} must be at least 1")

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `ZeroPadding1D` or `ZeroPadding2D` layer."""
        refuse_unless(config, data_format="channels_last")
        return cls(margins_of(config["padding"])), {}

    @property
    def border(self) -> Margins | None:
        """The margins, if they are all that it adds: a window may put them in itself."""
        return self.margins if self.strides == (1, 1) else None

    def stretched(self, height: int, width: int) -> tuple[int, int]:
        """Height and width from the first pixel to the last."""
        return (height - 1) * self.strides[0] + 1, (width - 1) * self.strides[1] + 1

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The image, stretched, and its margins."""
        down, across = self.stretched(height, width)
        return down + sum(self.margins[0]), across + sum(self.margins[1])

    def moved(self, x: np.ndarray, pad: float) -> np.ndarray:
        """Each pixel at its place among zeros."""
        n, height, width, channels = x.shape
        (down, across), ((top, _), (left, _)) = self.stretched(height, width), self.margins
        y = np.full((n, *self.size(height, width), channels), pad, x.dtype)
        y[:, top : top + down : self.strides[0], left : left + across : self.strides[1]] = x
        return y

    def traced(self, ops: Any, x: Any, pad: float) -> Any:
        """Each pixel gets zeros behind and below it; what stands over at the end is cut off."""
        height, width, channels = x.shape[1:]
        (down, across), (step_y, step_x) = self.stretched(height, width), self.strides
        x = ops.reshape(x, (-1, height, 1, width, 1, channels))
        x = ops.pad(x, ((0, 0), (0, 0), (0, step_y - 1), (0, 0), (0, step_x - 1), (0, 0)), constant_values=pad)
        x = ops.reshape(x, (-1, height * step_y, width * step_x, channels))[:, :down, :across]
        return ops.pad(x, ((0, 0), *self.margins, (0, 0)), constant_values=pad)
