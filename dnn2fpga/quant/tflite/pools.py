"""Pooling, and the mean over an image."""

from __future__ import annotations

import numpy as np

from ...errors import Refusal
from ...model.graph import Shape
from ..fixed import Format
from ..graph import QNode
from ..ops.average_pool2d import AveragePool2D
from ..ops.conv2d import Conv2D
from ..ops.image import image_shape
from ..ops.max_pool2d import MaxPool2D
from ..ops.window import Window
from ..thresholds import Line
from .behind import behind, flattened_to
from .laws import arrays_of, line_of, multiply_quantized
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
    """The mean over height and width, or over a sequence: a convolution of ones, each channel by itself.

    Its factor holds 1 / count: `QuantizedMeanOrSum` of tensorflow/lite/kernels/internal/reference/reduce.h.
    """
    height, width, channels = _image(site)
    i, o, count = site.i, site.o, height * width
    multiplier, shift = (int(value) for value in quantized_multiplier(i.scale / o.scale))
    more = min(count.bit_length() - 1, 32, 31 + shift)
    factor = (multiplier << more) // count, shift - more

    def law(sums: np.ndarray) -> np.ndarray:
        return multiply_quantized(sums - int(i.zero_point) * count, *factor) + int(o.zero_point)

    sums = np.array([count * i.minimum]), np.array([count * i.maximum])
    limits = o.minimum, o.maximum
    line = line_of(law, sums, np.array([i.scale / o.scale / count]), int(o.zero_point), limits)
    arrays = {name: np.broadcast_to(array, channels).copy() for name, array in arrays_of(line).items()}
    arrays["kernel"] = np.ones((count, channels), np.int64)
    scalars = {"shift": line.shift, "low": limits[0], "high": limits[1], "weight_bits": 2}
    spec = Conv2D(channels, Window((height, width)), groups=channels)
    node = site.node(spec, arrays, scalars, output_shape=(1, 1, channels)[-len(site.arriving().shape) :])
    return flattened_to(site, node, site.output_shape)


def _image(site: Site) -> Shape:
    shape, axes = site.arriving().shape, site.constant(1, "axes", "INT32").reshape(-1)
    rank = len(shape) + 1
    found = {int(axis) % rank for axis in axes}
    if rank not in (3, 4) or found != {*range(1, rank - 1)}:
        raise Refusal(
            f"the mean over axes {sorted(found)} of {rank} is not supported; take it over height and width, or over a "
            "sequence"
        )
    return image_shape(shape)


def _means(counts: np.ndarray, fmt: Format) -> Line:
    """The mean of as many integers as each of `counts`, ties away from 0."""
    count = counts[:, np.newaxis]

    def law(sums: np.ndarray) -> np.ndarray:
        return np.where(sums > 0, (sums + count // 2) // count, -((count // 2 - sums) // count))

    # One line does without a bend: it leans a little, so as to take ties above 0 up and those below down.
    sums = counts * fmt.minimum, counts * fmt.maximum
    return line_of(law, sums, 1 / counts, fmt.minimum, (fmt.minimum, fmt.maximum))


def _node(site: Site, spec: AveragePool2D, line: Line, which: np.ndarray) -> QNode:
    """The layer whose constants are those of `line`, at each position those of channel `which`."""
    arrays = arrays_of(line)
    return site.node(spec, {name: arrays[name][which] for name in ("multiplier", "offset")}, {"shift": line.shift})
