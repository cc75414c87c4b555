"""Transposed convolution: zeros between the pixels, then a plain convolution with the kernel turned round."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import Refusal
from ...model.graph import Weights
from .base import Op, refuse_unless
from .conv2d import Conv2D
from .mac import read_weights
from .window import PADDINGS, Window
from .zero_padding import ZeroPadding


def lowered(config: dict[str, Any], weights: list[np.ndarray]) -> list[tuple[str, Op, Weights]]:
    """The layers that a `Conv1DTranspose` or `Conv2DTranspose` becomes, as `kinds.LOWERED` wants them.

    Its kernel (height, width, out, in) is turned by 180°. Raises `Refusal` where Keras does.
    """
    refuse_unless(config, data_format="channels_last", groups=1)
    kernel, *bias = weights
    kernel = np.flip(kernel, tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)
    if kernel.ndim == 3:
        kernel = kernel[np.newaxis]
    axes = len(config["kernel_size"])
    sizes = kernel.shape[:2]
    strides, dilation = (_per_axis(config.get(key, 1), axes) for key in ("strides", "dilation_rate"))
    if max(strides) > 1 and max(dilation) > 1:
        raise Refusal(f"strides={strides} with dilation_rate={dilation} is not supported; use 1 for one of them")
    more = config.get("output_padding")
    more = (None, None) if more is None else _per_axis(more, axes, 0)
    if axes == 1:
        more = (None, more[1])
    reach = [(size - 1) * step + 1 for size, step in zip(sizes, dilation, strict=True)]
    margins = [
        _margins(span, stride, config["padding"], extra)
        for span, stride, extra in zip(reach, strides, more, strict=True)
    ]
    # No window lies wholly beside the image: zeros that go further are part of the image.
    rows, columns = ((min(a, span - 1), min(b, span - 1)) for (a, b), span in zip(margins, reach, strict=True))
    (top, below), (left, behind) = margins
    beyond = (top - rows[0], below - rows[1]), (left - columns[0], behind - columns[1])
    window = Window(sizes, (1, 1), "valid", dilation, (rows, columns))
    conv = ("", Conv2D(config["filters"], window), read_weights([kernel, *bias]))
    if strides == (1, 1):
        return [conv]
    return [("_stretch", ZeroPadding(beyond, strides), {}), conv]


def _per_axis(value: Any, axes: int, absent: int = 1) -> tuple[int, int]:
    """Keras's `2` or `[2, 2]`, or `[2]` of one axis, as (down, across)."""
    sizes = [value] * axes if isinstance(value, int) else [int(size) for size in value]
    return (absent, *sizes)[-2:]  # type: ignore[return-value]


def _margins(reach: int, stride: int, padding: str, more: int | None) -> tuple[int, int]:
    """The padding before and after the stretched image, which the `reach` of the kernel slides over.

    Of n pixels become (n - 1) · stride + `rest` (Keras's `compute_conv_transpose_output_shape`). Without padding all
    windows count that hold a pixel; `same` takes as many away as a convolution would have padded, the fewer at the
    start.
    """
    if padding not in PADDINGS:
        raise Refusal(f"padding={padding!r} is not supported; use 'valid' or 'same'")
    if more is not None and not 0 <= more < stride:
        raise Refusal(f"output_padding={more} must be less than the stride, {stride}")
    if padding == "valid":
        rest = max(reach, stride) if more is None else reach + more
        before = reach - 1
    else:
        rest = stride if more is None else reach % 2 + more
        if rest < 1:
            raise Refusal(f"output_padding={more} with an even kernel and 'same' leaves too little; use at least 1")
        before = reach - 1 - max(reach - rest, 0) // 2
    return before, rest + reach - 2 - before
