"""What layers that work on each value by itself have in common: as many values a word out as in, a word a clock."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

from ..quant.graph import QNode
from . import queue
from .layer import divisors
from .timing import Buffer, Process, one_a_clock


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


class Pipelined(ABC):
    """Part of a folding that takes a word a clock and gives its results `latency` cycles later, through a queue."""

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from a word in to its results, before the queue."""

    @property
    def depth(self) -> int:
        """Room in the queue."""
        return queue.depth_for(self.latency, 1, 1)

    def timing(self) -> Iterator[Process | Buffer]:
        """Its timed twin."""
        yield one_a_clock()
        yield queue.timing(self.depth, self.latency)


def lane_choices(node: QNode) -> Iterator[tuple[int, int]]:
    """(lanes, values a tensor): as many lanes as divide the channels."""
    size = math.prod(node.input_shape)
    yield from ((n, size) for n in divisors(node.input_shape[-1]))
