"""The ways to make a term of an input and a weight, and the only place that chooses among them.

With few values on either side no multiplier is needed: a weight that is -1, 0 or +1 only selects (BinaryConnect,
Courbariaux et al., 2015; ternary weight networks, Li et al., 2016), and so does an input that is one bit.
"""

from collections.abc import Sequence

import numpy as np
from amaranth import Module, Shape, Signal, Value, signed, unsigned

from ..quant.ops.mac import sum_range
from . import popcount
from .fixed import maximum, minimum, product_shape, shape_for
from .mac import Products, level_resources, multiplier_resources
from .primitives.multiplier import Multiplier
from .primitives.pair import Pair
from .resources import Device, Resources, adder, register

SIGN = signed(1)
"""Inputs of this shape are -1 or 0: minus a bit. Their sums are those of the bit with the kernel negated."""


def products_of(kernel: np.ndarray, x: Shape, weight: Shape) -> Products:
    """The cheapest way to make the terms of `kernel` `(k, channels)`, of integers of shape `weight`, and inputs `x`."""
    if np.abs(kernel).max() <= 1:
        return Selected(kernel, x)
    if x.width == 1:
        return Gated(kernel, x)
    return Multiplied(kernel, x, weight)


def fit_in_pairs(products: Products, device: Device) -> bool:
    """Whether `products` need multipliers, and one of `device` holds two of them."""
    fits = Pair.fits(products.x, products.weight, device.family)
    return bool(products.multipliers and device.budget.dsps and fits)


class Multiplied(Products):
    """Terms that are the products themselves."""

    multipliers = 1

    def __init__(self, kernel: np.ndarray, x: Shape, weight: Shape) -> None:
        self.stored, self.x, self.weight = kernel, x, weight
        self.term = product_shape(x, weight)
        self.latency = Multiplier.latency_of(x, weight)
        low, high = sum_range(kernel, minimum(x), maximum(x))
        self.total = shape_for(min(low, -1), high)

    def build_terms(self, m: Module, name: str, x: Value, weights: Sequence[Value], *, dsp: bool) -> list[Value]:
        """A multiplier."""
        m.submodules[name] = multiplier = Multiplier(self.x, self.weight, dsp=dsp)
        m.d.comb += [multiplier.a.eq(x), multiplier.b.eq(weights[0])]
        return [multiplier.p]

    def term_resources(self, device: Device, *, dsp: bool) -> Resources:
        """A multiplier."""
        return multiplier_resources(self.x, self.weight, device, dsp=dsp)


class Paired(Multiplied):
    """Products as well, two of an input from one multiplier, and a cycle later."""

    together = 2

    def __init__(self, kernel: np.ndarray, x: Shape, weight: Shape) -> None:
        super().__init__(kernel, x, weight)
        self.latency = Pair.latency

    def build_terms(self, m: Module, name: str, x: Value, weights: Sequence[Value], *, dsp: bool) -> list[Value]:
        """A pair."""
        m.submodules[name] = pair = Pair(self.x, self.weight, dsp=dsp)
        m.d.comb += [pair.x.eq(x), pair.w0.eq(weights[0]), pair.w1.eq(weights[1])]
        return [pair.p0, pair.p1]

    def term_resources(self, device: Device, *, dsp: bool) -> Resources:
        """One block and what cuts its product in two; or two multipliers."""
        width = self.term.width
        if not (dsp and device.budget.dsps and Pair.fits(self.x, self.weight, device.family)):
            return (multiplier_resources(self.x, self.weight, device, dsp=False) + register(width)) * 2
        # ECP5's one product is cut in two; of iCE40's two the block has no third register.
        upper = register(width) if device.family == "ice40" else adder(width)
        return Resources(dsps=1) + upper + register(width)


class Selected(Products):
    """Terms of weights that are -1, 0 and +1: the input, with its bits inverted for -1, 0 for 0, as it is for +1.

    Inverted bits stand for `least + greatest - x`, of all that the input's shape holds: for `-x - 1` if it is
    signed, for `2^n - 1 - x` if not. So a term of a negative weight is a constant more than the product, and no
    adder is needed. With one-bit inputs the terms are those of an XNOR-Net, and their sum is a popcount.

    A weight is stored as one bit, whether to invert; where some are 0, the bit below says which are not.
    """

    def __init__(self, kernel: np.ndarray, x: Shape) -> None:
        self.x = x
        self.term = unsigned(1) if x == SIGN else x
        least, greatest = minimum(self.term), maximum(self.term)
        invert = kernel > 0 if x == SIGN else kernel < 0
        self.density = np.count_nonzero(kernel) / kernel.size
        self.ternary = self.density < 1
        self.weight = unsigned(2 if self.ternary else 1)
        self.stored = 2 * invert + (kernel != 0) if self.ternary else invert.astype(np.int64)
        self.correction = -(least + greatest) * np.count_nonzero(invert, axis=0)
        most = max(1, int(np.count_nonzero(kernel, axis=0).max()))
        self.total = shape_for(most * least, most * greatest)

    def build_terms(self, m: Module, name: str, x: Value, weights: Sequence[Value], *, dsp: bool) -> list[Value]:
        """A LUT and a register a bit."""
        (w,), term = weights, Signal(self.term, name=name, reset_less=True)
        bits = x.as_unsigned() ^ w[-1].replicate(len(x))
        m.d.sync += term.eq(bits & w[0].replicate(len(x)) if self.ternary else bits)
        return [term]

    def term_resources(self, device: Device, *, dsp: bool) -> Resources:
        """A LUT and a register a bit."""
        return Resources(luts=self.term.width, ffs=self.term.width)

    def constant_resources(self, device: Device, *, outputs: int, inputs: int, soft: int, blocks: int) -> Resources:
        """Zeros are not there; output lanes share each input, inverted and not, and the four sums of two inputs."""
        own = outputs // blocks
        taken = register(self.term.width) * (inputs * min(own, 2) * blocks)
        if self.term == unsigned(1):
            return taken + popcount.resources(inputs) * outputs
        kept = round(inputs * self.density)
        first, *others = [*level_resources(self.term.width, kept, self.total.width), Resources()]
        return taken + first * (min(own, 4) * blocks) + sum(others, Resources()) * outputs


class Gated(Products):
    """Terms of inputs that are one bit: the weight or 0."""

    def __init__(self, kernel: np.ndarray, x: Shape) -> None:
        self.x = x
        self.stored = -kernel if x == SIGN else kernel
        self.term = self.weight = shape_for(min(int(self.stored.min()), -1), int(self.stored.max()))
        low, high = sum_range(self.stored, 0, 1)
        self.total = shape_for(min(low, -1), high)

    def build_terms(self, m: Module, name: str, x: Value, weights: Sequence[Value], *, dsp: bool) -> list[Value]:
        """A LUT and a register a bit."""
        (w,), term = weights, Signal(self.term, name=name, reset_less=True)
        m.d.sync += term.eq(w & x.as_unsigned().replicate(len(w)))
        return [term]

    def term_resources(self, device: Device, *, dsp: bool) -> Resources:
        """A LUT and a register a bit."""
        return Resources(luts=self.term.width, ffs=self.term.width)

    def constant_resources(self, device: Device, *, outputs: int, inputs: int, soft: int, blocks: int) -> Resources:
        """Output lanes share each input, and each bit of a sum of two is one of ten functions of these."""
        _, *others = [*level_resources(self.term.width, inputs, self.total.width), Resources()]
        pairs = Resources(luts=10, ffs=10) * (inputs // 2)
        return (register(inputs) + pairs) * blocks + sum(others, Resources()) * outputs
