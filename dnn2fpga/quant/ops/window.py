"""The geometry of a sliding window, shared by convolution and pooling, in software and in hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape
from .base import pair

PADDINGS = ("valid", "same")


@dataclass(frozen=True)
class Window:
    """A window of `kernel` (height, width) that moves by `strides` over an image with Keras's `padding`."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"

    def __post_init__(self) -> None:
        if self.padding not in PADDINGS:
            raise Refusal(f"padding={self.padding!r} is not supported; use 'valid' or 'same'")
        if min(*self.kernel, *self.strides) < 1:
            raise Refusal(f"kernel {self.kernel} and strides {self.strides} must be at least 1")

    @staticmethod
    def from_keras(config: dict[str, Any], kernel_key: str) -> Window:
        """The window of a Keras layer's configuration."""
        kernel = pair(config[kernel_key])
        return Window(kernel, pair(config.get("strides") or kernel), config.get("padding", "valid"))

    def over(self, shape: Shape) -> Placement:
        """The window laid over an image of `shape` (height, width, channels). Raises `Refusal` if it cannot be."""
        if len(shape) != 3:
            raise Refusal(f"takes (height, width, channels), not {shape}")
        rows, columns = (self._axis(size, axis) for axis, size in enumerate(shape[:2]))
        if rows[0] < 1 or columns[0] < 1:
            raise Refusal(f"a {self.kernel[0]}×{self.kernel[1]} window does not fit into {shape[0]}×{shape[1]}")
        return Placement(self, shape, (rows[0], columns[0]), (rows[1], columns[1]))

    def _axis(self, size: int, axis: int) -> tuple[int, int]:
        """Positions along an axis, and the padding before it (Keras's own rule)."""
        kernel, stride = self.kernel[axis], self.strides[axis]
        if self.padding == "valid":
            return (size - kernel) // stride + 1, 0
        count = -(-size // stride)
        return count, max((count - 1) * stride + kernel - size, 0) // 2


@dataclass(frozen=True)
class Placement:
    """A window over an image: `count` positions (down, across), `before` rows and columns of padding."""

    window: Window
    shape: Shape
    count: tuple[int, int]
    before: tuple[int, int]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the padded image, all that the windows or the image itself touch."""
        return tuple(  # type: ignore[return-value]
            max(before + size, (count - 1) * stride + kernel)
            for before, size, count, stride, kernel in zip(
                self.before, self.shape[:2], self.count, self.window.strides, self.window.kernel, strict=True
            )
        )

    @property
    def margins(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows of padding above and below the image, and columns of it on the left and the right."""
        (height, width), (top, left) = self.padded, self.before
        return (top, height - top - self.shape[0]), (left, width - left - self.shape[1])

    @property
    def values(self) -> int:
        """Values in one window."""
        return self.window.kernel[0] * self.window.kernel[1] * self.shape[2]

    def extract(self, x: np.ndarray, pad_value: float) -> np.ndarray:
        """All windows of a batch `(n, h, w, c)`: a view `(n, down, across, kernel h, kernel w, c)`."""
        if any(margin for pair_ in self.margins for margin in pair_):
            x = np.pad(x, ((0, 0), *self.margins, (0, 0)), constant_values=pad_value)
        sliding: Any = np.lib.stride_tricks.sliding_window_view  # NumPy 2.2 types its axis too narrowly
        views = sliding(x, self.window.kernel, axis=(1, 2))
        step_y, step_x = self.window.strides
        views = views[:, ::step_y, ::step_x][:, : self.count[0], : self.count[1]]
        return views.transpose(0, 1, 2, 4, 5, 3)
