"""ADD and MUL of two tensors, or of one and a constant a channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...errors import Refusal
from ..fixed import MULTIPLIER_BITS, Format
from ..graph import QNode
from ..ops.add import Add
from ..ops.conv2d import Conv2D
from ..ops.multiply import Multiply
from ..ops.reshape import Reshape
from ..ops.window import Window
from . import pairs
from .behind import behind, flattened_to
from .laws import arrays_of, line_of, multiply
from .site import Site, format_of

BROADCAST = "only a constant, of one value a channel, is added to or multiplied with all positions"


def add(site: Site) -> list[QNode]:
    """A weighted sum that gives what ADD gives for all 65,536 pairs of inputs."""
    if site.has_constant:
        return _add_constant(site)
    i, j, o = _formats(site)
    every = np.arange(i.minimum, i.maximum + 1)[:, np.newaxis], np.arange(j.minimum, j.maximum + 1)
    found = pairs.plane(
        pairs.add(*every, i, j, o), i, j, (o.minimum, o.maximum), (i.scale / o.scale, j.scale / o.scale)
    )
    if found is None:
        raise Refusal("no weighted sum gives the same for all inputs; convert it with another data set")
    kernel = np.array(found.weights)[:, np.newaxis]
    offset = np.array([found.addend - ((1 << found.shift) >> 1)])
    bits = max(MULTIPLIER_BITS + 1, max(found.weights).bit_length() + 1)
    arrays = {"kernel": kernel, "offset": offset, "multiplier": np.ones(1, np.int64)}
    return behind(site, site.node(Add(), arrays, {"shift": found.shift, "weight_bits": bits}, reads=2))


def mul(site: Site) -> list[QNode]:
    """The product of both, less their zero points, requantized (`MulElementwise` of reference/mul.h)."""
    if site.has_constant:
        return _mul_constant(site)
    i, j, o = _formats(site)
    factor = pairs.product_factor(i, j, o)
    ends = [
        (x - int(i.zero_point)) * (y - int(j.zero_point))
        for x in (i.minimum, i.maximum)
        for y in (j.minimum, j.maximum)
    ]

    def law(products: np.ndarray) -> np.ndarray:
        return multiply(products, factor) + int(o.zero_point)

    sums = np.array([min(ends)]), np.array([max(ends)])
    limits = o.minimum, o.maximum
    line = line_of(law, sums, np.array([factor]), int(o.zero_point), limits)
    scalars = {
        "shift": line.shift, "zero_0": int(i.zero_point), "zero_1": int(j.zero_point), "low": limits[0],
        "high": limits[1],
    }  # fmt: skip
    return behind(site, site.node(Multiply(), arrays_of(line), scalars, reads=2))


def _add_constant(site: Site) -> list[QNode]:
    """ADD of a constant a channel, for all 256 inputs."""
    at, constant, j = _constant(site)
    i = site.format(at)

    def law(x: np.ndarray) -> np.ndarray:
        return pairs.add(x, constant[:, np.newaxis], i, j, site.o)

    return _by_channels(site, at, np.ones(len(constant), np.int64), law, i.scale / site.o.scale)


def _mul_constant(site: Site) -> list[QNode]:
    """MUL by a constant a channel, which is the layer's kernel."""
    at, constant, j = _constant(site)
    i, kernel = site.format(at), constant - int(j.zero_point)
    factor = pairs.product_factor(i, j, site.o)

    def law(sums: np.ndarray) -> np.ndarray:
        products = sums - int(i.zero_point) * kernel[:, np.newaxis]
        return multiply(products, factor) + int(site.o.zero_point)

    return _by_channels(site, at, kernel, law, factor)


def _constant(site: Site) -> tuple[int, np.ndarray, Format]:
    """Which input is no constant, and the other: its integers, one a channel, and their format."""
    at = int(site.tensor(0).data is not None)
    tensor, shape = site.tensor(1 - at), site.arriving(at).shape
    constant = site.constant(1 - at, "constant", "INT8")
    if site.output_shape != shape or constant.size not in (1, *constant.shape[-1:]):
        raise Refusal(f"its constant '{tensor.name}' of shape {constant.shape} is not one value a channel of {shape}")
    return at, np.broadcast_to(constant.reshape(-1).astype(np.int64), shape[-1:]), format_of(tensor)


def _by_channels(
    site: Site, at: int, kernel: np.ndarray, law: Callable[[np.ndarray], np.ndarray], slope: float
) -> list[QNode]:
    """A convolution of each channel of input `at` by itself, of one value of `kernel`: `law` takes `kernel · x`."""
    i, shape, limits, zero = site.format(at), site.arriving(at).shape, site.limits(), int(site.o.zero_point)
    ends = kernel * i.minimum, kernel * i.maximum
    line = line_of(law, (np.minimum(*ends), np.maximum(*ends)), np.full(len(kernel), slope), zero, limits)
    arrays = {"kernel": kernel[np.newaxis], **arrays_of(line)}
    bits = int(max(np.abs(kernel))).bit_length() + 1
    scalars = {"shift": line.shift, "low": limits[0], "high": limits[1], "weight_bits": bits}
    spec = Conv2D(len(kernel), Window((1, 1)), groups=len(kernel))
    if len(shape) > 1:
        return [site.node(spec, arrays, scalars, at=at)]
    row = (1, *shape)
    before = replace(site.node(Reshape(row), o=i, output_shape=row, at=at), name=f"{site.name}_row")
    node = replace(site.node(spec, arrays, scalars, output_shape=row, at=at), input_shape=row, inputs=(before.name,))
    return [before, *flattened_to(site, node, shape)]


def _formats(site: Site) -> tuple[Format, Format, Format]:
    first, second = site.arriving(0), site.arriving(1)
    if first.shape != second.shape:
        raise Refusal(f"its inputs {first.shape} and {second.shape} must have the same shape; {BROADCAST}")
    assert isinstance(first.fmt, Format)
    assert isinstance(second.fmt, Format)
    return first.fmt, second.fmt, site.o
