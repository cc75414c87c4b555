"""The softmax of TensorFlow Lite on int8: a table of exponentials, in float32, on the host.

`Softmax` and `PopulateSoftmaxLookupTable` of tensorflow/lite/kernels/internal/optimized/optimized_ops.h, which its
reference kernel calls too. Its result is int8, with scale 1/256 and zero point -128.
"""

from __future__ import annotations

import math

import numpy as np


def softmax(logits: np.ndarray, scale: float) -> np.ndarray:
    """Probabilities in int8 of logits `(…, classes)` in steps of `scale`, each float32 operation rounded by itself."""
    step = np.float32(scale)
    table = np.array([math.exp(-float(step * np.float32(at))) for at in range(256)]).astype(np.float32)
    exponentials = table[logits.max(axis=-1, keepdims=True) - logits]
    total = np.zeros(logits.shape[:-1], np.float32)
    for at in range(logits.shape[-1]):  # in this order
        total = total + exponentials[..., at]
    inverse = np.float32(1) / (total * np.float32(1 / 256))
    product = (exponentials * inverse[..., np.newaxis]).astype(np.float64)
    return np.clip(np.floor(product + 0.5).astype(np.int64) - 128, -128, 127)
