"""Calibration: the range of real values that each layer's output takes over some samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.graph import Graph

BATCH = 256
"""Samples run at once, so that memory does not grow with the data."""


@dataclass(frozen=True)
class Range:
    """The least and greatest real value seen."""

    low: float
    high: float

    def __or__(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))

    @staticmethod
    def of(x: np.ndarray) -> Range:
        """The range of an array."""
        return Range(float(x.min()), float(x.max()))


def min_max(graph: Graph, samples: np.ndarray) -> list[Range]:
    """The range of the input, then of each node's output, over all samples `(n, *input_shape)`."""
    ranges: list[Range] = []
    for at in range(0, len(samples), BATCH):
        x = np.asarray(samples[at : at + BATCH], np.float32)
        seen = [Range.of(x)]
        for node in graph.nodes:
            x = node.spec.run_float(node.weights, x)
            seen.append(Range.of(x))
        ranges = [a | b for a, b in zip(ranges, seen, strict=True)] if ranges else seen
    return ranges
