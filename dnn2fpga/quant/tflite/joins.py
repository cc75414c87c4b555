"""ADD and MUL of two tensors."""

from __future__ import annotations

import numpy as np

from ...errors import Refusal
from ..fixed import MULTIPLIER_BITS, Format
from ..graph import QNode
from ..ops.add import Add
from ..ops.multiply import Multiply
from . import pairs
from .behind import behind
from .laws import arrays_of, line_of, multiply
from .site import Site


def add(site: Site) -> list[QNode]:
    """A weighted sum that gives what ADD gives for all 65,536 pairs of inputs."""
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


def _formats(site: Site) -> tuple[Format, Format, Format]:
    first, second = site.arriving(0), site.arriving(1)
    if first.shape != second.shape:
        raise Refusal(f"its inputs {first.shape} and {second.shape} must have the same shape")
    assert isinstance(first.fmt, Format)
    assert isinstance(second.fmt, Format)
    return first.fmt, second.fmt, site.o
