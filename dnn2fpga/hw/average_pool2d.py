"""Average-pooling: a convolution of ones, each channel by itself, whose sums are divided by rescaling them."""

from collections.abc import Iterator

import numpy as np
from amaranth import signed

from ..quant.graph import QNode
from . import dense
from .conv2d import Conv2DFolding
from .fixed import shape_of
from .sums import Sums


def foldings(node: QNode) -> Iterator[Conv2DFolding]:
    """Every folding of the sums. Padding adds nothing to them: it is the integer 0, whatever stands for the real 0."""
    placement, channels = node.spec.window.over(node.input_shape), node.input_shape[-1]
    kernel = np.ones((placement.values // channels, channels), np.int64)
    multiplier, offset = (
        np.broadcast_to(node.arrays[name], shape).reshape(-1)
        for name in ("multiplier", "offset")
        for shape in [(channels,) if node.arrays[name].size == 1 else node.output_shape]
    )
    sums = Sums(
        kernel, offset, multiplier, node.scalars["shift"], shape_of(node.i), signed(2), shape_of(node.o),
        channels, placement.count[0] * placement.count[1],
    )  # fmt: skip
    for folding in dense.sum_foldings(sums):
        yield Conv2DFolding(placement, folding)
