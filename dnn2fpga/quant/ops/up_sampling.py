"""Upsampling: each pixel given several times, down and across (the nearest pixel, without interpolation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...errors import Refusal
from ...model.graph import Weights
from .base import Op, refuse_unless
from .image import ImageOp


@dataclass(frozen=True)
class UpSampling(ImageOp):
    """Each pixel becomes `times` (down, across) pixels."""

    kind: ClassVar[str] = "up_sampling"
    times: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.times) < 1:
            raise Refusal(f"upsampling by {self.times} must be by at least 1")

    @classmethod
    def from_keras(cls, config: dict[str, Any], weights: list[np.ndarray]) -> tuple[Op, Weights]:
        """From an `UpSampling1D` (whose size is one integer) or `UpSampling2D` layer."""
        refuse_unless(config, data_format="channels_last", interpolation="nearest")
        size = config["size"]
        return cls((1, size) if isinstance(size, int) else (int(size[0]), int(size[1]))), {}

    def size(self, height: int, width: int) -> tuple[int, int]:
        """As many times the size."""
        return height * self.times[0], width * self.times[1]

    def moved(self, x: np.ndarray, pad: float) -> np.ndarray:
        """Rows and columns repeated."""
        return x.repeat(self.times[0], axis=1).repeat(self.times[1], axis=2)

    def traced(self, ops: Any, x: Any, pad: float) -> Any:
        """Rows and columns repeated."""
        return ops.repeat(ops.repeat(x, self.times[0], axis=1), self.times[1], axis=2)
