"""Functions of one value, each worked out for all 256 integers as TensorFlow Lite works it out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...errors import Refusal
from ..fixed import Format, round_away
from ..graph import QNode
from ..ops.lookup import Lookup
from ..ops.table import entries
from .laws import multiply
from .site import Site, activation_limits


def relu(site: Site) -> list[QNode]:
    """`max(x, 0)`, in another scale if the file says so (`QuantizedReluX` of kernels/activations.cc)."""
    return _limited(site, "RELU")


def relu6(site: Site) -> list[QNode]:
    """`min(max(x, 0), 6)`."""
    return _limited(site, "RELU6")


def requantize(site: Site) -> list[QNode]:
    """QUANTIZE: integers in another format; of a real input, or where nothing changes, nothing is to be done."""
    if site.value().fmt is None or site.value().fmt == site.o:
        return []
    i, o = _formats(site)
    return _table(site, _rescaled(entries(i), i, o))


def leaky_relu(site: Site) -> list[QNode]:
    """`x`, and `alpha · x` below 0, each with a factor of its own (`QuantizeLeakyRelu` of reference/leaky_relu.h)."""
    i, o = _formats(site)
    alpha = float(np.float32(site.option("Alpha")))
    if alpha < 0:
        raise Refusal(f"its alpha {alpha} is below 0, which is not supported")
    x = entries(i) - int(i.zero_point)
    # The product of scale and alpha is one of floats, its quotient too.
    below = np.float32(i.scale) * np.float32(alpha) / np.float32(o.scale)
    identity = multiply(x, np.float32(i.scale) / np.float32(o.scale))
    scaled = multiply(x, below)
    return _table(site, np.where(x >= 0, identity, scaled) + int(o.zero_point))


def logistic(site: Site) -> list[QNode]:
    """The logistic function, in float32 (`PopulateLookupTable` of kernels/activations.cc)."""
    # e^700 is near the greatest float64; its reciprocal is 0 in any format.
    return _of_reals(site, lambda x: 1 / (1 + math.exp(min(-x, 700))))


def tanh(site: Site) -> list[QNode]:
    """Hyperbolic tangent, in float32."""
    return _of_reals(site, math.tanh)


def _formats(site: Site) -> tuple[Format, Format]:
    i = site.arriving().fmt
    assert isinstance(i, Format)
    return i, site.o


def _rescaled(x: np.ndarray, i: Format, o: Format) -> np.ndarray:
    # The quotient of two scales is one of floats.
    factor = np.float32(i.scale) / np.float32(o.scale)
    return multiply(x - int(i.zero_point), factor) + int(o.zero_point)


def _limited(site: Site, activation: str) -> list[QNode]:
    i, o = _formats(site)
    return _table(site, np.clip(_rescaled(entries(i), i, o), *activation_limits(activation, o)))


def _of_reals(site: Site, function: Callable[[float], float]) -> list[QNode]:
    """The nearest integer, ties away from 0, of a function of the real input."""
    i, o = _formats(site)
    x = (entries(i) - int(i.zero_point)).astype(np.float32) * np.float32(i.scale)
    y = np.array([function(value) for value in x.tolist()]).astype(np.float32) * (np.float32(1) / np.float32(o.scale))
    return _table(site, round_away(y) + int(o.zero_point))


def _table(site: Site, table: np.ndarray) -> list[QNode]:
    return [site.node(Lookup(), {"table": np.clip(table, site.o.minimum, site.o.maximum)})]
