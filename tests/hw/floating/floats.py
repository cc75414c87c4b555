"""Pairs of floats that are awkward, as ordered codes; and what an independent oracle makes of them."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np

from dnn2fpga.quant.floating import FloatFormat

FORMATS = [FloatFormat(name) for name in ("float32", "bfloat16", "float16")]
TYPES = {"float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float16": np.float16}
BITS = {"float32": np.uint32, "bfloat16": np.uint16, "float16": np.uint16}


def edges(fmt: FloatFormat) -> np.ndarray:
    """Zeros, subnormals, the least and greatest normals, powers of two and their neighbors, infinities, NaNs."""
    one = ((1 << (fmt.exponent_bits - 1)) - 1) << fmt.fraction_bits
    least = 1 << fmt.fraction_bits
    marks = [0, 1, 2, 3, least >> 1, least, 2 * least, one - least, one, one + least, fmt.infinity, fmt.nan]
    marks += [one + (n << fmt.fraction_bits) for n in (fmt.fraction_bits, fmt.fraction_bits + 1, -fmt.fraction_bits)]
    near = {mark + step for mark in marks for step in (-1, 0, 1)} | {fmt.maximum}
    positive = np.array(sorted(code for code in near if 0 <= code <= fmt.maximum))
    return np.concatenate([positive, -positive - 1])


def pairs(fmt: FloatFormat, count: int, seed: int = 1) -> np.ndarray:
    """At least `count` pairs `(n, 2)`: all pairs of `edges`, then random ones of many sorts."""
    rng = np.random.default_rng(seed)
    every = np.array(list(itertools.product(edges(fmt), repeat=2)))
    n = -(-max(count - len(every), 0) // 6)
    low, high = fmt.minimum, fmt.maximum + 1
    any_pair = rng.integers(low, high, (n, 2))
    # Magnitudes near one another: equal exponents, near cancellation, ties.
    a = rng.integers(low, high, n)
    near = np.clip(a + rng.integers(-4, 5, n), low, high - 1)
    opposite = np.clip(~a + rng.integers(-(1 << fmt.fraction_bits), 1 << fmt.fraction_bits, n), low, high - 1)
    # Few ones in the fraction, exponents within its width: sums and products that are ties.
    exponents = rng.integers(1, (1 << fmt.exponent_bits) - 1, n)
    apart = np.clip(exponents + rng.integers(-fmt.fraction_bits - 3, fmt.fraction_bits + 4, n), 0, exponents.max())
    sparse = [
        (exponent << fmt.fraction_bits) | (1 << rng.integers(0, fmt.fraction_bits, n)) | rng.integers(0, 4, n)
        for exponent in (exponents, apart)
    ]
    signs = rng.random((n, 2)) < 0.5
    sparse_pair = np.stack(sparse, axis=1)
    # Exponents whose sum is about that of the least normals, or of the greatest: products that are subnormal.
    bias = (1 << (fmt.exponent_bits - 1)) - 1
    total = bias + rng.choice([0, 2 * bias], n) + rng.integers(-fmt.fraction_bits - 3, 4, n)
    first = rng.integers(0, 2 * bias + 1, n)
    both = np.stack([first, np.clip(total - first, 0, 2 * bias)], axis=1)
    edge_products = (both << fmt.fraction_bits) | rng.integers(0, 1 << fmt.fraction_bits, (n, 2))
    tiny = rng.integers(0, 2 << fmt.fraction_bits, (n, 2))
    return np.concatenate(
        [
            every, any_pair, np.stack([a, near], 1), np.stack([a, opposite], 1),
            np.where(signs, ~sparse_pair, sparse_pair), np.where(signs, ~edge_products, edge_products),
            np.where(signs, ~tiny, tiny),
        ]
    )  # fmt: skip


def typed(codes: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """Codes as the oracle's own floats, straight from the bits."""
    sign = 1 << (fmt.exponent_bits + fmt.fraction_bits)
    bits = np.where(codes < 0, ~codes | sign, codes)
    return bits.astype(BITS[fmt.name]).view(TYPES[fmt.name])


def coded(values: np.ndarray, fmt: FloatFormat) -> np.ndarray:
    """The oracle's floats as codes, every NaN as the canonical one."""
    sign = 1 << (fmt.exponent_bits + fmt.fraction_bits)
    bits = np.ascontiguousarray(values).view(BITS[fmt.name]).astype(np.int64)
    codes = np.where(bits & sign, ~(bits & (sign - 1)), bits)
    return np.where(np.isnan(values.astype(np.float32)), fmt.nan, codes)
