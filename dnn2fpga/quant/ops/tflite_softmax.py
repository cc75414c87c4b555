"""The softmax of TensorFlow Lite on int8, in its own fixed-point arithmetic.

`Softmax` of tensorflow/lite/kernels/internal/reference/softmax.h, with what it takes of gemmlowp
(fixedpoint/fixedpoint.h). An integer of 32 bits with n integer bits stands for itself times 2^(n - 31).
"""

from __future__ import annotations

import numpy as np

from ..fixed import multiply_tflite

DIFF_BITS = 5
"""Integer bits of the differences whose exponential is taken: below -16 it is nothing."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials."""
ONE = (1 << 31) - 1

EXP_EIGHTH, THIRD = 1895147668, 715827883
"""exp(-1/8) and 1/3, no integer bits."""
EXPONENTIALS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
"""exp(-2^n) for each n, no integer bits."""
FIRST_GUESS = (1515870810, -1010580540)
"""48/17 and -32/17, two integer bits: the line with which Newton's method for a reciprocal starts."""


def softmax(logits: np.ndarray, multiplier: int, shift: int, least: int) -> np.ndarray:
    """Probabilities in int8, scale 1/256 and zero point -128, of logits `(…, classes)`.

    `multiplier` and `shift` take a difference of logits to `DIFF_BITS`; below `least` it counts for nothing.
    """
    difference = logits - logits.max(axis=-1, keepdims=True)
    counts = difference >= least
    scaled = multiply_tflite(np.where(counts, difference, 0), np.int64(multiplier), np.int64(shift))
    exponential = np.where(counts, _exp(scaled), 0)
    total = _divided(exponential, SUM_BITS).sum(axis=-1, keepdims=True)
    above = np.frexp(total.astype(np.float64))[1] - (31 - SUM_BITS)  # bits of the sum above 1
    reciprocal = _reciprocal((total << (31 - (above + 31 - SUM_BITS) + 1)) - (1 << 31))
    result = _divided(_product(reciprocal, exponential), above + 31 - 8) - 128
    return np.where(counts, np.clip(result, -128, 127), -128)


def _exp(x: np.ndarray) -> np.ndarray:
    """exp of x ≤ 0, `DIFF_BITS` integer bits; the result has none. A quarter at most by a polynomial, then by powers."""
    quarter = 1 << (31 - DIFF_BITS - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _exp_of_quarter(rest << DIFF_BITS)
    for power, factor in EXPONENTIALS:
        bit = 1 << (31 - DIFF_BITS + power)
        result = np.where((rest - x) & bit, _product(result, factor), result)
    return np.where(x == 0, ONE, result)


def _exp_of_quarter(x: np.ndarray) -> np.ndarray:
    """exp of x from -1/4 to 0, by its Taylor series around -1/8; no integer bits."""
    x = x + (1 << 28)
    square = _product(x, x)
    cube, fourth = _product(square, x), _product(square, square)
    tail = _divided(_product(_divided(fourth, 2) + cube, THIRD) + square, 1)
    return EXP_EIGHTH + _product(np.int64(EXP_EIGHTH), x + tail)


def _reciprocal(x: np.ndarray) -> np.ndarray:
    """1 / (1 + x) for x from 0 to 1, no integer bits, by three steps of Newton's method on half the denominator."""
    half = (x + ONE + 1) >> 1
    guess = FIRST_GUESS[0] + _product(half, FIRST_GUESS[1])
    for _ in range(3):
        lacking = (1 << 29) - _product(half, guess)
        guess = guess + _saturated(_product(guess, lacking) << 2)
    return _saturated(guess << 1)


def _product(x: np.ndarray, y: np.ndarray | int) -> np.ndarray:
    """`SaturatingRoundingDoublingHighMul`: half of the product's upper 32 bits twice over, rounded half up."""
    return (x * y + (1 << 30)) >> 31


def _divided(x: np.ndarray, exponent: np.ndarray | int) -> np.ndarray:
    """`RoundingDivideByPOT`: `x / 2^exponent`, ties away from 0."""
    half = np.int64(1) << np.asarray(exponent, np.int64) >> 1
    return (x + half - ((x < 0) & (half > 0))) >> exponent


def _saturated(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -ONE - 1, ONE)
