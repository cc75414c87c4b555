"""Pooling, and the mean over an image."""

from __future__ import annotations


import numpy as np

from ...errors import Refusal
from ...model.graph import Shape
from ..fixed import Format
from ..graph import QNode
from ..ops.average_pool2d import AveragePool2D
from ..ops.max_pool2d import MaxPool2D
from ..ops.window import Window
from ..thresholds import Line, Rising
from .behind import behind, flattened_to
from .multiplier import quantized_multiplier
from .site import Site, window


def max_pool_2d(site: Site) -> list[QNode]:
    """The greatest value of each window; padding never wins."""
    site.same_format()
    spec = MaxPool2D(window(site, (site.option("FilterHeight"), site.option("FilterWidth"))))
    return behind(site, site.node(spec))


def average_pool_2d(site: Site) -> list[QNode]:
    """The mean of each window, ties away from 0 in the integers as they are, whatever their zero point."""
    site.same_format()
    spec = AveragePool2D(window(site, (site.option("FilterHeight"), site.option("FilterWidth"))))
    counts = spec.counts(site.arriving().shape)
    different, which = np.unique(counts, return_inverse=True)
    line = _means(different, site.o)
    if len(different) == 1:
        counts, which = different, np.zeros(1, np.int64)
    return behind(site, _node(site, spec, line, which.reshape(counts.shape)))


def mean(site: Site) -> list[QNode]:
    """The mean over height and width.

    Its factor holds 1 / count: `QuantizedMeanOrSum` of tensorflow/lite/kernels/internal/reference/reduce.h.
    """
    height, width, channels = _image(site)
    i, o, count = site.arriving().fmt, site.o, height * width
    multiplier, shift = (int(value) for value in quantized_multiplier(i.scale / o.scale))
    more = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << more) // count, shift - more
    half_and_zero = (1 << (30 - shift)) + (int(o.zero_point) << (31 - shift))
    exact = Line(
        np.array([multiplier], object), np.array([half_and_zero - int(i.zero_point) * count * multiplier], object),
        31 - shift,
    )  # fmt: skip
    steps = np.arange(o.minimum + 1, o.maximum + 1)
    least, greatest = np.array([count * i.minimum]), np.array([count * i.maximum])
    line = _found(Rising(least, greatest, steps, exact.thresholds(steps), exact))
    spec = AveragePool2D(Window((height, width)))
    node = _node(site, spec, line, np.zeros(1, np.int64), (1, 1, channels))
    return flattened_to(site, node, site.output_shape)


def _image(site: Site) -> Shape:
    shape, axes = site.arriving().shape, site.constant(1, "axes", "INT32").reshape(-1)
    rank = len(shape) + 1
    found = {int(axis) % rank for axis in axes}
    if rank != 4 or found != {1, 2}:
        raise Refusal(f"the mean over axes {sorted(found)} of {rank} is not supported; take it over height and width")
    return shape


def _means(counts: np.ndarray, fmt: Format) -> Line:
    """The mean of as many integers as each of `counts`, ties away from 0, as a line."""
    steps, count = np.arange(fmt.minimum + 1, fmt.maximum + 1), counts[:, np.newaxis]
    above, below = count * steps - count // 2, count // 2 - count * (1 - steps) + 1
    slope = Line((1 << 50) // counts.astype(object), np.zeros(len(counts), object), 50)
    thresholds = np.where(steps > 0, above, below)
    return _found(Rising(counts * fmt.minimum, counts * fmt.maximum, steps, thresholds, slope))


def _found(rising: Rising) -> Line:
    line = rising.line()
    if line is None:
        raise Refusal("its windows are too large for its mean to be exact; pool in two steps")
    return line


def _node(site: Site, spec: AveragePool2D, line: Line, which: np.ndarray, shape: Shape | None = None) -> QNode:
    """The layer whose constants are those of `line`, at each position those of channel `which`."""
    shift = int(line.shift)
    arrays = {"multiplier": line.multiplier[which], "offset": (line.addend - ((1 << shift) >> 1))[which]}
    return site.node(spec, arrays, {"shift": shift}, output_shape=shape)
