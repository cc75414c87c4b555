"""What dense and convolution share: weights, bias and requantization of a sum of products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import Refusal
from ...model.graph import Node, Weights
from ..fixed import MULTIPLIER_BITS, Format, multiplier_and_shift, requantize, requantize_bent, round_half_up
from ..graph import QNode
from ..weights import norm_corrected, quantized_weights
from .base import Op, Setting

WIDEST_SUM = 62
"""Bits of the widest sum times its multiplier, offset and all: what int64 holds with room to round."""

LEAST_RATIO_BITS = 44
"""With outputs of n bits, one step of a sum is worth at least 2^(n - 44) of them: a channel whose weights are so small
beside its bias gets coarser ones, since its offset would be wider than an int64.
"""

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


def quantize_mac(node: Node, spec: Op, at: Setting) -> QNode:
    """The integer layer of `kernel` `(…, channels)` and `bias`.

    The sum's scale is the input's times the channel's weights'; one multiplier a channel takes it to the output's.
    The offset holds the bias, the output's zero point, and what the input's zero point adds to every sum. A fused
    ReLU is the clamp of an unsigned output.
    """
    assert isinstance(at.i, Format)
    assert at.o is not None
    assert at.weight_bits is not None
    assert at.weight_scale is not None
    kernel = np.asarray(node.weights["kernel"], np.float64)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    bias = np.asarray(node.weights["bias"], np.float64)
    least = 2.0 ** (at.o.bits - LEAST_RATIO_BITS) * at.o.scale / at.i.scale
    scale = np.where(kernel.any(axis=0), at.weight_scale, 0)  # of a dead channel, whatever suits the others
    scale = np.maximum(scale, max(scale.max() * SCALE_SPREAD, least))
    q = quantized_weights(kernel, scale, at.weight_bits)
    if at.norms_kept:
        scale = np.maximum(norm_corrected(kernel, q, scale), least)
    try:
        multiplier, shift = multiplier_and_shift(at.i.scale * scale / at.o.scale)
    except Refusal as refusal:
        raise Refusal(f"layer '{node.name}': {refusal}") from None

    # A bias so great that it alone saturates the output, as that of a dead ReLU, may as well be smaller.
    low, high = sum_range(q, at.i.minimum, at.i.maximum)
    reach = 2 * max(-low, high) * at.i.scale * scale
    span = (at.o.maximum - at.o.minimum) * at.o.scale
    bias = np.clip(bias, -span - reach, span + reach)
    offset = round_half_up((bias / at.o.scale + at.o.zero_point) * 2.0**shift)
    # Twice the zero point is an integer, also of a sign.
    offset = offset - int(2 * at.i.zero_point) * q.sum(axis=0) * multiplier // 2
    widest = max(-low, high) * int(multiplier.max()) + int(np.abs(offset).max())
    if widest.bit_length() > WIDEST_SUM:
        raise Refusal(
            f"layer '{node.name}': its sums need more than {WIDEST_SUM - MULTIPLIER_BITS} bits; use fewer bits a weight"
        )
    arrays = {"kernel": q, "offset": offset, "multiplier": multiplier}
    scalars = {"shift": shift, "weight_bits": at.weight_bits}
    return QNode(node.name, spec, at.input_shape, at.output_shape, at.i, at.o, arrays, scalars)


def sum_range(kernel: np.ndarray, least: int, greatest: int) -> tuple[int, int]:
    """The least and greatest sum of products, over every channel and all inputs from `least` ≤ 0 to `greatest` ≥ 0.

    Zero lies in every term's range, so every partial sum, in any order, lies in this range too.
    `kernel` is (k, channels).
    """
    low, high = channel_ranges(kernel, least, greatest)
    return int(low.min()), int(high.max())


def channel_ranges(kernel: np.ndarray, least: int, greatest: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of each channel."""
    positive = np.clip(kernel, 0, None).sum(axis=0)
    negative = np.clip(kernel, None, 0).sum(axis=0)
    return positive * least + negative * greatest, positive * greatest + negative * least


def products(x: np.ndarray, kernel: np.ndarray, groups: int = 1) -> np.ndarray:
    """Sums of products of rows `x` `(…, k)` and `kernel` `(k, channels)`: `(…, channels)`.

    With several `groups`, of as many channels each, a group's channels have rows of their own: `x` is
    `(groups, …, k)`.
    """
    if groups == 1:
        return x @ kernel
    k, channels = kernel.shape
    by_group = kernel.reshape(k, groups, -1).transpose(1, 0, 2)
    sums = x.reshape(groups, -1, k) @ by_group
    return sums.transpose(1, 0, 2).reshape(*x.shape[1:-1], channels)


def run_mac(node: QNode, x: np.ndarray, groups: int = 1) -> np.ndarray:
    """Rows of input integers, as `products` takes them, to output integers `(…, channels)`.

    The product runs in floating point, where it is fast, and is exact: the type is one that holds every sum.
    """
    kernel = node.arrays["kernel"]
    low, high = sum_range(kernel, node.i.minimum, node.i.maximum)
    exact = np.float32 if max(-low, high) < 2**24 else np.float64
    acc = products(x.astype(exact, copy=False), kernel.astype(exact), groups).astype(np.int64)
    return REQUANTIZED[node.rounding](node, acc)


def _half_up(node: QNode, acc: np.ndarray) -> np.ndarray:
    assert isinstance(node.o, Format)
    return requantize(acc, node.arrays["multiplier"], node.arrays["offset"], node.scalars["shift"], node.o)


def _tflite(node: QNode, acc: np.ndarray) -> np.ndarray:
    arrays, scalars = node.arrays, node.scalars
    offsets, limits = (arrays["offset"], arrays["offset_below"]), (scalars["low"], scalars["high"])
    return requantize_bent(acc, arrays["multiplier"], offsets, arrays["bend"], scalars["shift"], limits)


REQUANTIZED = {"half_up": _half_up, "tflite": _tflite}
"""For each rounding law, what takes a layer's sums of products to its integers."""


def float_mac(weights: Weights, x: np.ndarray, groups: int = 1, *, relu: bool) -> np.ndarray:
    """Rows of real inputs, as `products` takes them, to real outputs `(…, channels)`."""
    kernel = weights["kernel"]
    y = products(x, kernel.reshape(-1, kernel.shape[-1]), groups) + weights["bias"]
    return np.maximum(y, 0) if relu else y


def traced_mac(ops: Any, products: Any, weights: Mapping[str, Any], *, relu: bool) -> Any:
    """What follows the sums of products `(…, channels)`, for training; `ops` is `keras.ops`."""
    y = products + weights["bias"]
    return ops.relu(y) if relu else y
