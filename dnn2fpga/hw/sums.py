"""What a layer of sums of products computes, whichever way its hardware does."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth import Shape

from ..quant.graph import QNode
from .bent import constants_of
from .fixed import shape_of
from .mac import Products
from .products import Paired, fit_in_pairs, products_of
from .requantize import Bent, Rescale
from .resources import Device


@dataclass(frozen=True, eq=False)
class Sums:
    """What a layer computes: `kernel` (k, channels) of integers, then `offset`, `multiplier` and `shift`.

    `i` and `o` are the shapes of its inputs and outputs, `weight` that of the kernel's integers. Word by word, the
    output is `clamp(round_half_up(((x @ kernel) · multiplier + offset) · 2^-shift))`, clamped as `Rescale` says. The
    inputs come in `blocks` of k, each of which as many channels see, the first block's first. A tensor has that many
    `positions`, one behind the other; constants are one a channel, or one a position and channel.
    """

    kernel: np.ndarray
    offset: np.ndarray
    multiplier: np.ndarray
    shift: int
    i: Shape
    weight: Shape
    o: Shape
    blocks: int = 1
    positions: int = 1
    limits: tuple[int, int] | None = None
    bent: Bent | None = None

    @staticmethod
    def of(node: QNode, blocks: int = 1) -> "Sums":
        """Those of an integer layer."""
        law = constants_of(node)
        return Sums(
            node.arrays["kernel"], law.offset, law.multiplier, law.shift,
            shape_of(node.i), Shape(node.scalars["weight_bits"], True), shape_of(node.o),
            blocks, math.prod(node.output_shape[:-1]), law.limits, law.bent,
        )  # fmt: skip

    @cached_property
    def products(self) -> Products:
        """How inputs and weights come to sums."""
        return products_of(self.kernel, self.i, self.weight)

    def pairs(self, device: Device) -> Products | None:
        """The same, two in a multiplier of `device`; None where none holds two."""
        return self._pairs if fit_in_pairs(self.products, device) else None

    @cached_property
    def _pairs(self) -> Products:
        return Paired(self.kernel, self.i, self.weight)

    @cached_property
    def rescale(self) -> Rescale:
        """What follows the sum of terms."""
        return self.rescale_of(self.products.total, self.products.correction)

    def rescale_of(self, total: Shape, correction: np.ndarray | int = 0) -> Rescale:
        """What follows sums of shape `total` that lack `correction`, a constant: it is one more offset."""
        correction = np.resize(correction, self.offset.shape)
        offset = self.offset + correction * self.multiplier
        bent = self.bent and Bent(self.bent.offset + correction * self.multiplier, self.bent.bend - correction)
        return Rescale(offset, self.multiplier, self.shift, total, self.o, self.limits, bent)

    @cached_property
    def weightless(self) -> bool:
        """Whether all weights are stored as 0, as those that are all 1 may be: then nothing need be dealt."""
        return not self.products.stored.any()
