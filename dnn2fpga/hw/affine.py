"""Each channel scaled and moved: a sum of products of one term, a block of inputs a channel."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..quant.graph import QNode
from .dense import DenseFolding, sum_foldings
from .sums import Sums


def foldings(node: QNode) -> Iterator[DenseFolding]:
    """As many lanes as divide the channels."""
    channels = node.input_shape[-1]
    constants = {name: np.resize(node.arrays[name], channels) for name in ("offset", "multiplier")}
    kernel = np.resize(node.arrays["kernel"], (1, channels))
    yield from sum_foldings(Sums.of(replace(node, arrays={"kernel": kernel, **constants}), blocks=channels))
