"""The geometry of a sliding window, shared by convolution and pooling, in software and in hardware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape

PADDINGS = ("valid", "same")

Margins = tuple[tuple[int, int], tuple[int, int]]
"""Rows above and below an image, and columns on its left and its right."""


@dataclass(frozen=True)
class Window:
    """A window of `kernel` (height, width) that moves by `strides` over an image with Keras's `padding`.

    Along each axis it takes every `dilation`th value. `border` is padding of fixed size around the image, which
    goes with `valid` and is too narrow for a window that misses the image. An image of two axes, (length, channels), is
    one row high.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"
    dilation: tuple[int, int] = (1, 1)
    border: Margins = ((0, 0), (0, 0))

    def __post_init__(self) -> None:
        if self.padding not in PADDINGS:
            raise Refusal(f"padding={self.padding!r} is not supported; use 'valid' or 'same'")
        if min(*self.kernel, *self.strides) < 1:
            raise Refusal(f"kernel {self.kernel} and strides {self.strides} must be at least 1")
        if min(self.dilation) < 1:
            raise Refusal(f"dilation {self.dilation} must be at least 1")
        if min(map(min, self.border)) < 0:
            raise Refusal(f"border {self.border} must be at least 0; crop the image with a layer of its own")
        for border, reach, name in zip(self.border, self.reach, ("rows", "columns"), strict=True):
            if max(border) >= reach:
                raise Refusal(f"a border of {max(border)} {name} fills whole windows; pad with a layer of its own")
        if self.padding != "valid" and any(map(any, self.border)):
            raise Refusal(f"padding={self.padding!r} leaves no room for a border of {self.border}; use 'valid'")

    @staticmethod
    def from_keras(config: dict[str, Any], kernel_key: str, axes: int = 2) -> Window:
        """The window of a Keras layer's configuration, over an image of one or two `axes`."""
        kernel = _sizes(config[kernel_key], axes)
        strides = _sizes(config.get("strides") or kernel, axes)
        dilation = _sizes(config.get("dilation_rate", 1), axes)
        padding = config.get("padding", "valid")
        if padding == "causal" and axes == 1:
            return Window(kernel, strides, "valid", dilation, ((0, 0), ((kernel[1] - 1) * dilation[1], 0)))
        return Window(kernel, strides, padding, dilation)

    @property
    def reach(self) -> tuple[int, int]:
        """Height and width of what the window spans: of the kernel, dilated."""
        (kernel_y, kernel_x), (step_y, step_x) = self.kernel, self.dilation
        return (kernel_y - 1) * step_y + 1, (kernel_x - 1) * step_x + 1

    def over(self, shape: Shape) -> Placement:
        """The window laid over an image of `shape` ((height, width, channels), or (length, channels): one row high).

        Raises `Refusal` if it cannot be.
        """
        if len(shape) not in (2, 3):
            raise Refusal(f"takes (height, width, channels) or (length, channels), not {shape}")
        image = shape if len(shape) == 3 else (1, *shape)
        rows, columns = (self._axis(size, axis) for axis, size in enumerate(image[:2]))
        if rows[0] < 1 or columns[0] < 1:
            raise Refusal(f"a {self.reach[0]}×{self.reach[1]} window does not fit into {image[0]}×{image[1]}")
        if len(shape) == 2 and rows[0] > 1:
            raise Refusal(f"a border of {self.border[0]} above and below makes an image of {shape}; give it a height")
        return Placement(self, image, (rows[0], columns[0]), (rows[1], columns[1]))

    def output_shape(self, shape: Shape, channels: int) -> Shape:
        """The shape of `channels` values a position, of as many axes as `shape`."""
        return (*self.over(shape).count[3 - len(shape) :], channels)

    def _axis(self, size: int, axis: int) -> tuple[int, int]:
        """Positions along an axis, and the padding before it (Keras's own rule)."""
        reach, stride = self.reach[axis], self.strides[axis]
        if self.padding == "valid":
            before, after = self.border[axis]
            return (before + size + after - reach) // stride + 1, before
        count = -(-size // stride)
        return count, max((count - 1) * stride + reach - size, 0) // 2


def refuse_unlike_pooling(window: Window) -> None:
    """Refuse a dilated window: nothing is pooled so."""
    if window.dilation != (1, 1):
        raise Refusal(f"a dilation of {window.dilation} is not supported in pooling; use (1, 1)")


def _sizes(value: Any, axes: int) -> tuple[int, int]:
    """Keras's `3`, `[3]` or `[3, 3]` as (height, width); of one axis, the height is 1."""
    sizes = [int(size) for size in value] if isinstance(value, list | tuple) else [int(value)] * axes
    if len(sizes) != axes:
        raise Refusal(f"{axes} sizes are needed, not {tuple(sizes)}")
    return (1, *sizes) if axes == 1 else tuple(sizes)  # type: ignore[return-value]


@dataclass(frozen=True)
class Placement:
    """A window over an image: `count` positions (down, across), `before` rows and columns of padding.

    `shape` is (height, width, channels).
    """

    window: Window
    shape: Shape
    count: tuple[int, int]
    before: tuple[int, int]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the padded image, all that the windows or the image itself touch."""
        return tuple(  # type: ignore[return-value]
            max(before + size, (count - 1) * stride + reach)
            for before, size, count, stride, reach in zip(
                self.before, self.shape[:2], self.count, self.window.strides, self.window.reach, strict=True
            )
        )

    @property
    def margins(self) -> Margins:
        """Rows of padding above and below the image, and columns of it on the left and the right."""
        (height, width), (top, left) = self.padded, self.before
        return (top, height - top - self.shape[0]), (left, width - left - self.shape[1])

    @property
    def values(self) -> int:
        """Values in one window."""
        return self.window.kernel[0] * self.window.kernel[1] * self.shape[2]

    def extract(self, x: np.ndarray, pad_value: float) -> np.ndarray:
        """All windows of a batch `(n, *shape)`, maybe without its height of 1: `(n, down, across, kernel y, x, c)`."""
        x = x.reshape(-1, *self.shape)
        if any(margin for pair_ in self.margins for margin in pair_):
            x = np.pad(x, ((0, 0), *self.margins, (0, 0)), constant_values=pad_value)
        sliding: Any = np.lib.stride_tricks.sliding_window_view  # NumPy 2.2 types its axis too narrowly
        views = sliding(x, self.window.reach, axis=(1, 2))
        (step_y, step_x), (tap_y, tap_x) = self.window.strides, self.window.dilation
        views = views[:, ::step_y, ::step_x, :, ::tap_y, ::tap_x][:, : self.count[0], : self.count[1]]
        return views.transpose(0, 1, 2, 4, 5, 3)
