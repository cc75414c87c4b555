"""The constants by which the hardware requantizes the sums of an integer layer, by either law of rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..quant.fixed import Format
from ..quant.graph import QNode
from .requantize import Bent


@dataclass(frozen=True, eq=False)
class Constants:
    """What `Rescale` takes: the offset, the multiplier and the bend one a channel."""

    offset: np.ndarray
    multiplier: np.ndarray
    shift: int
    limits: tuple[int, int]
    bent: Bent | None = None


def constants_of(node: QNode) -> Constants:
    """Those of an integer layer."""
    return LAWS[node.rounding](node)


def _half_up(node: QNode) -> Constants:
    assert isinstance(node.o, Format)
    arrays = node.arrays
    limits = node.o.minimum, node.o.maximum
    return Constants(arrays["offset"], arrays["multiplier"], node.scalars["shift"], limits)


def _tflite(node: QNode) -> Constants:
    """A bend only where one is needed: not in an ADD, nor before a ReLU whose zero is the least integer."""
    arrays, scalars = node.arrays, node.scalars
    if "bend" not in arrays:
        return _half_up(node)
    straight = (arrays["offset"] == arrays["offset_below"]).all()
    bent = None if straight else Bent(arrays["offset_below"], arrays["bend"])
    limits = scalars["low"], scalars["high"]
    return Constants(arrays["offset"], arrays["multiplier"], scalars["shift"], limits, bent)


LAWS = {"half_up": _half_up, "tflite": _tflite}
