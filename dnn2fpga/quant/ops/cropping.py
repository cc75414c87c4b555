"""Cropping: an image without its margins."""

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
class Cropping(ImageOp):
    """The image without its `margins`."""

    kind: ClassVar[str] = "cropping"
    margins: Margins

    def __post_init__(self) -> None:
        if min(map(min, self.margins)) < 0:
            raise Refusal(f"margins {self.margins} must be at least 0; use ZeroPadding")

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From a `Cropping1D` or `Cropping2D` layer."""
        refuse_unless(config, data_format="channels_last")
        return cls(margins_of(config["cropping"])), {}

    def size(self, height: int, width: int) -> tuple[int, int]:
        """What is left."""
        down, across = height - sum(self.margins[0]), width - sum(self.margins[1])
        if min(down, across) < 1:
            raise Refusal(f"cropping by {self.margins} leaves nothing of {height}×{width}; crop less")
        return down, across

    def moved(self, x: np.ndarray, pad: float) -> np.ndarray:
        """What is left."""
        return self._cropped(x)

    def traced(self, ops: Any, x: Any, pad: float) -> Any:
        """What is left."""
        return self._cropped(x)

    def _cropped(self, x: Any) -> Any:
        (top, _), (left, _) = self.margins
        down, across = self.size(*x.shape[1:3])
        return x[:, top : top + down, left : left + across]
