"""What layers that work on each value by itself have in common: as many values a word out as in, a word a clock."""

import math
from collections.abc import Iterator

from ..quant.graph import QNode


class ValueByValue:
    """Part of a folding of `size` values a tensor, `i_lanes` a word."""

    i_lanes: int
    size: int

    @property
    def o_lanes(self) -> int:
        """As many values a word out as in."""
        return self.i_lanes

    @property
    def least_cycles(self) -> int:
        """One word a clock."""
        return self.size // self.i_lanes


def lane_choices(node: QNode) -> Iterator[tuple[int, int]]:
    """(lanes, values a tensor): as many lanes as divide the channels."""
    size = math.prod(node.input_shape)
    channels = node.input_shape[-1]
    yield from ((n, size) for n in range(1, channels + 1) if channels % n == 0)
