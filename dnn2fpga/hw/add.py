"""Sums of tensors, value by value: each pair of lanes is a sum of products whose weights are constants."""

from collections.abc import Iterator

import numpy as np

from ..quant.graph import QNode
from .dense import DenseFolding
from .fixed import shape_of
from .layer import Folding
from .sums import Sums
from .value_by_value import lane_choices
from .zip import ZipFolding, common


def foldings(node: QNode) -> Iterator[Folding]:
    """As many lanes as divide the channels. A sum of one input only brings its integers to another format."""
    arrays, scalars = node.arrays, node.scalars
    shapes = tuple(shape_of(arriving.fmt) for arriving in node.arriving)
    for n, size in lane_choices(node):
        sums = Sums(
            np.tile(arrays["kernel"], n), np.tile(arrays["offset"], n), np.tile(arrays["multiplier"], n),
            scalars["shift"], common(shapes), Sums.of(node).weight, shape_of(node.o), blocks=n, positions=size // n,
        )  # fmt: skip
        folding = DenseFolding(sums, outputs=n, inputs=len(shapes), parallel=n)
        yield folding if len(shapes) == 1 else ZipFolding(shapes, folding)
