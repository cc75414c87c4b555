"""What calibration remembers of the values that pass a point of the model: their range, moments and histogram."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..model.graph import INPUT, Graph

BATCH = 256
"""Samples run at once, so that memory does not grow with the data."""

BINS = 2048
"""Bins of a histogram, as in TensorRT's calibration (Migacz 2017)."""


@dataclass(frozen=True)
class Range:
    """The least and greatest real value that a format is to hold."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """What one pass over `n` values gives, exactly; summaries of parts add up to that of the whole.

    `zeros` of them are exactly 0; `total`, `magnitude` and `square` are the sums of x, of |x| and of x².
    """

    n: int
    zeros: int
    low: float
    high: float
    total: float
    magnitude: float
    square: float

    @staticmethod
    def of(x: np.ndarray) -> Summary:
        """The summary of an array that is finite and not empty."""
        x = np.asarray(x, np.float64)
        return Summary(
            x.size, x.size - int(np.count_nonzero(x)), float(x.min()), float(x.max()),
            float(x.sum()), float(np.abs(x).sum()), float(np.square(x).sum()),
        )  # fmt: skip

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            self.n + other.n, self.zeros + other.zeros, min(self.low, other.low), max(self.high, other.high),
            self.total + other.total, self.magnitude + other.magnitude, self.square + other.square,
        )  # fmt: skip

    @property
    def mean(self) -> float:
        """The mean."""
        return self.total / self.n

    @property
    def magnitude_mean(self) -> float:
        """The mean magnitude."""
        return self.magnitude / self.n

    @property
    def reach(self) -> float:
        """The greatest magnitude."""
        return max(-self.low, self.high)


@dataclass(frozen=True)
class Histogram:
    """Values counted into `BINS` equal bins over their range.

    Exact zeros, of which a ReLU makes many, are not in `counts` but in `seen.zeros`: every format with a zero holds
    them exactly, and in a bin they would pass for small values. `spread` is the sum of |x - mean|.
    """

    seen: Summary
    counts: np.ndarray
    spread: float

    @staticmethod
    def of(x: np.ndarray) -> Histogram:
        """The histogram of an array that is finite and not empty."""
        return Histogram.counted(x, Summary.of(x))

    @staticmethod
    def counted(x: np.ndarray, seen: Summary) -> Histogram:
        """The part that `x` has in the histogram of all the values that `seen` is a summary of."""
        x = np.asarray(x, np.float64).ravel()
        spread = float(np.abs(x - seen.mean).sum())
        x = x[x != 0]
        width = seen.high - seen.low
        place = (x - seen.low) / width * BINS if width > 0 else np.zeros(x.size)
        bins = np.minimum(place.astype(np.int64), BINS - 1)
        return Histogram(seen, np.bincount(bins, minlength=BINS), spread)

    def __add__(self, other: Histogram) -> Histogram:
        return replace(self, counts=self.counts + other.counts, spread=self.spread + other.spread)

    @property
    def edges(self) -> np.ndarray:
        """The bounds of the bins, `(BINS + 1,)`; the first and the last are the least and greatest value, exactly."""
        return np.linspace(self.seen.low, self.seen.high, BINS + 1)

    def clipped(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """How many values may lie outside of each `low <= 0` to `high >= 0`: those of bins not wholly within."""
        up_to = np.concatenate([[0], np.cumsum(self.counts)])
        below = up_to[np.minimum(np.searchsorted(self.edges, low, "left"), BINS)]
        within_high = up_to[np.maximum(np.searchsorted(self.edges, high, "right") - 1, 0)]
        return below + up_to[-1] - within_high


def observe(graph: Graph, samples: np.ndarray) -> dict[str, Histogram]:
    """The histogram of the input (`INPUT`) and of each node's output, by name, over all samples `(n, *input_shape)`.

    The float model runs twice, for the ranges and for the counts; neither pass holds more than a batch.
    """
    seen: dict[str, Summary] = _added_up(graph, samples, lambda name, x: Summary.of(x))
    return _added_up(graph, samples, lambda name, x: Histogram.counted(x, seen[name]))


def _added_up(graph: Graph, samples: np.ndarray, part: Callable[[str, np.ndarray], Any]) -> dict[str, Any]:
    """The sum over all batches of `part(name, x)`, for `x` the values at each point of the model."""
    totals: dict[str, Any] = {}
    for first in range(0, len(samples), BATCH):
        batch = np.asarray(samples[first : first + BATCH], np.float32)
        for name, x in _values(graph, batch):
            found = part(name, x)
            totals[name] = totals[name] + found if name in totals else found
    return totals


def _values(graph: Graph, x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The input `x` and the output of each node."""
    yield INPUT, x
    for node, y in graph.trace(x):
        yield node.name, y
