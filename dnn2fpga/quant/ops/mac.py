"""What dense and convolution share: weights, bias and requantization of a sum of products."""

from __future__ import annotations

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Weights
from ..fixed import MULTIPLIER_BITS, Format, multiplier_and_shift, requantize, round_half_up
from ..graph import QNode
from .base import Op, Setting

BIAS_HEADROOM = 8
"""Bits by which a bias may be wider than a product. A channel whose bias is greater gets coarser weights."""

SCALE_SPREAD = 2.0**-6
"""The least scale of a channel, as a part of the layer's greatest.

All channels share one shift, so a smaller scale would get a multiplier of few bits; and weights 64 times
finer than those of another channel are fine enough.
"""


def read_weights(weights: list[np.ndarray]) -> Weights:
    """Keras's weight list of a layer with a kernel and maybe a bias; an absent bias is zero."""
    kernel = weights[0]
    bias = weights[1] if len(weights) > 1 else np.zeros(kernel.shape[-1], kernel.dtype)
    return {"kernel": kernel, "bias": bias}


def quantize_mac(node: Node, spec: Op, at: Setting, *, relu: bool) -> QNode:
    """The integer layer of `kernel` `(…, channels)` and `bias`: per-channel symmetric weights.

    The sum's scale is the input's times the channel's; the bias is rounded to it, and one multiplier a channel
    takes it to the output's scale. A fused ReLU is the clamp of an unsigned output.
    """
    kernel = np.asarray(node.weights["kernel"], np.float64)
    bias = np.asarray(node.weights["bias"], np.float64)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    o = Format.covering(at.low, at.high, at.output_bits, signed=not relu)
    # a bias so great that it alone saturates the output, as that of a dead ReLU, may as well be smaller
    reach = 2 * np.abs(kernel).sum(axis=0) * max(-at.i.minimum, at.i.maximum) * at.i.scale
    bias = np.clip(bias, o.minimum * o.scale - reach, o.maximum * o.scale + reach)
    weight_max = (1 << (at.weight_bits - 1)) - 1
    bias_max = 2.0 ** (at.i.bits + at.weight_bits + BIAS_HEADROOM)
    scale = np.maximum(np.abs(kernel).max(axis=0) / weight_max, np.abs(bias) / (at.i.scale * bias_max))
    scale = np.maximum(scale, scale.max() * SCALE_SPREAD) if scale.any() else np.ones_like(scale)
    try:
        multiplier, shift = multiplier_and_shift(at.i.scale * scale / o.scale)
    except Refusal as refusal:
        raise Refusal(f"layer '{node.name}': {refusal}") from None
    arrays = {
        "kernel": np.clip(round_half_up(kernel / scale), -weight_max, weight_max),
        "bias": round_half_up(bias / (at.i.scale * scale)),
        "multiplier": multiplier,
    }
    scalars = {"shift": shift, "weight_bits": at.weight_bits}
    qnode = QNode(node.name, spec, at.input_shape, at.output_shape, at.i, o, arrays, scalars)
    low, high = sum_range(arrays["kernel"], at.i.minimum, at.i.maximum)
    if (max(-low, high) + int(np.abs(arrays["bias"]).max())).bit_length() + MULTIPLIER_BITS > 62:
        raise Refusal(
            f"layer '{node.name}': its sums need more than {62 - MULTIPLIER_BITS} bits; use fewer bits a weight"
        )
    return qnode


def sum_range(kernel: np.ndarray, least: int, greatest: int) -> tuple[int, int]:
    """The least and greatest sum of products, over every channel and all inputs from `least` ≤ 0 to `greatest` ≥ 0.

    Bias apart. Zero lies in every term's range, so every partial sum, in any order, lies in this range too.
    `kernel` is (k, channels).
    """
    positive = np.clip(kernel, 0, None).sum(axis=0)
    negative = np.clip(kernel, None, 0).sum(axis=0)
    high = (positive * greatest + negative * least).max()
    low = (positive * least + negative * greatest).min()
    return int(low), int(high)


def run_mac(node: QNode, x: np.ndarray) -> np.ndarray:
    """Rows of input integers `(…, k)` to output integers `(…, channels)`.

    The product runs in floating point, where it is fast, and is exact: the type is one that holds every sum.
    """
    kernel = node.arrays["kernel"]
    low, high = sum_range(kernel, node.i.minimum, node.i.maximum)
    exact = np.float32 if max(-low, high) < 2**24 else np.float64
    acc = x.astype(exact, copy=False) @ kernel.astype(exact)
    acc = acc.astype(np.int64) + node.arrays["bias"]
    return requantize(acc, node.arrays["multiplier"], node.scalars["shift"], node.o)


def float_mac(weights: Weights, x: np.ndarray, *, relu: bool) -> np.ndarray:
    """Rows of real inputs `(…, k)` to real outputs `(…, channels)`."""
    kernel = weights["kernel"]
    y = x @ kernel.reshape(-1, kernel.shape[-1]) + weights["bias"]
    return np.maximum(y, 0) if relu else y
