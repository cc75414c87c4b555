"""Sums of products that stay in floating point: their one order, in which the hardware too adds."""

from __future__ import annotations

import numpy as np

from ...errors import Refusal
from ...model.graph import Node
from ..floating import FloatFormat
from ..graph import QNode
from .base import Op, Setting

PARTIALS = 8
"""Partial sums that a sum of products is made of, so that an adder of some cycles' latency never waits for itself."""

SLICE = 1 << 16
"""Floats worked on at once: they stay in the cache."""


def float_node(node: Node, spec: Op, at: Setting, fmt: FloatFormat) -> QNode:
    """The layer of `kernel` `(…, channels)` and `bias` in `fmt`; `spec` is its kind in floating point.

    Its arrays are ordered codes: `kernel` (k, channels) and `bias` (channels). The input is of `fmt` too, signed or
    not; a ReLU in `spec` makes the output unsigned. Raises `Refusal` on a weight beyond the greatest float of `fmt`.
    """
    kernel = _whole(np.asarray(node.weights["kernel"], np.float64), at.input_shape[-1])
    arrays = {"kernel": fmt.quantize(kernel.reshape(-1, kernel.shape[-1])), "bias": fmt.quantize(node.weights["bias"])}
    for name, codes in arrays.items():
        if not np.isfinite(fmt.values(codes)).all():
            greatest = float(np.abs(node.weights[name]).max())
            raise Refusal(
                f"layer '{node.name}': its {name} holds {greatest:g}, beyond {fmt.name}; use bfloat16 or float32"
            )
    o = FloatFormat(fmt.name, signed=not spec.relu)  # type: ignore[attr-defined]
    scalars = {"weight_bits": fmt.bits}
    return QNode(node.name, spec, at.input_shape, at.output_shape, at.i, o, arrays, scalars)


def _whole(kernel: np.ndarray, inputs: int) -> np.ndarray:
    """A kernel `(…, inputs / groups, channels)` as one of a single group, with zeros for what a group does not see."""
    *window, own, channels = kernel.shape
    groups = inputs // own
    whole = np.zeros((*window, groups, own, groups, channels // groups))
    for group in range(groups):
        whole[..., group, :, group, :] = kernel.reshape(*window, own, groups, -1)[..., group, :]
    return whole.reshape(*window, inputs, channels)


def run_float_mac(node: QNode, x: np.ndarray) -> np.ndarray:
    """Rows of floats `(…, k)`, in float32, to the codes of the output `(…, channels)`, in int64.

    Every operation is rounded to the format. Partial sum p, of `PARTIALS`, starts from +0 and adds the products
    x_k · w_k for k = p, p + 8, p + 16, … in this order; the total starts from the bias and adds partial sums 0 to 7.

    As a sum that starts from +0 is never -0, adding a zero to it changes nothing: a kernel may be filled up with zeros,
    and partial sums that have no product need not be added.
    """
    assert isinstance(node.o, FloatFormat)
    fmt, o = FloatFormat(node.o.name), node.o
    kernel, bias = fmt.values(node.arrays["kernel"]), fmt.values(node.arrays["bias"])
    k, channels = kernel.shape
    rows = x.reshape(-1, k)
    codes = np.empty((len(rows), channels), np.int64)
    step = max(1, SLICE // (PARTIALS * channels))
    with np.errstate(over="ignore", invalid="ignore"):
        for at in range(0, len(rows), step):
            codes[at : at + step] = o.codes(_totals(rows[at : at + step], kernel, bias, fmt))
    return codes.reshape(*x.shape[:-1], channels)


def _totals(rows: np.ndarray, kernel: np.ndarray, bias: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    partials = np.zeros((len(rows), min(PARTIALS, len(kernel)), kernel.shape[1]), np.float32)
    for at in range(0, len(kernel), PARTIALS):
        some = slice(at, at + PARTIALS)
        products = fmt.round(rows[:, some, np.newaxis] * kernel[some])
        parts = partials[:, : products.shape[1]]
        parts[...] = fmt.round(parts + products)
    total = np.broadcast_to(bias, (len(rows), kernel.shape[1]))
    for p in range(partials.shape[1]):
        total = fmt.round(total + partials[:, p])
    return total
