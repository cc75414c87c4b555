"""Random weights that all generators are given alike."""

import numpy as np


def weights(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Gaussian integers, cut at three standard deviations: dense, and unkind to adder graphs."""
    return np.round(np.clip(rng.normal(size=shape), -3, 3) / 3 * (2 ** (bits - 1) - 1)).astype(np.int64)


def shift(bits: int, terms: int) -> int:
    """By how much a sum of `terms` products with such weights is shifted, so that most fit into 7 bits, unsigned."""
    return int(np.ceil(np.log2(2 ** (bits - 1) * np.sqrt(terms) / 3)))
