"""The MAC array: terms of inputs and weights, and the trees that add them up; a pure pipeline, one step a clock."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from amaranth import Cat, Module, Shape, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from . import popcount
from .popcount import Popcount
from .primitives.fabric import DIGIT
from .primitives.multiplier import Multiplier
from .resources import Device, Resources, adder, register


class AdderTree(wiring.Component):
    """The sum of `n` values, a register behind every addition.

    `total` is a shape that holds every partial sum, in any order; no adder is made wider. Latency `⌈log2 n⌉`.
    """

    def __init__(self, shape: Shape, n: int, total: Shape) -> None:
        self.latency = levels(n)
        self.widths = node_widths(shape.width, n, total.width)
        self.total = total
        super().__init__({"x": In(data.ArrayLayout(shape, n)), "sum": Out(total)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        values = list(self.x)
        for level, width in enumerate(self.widths):
            pairs = [values[at : at + 2] for at in range(0, len(values), 2)]
            values = []
            for at, pair in enumerate(pairs):
                node = Signal(Shape(width, self.total.signed), name=f"level{level}_{at}", reset_less=True)
                m.d.sync += node.eq(sum(pair[1:], pair[0]))
                values.append(node)
        m.d.comb += self.sum.eq(values[0])
        return m


class Products(ABC):
    """What a MAC array adds up, so that it comes to `inputs @ kernel`; how, depends on the values of both.

    A *term* stands for the product of an input and a weight. The sum of terms differs from that of products by
    `correction` `(channels,)`, constant, which whoever takes the sums adds to them. Properties: `x`, shape of an
    input; `weight`, shape of a weight as it is stored; `stored` `(k, channels)`, the kernel as it is stored, in which
    an appended 0 adds nothing where the input is 0; `term`, shape of a term; `total`, a shape that holds every sum
    of terms; `multipliers`, how many there are in a term; `latency`, cycles from an input to its term; `together`,
    how many terms of one input are made at once, 2 if two share a multiplier.
    """

    multipliers = 0
    together = 1
    latency = 1
    correction: np.ndarray | int = 0
    x: Shape
    weight: Shape
    stored: np.ndarray
    term: Shape
    total: Shape

    @abstractmethod
    def build_terms(self, m: Module, name: str, x: Value, weights: Sequence[Value], *, dsp: bool) -> list[Value]:
        """The logic of the terms of one input and `together` weights, registers and all, added to `m`."""

    @abstractmethod
    def term_resources(self, device: Device, *, dsp: bool) -> Resources:
        """What the logic of `together` terms takes."""

    def units(self, outputs: int, inputs: int) -> int:
        """What makes terms, `together` each, in an array."""
        return outputs * inputs // self.together

    def build_tree(self, inputs: int) -> "AdderTree | Popcount":
        """The component that adds up the terms of `inputs` values."""
        return Popcount(inputs) if self.term == unsigned(1) else AdderTree(self.term, inputs, self.total)

    def sum_latency(self, inputs: int) -> int:
        """Cycles from `inputs` values to their sum."""
        return self.latency + (popcount.latency_of(inputs) if self.term == unsigned(1) else levels(inputs))

    def resources(self, device: Device, *, outputs: int, inputs: int, soft: int) -> Resources:
        """What an array takes; `soft` of its units are made of LUTs."""
        taken = self.term_resources(device, dsp=False) * soft
        taken += self.term_resources(device, dsp=True) * (self.units(outputs, inputs) - soft)
        if self.term == unsigned(1):
            return taken + popcount.resources(inputs) * outputs
        return taken + tree_resources(self.term.width, inputs, self.total.width) * outputs

    def constant_resources(self, device: Device, *, outputs: int, inputs: int, soft: int, blocks: int) -> Resources:
        """What an array takes whose weights never change: less, where synthesis can make something of that.

        Only the outputs of one block have inputs in common.
        """
        return self.resources(device, outputs=outputs, inputs=inputs, soft=soft)


class MacArray(wiring.Component):
    """`outputs × inputs` terms of `products`: each output lane sums its own weights' with the inputs of its block.

    There are `blocks` of `inputs` values in `x`, and as many output lanes for each, the first block's first. `w` holds
    the stored weights of output lane 0 first. `sums` follows `x` and `w` by `latency` cycles. `soft` of the
    units, if they have multipliers, are made of LUTs; the others are hard where the chip has such. Terms made together
    are those of neighboring output lanes.
    """

    def __init__(self, products: Products, *, outputs: int, inputs: int, soft: int = 0, blocks: int = 1) -> None:
        if blocks < 1 or outputs % blocks:
            raise ValueError(f"blocks must divide {outputs} outputs, not be {blocks!r}")
        if outputs // blocks % products.together:
            raise ValueError(f"{outputs // blocks} outputs of an input cannot be made {products.together} at a time")
        self.products, self.outputs, self.inputs, self.soft, self.blocks = products, outputs, inputs, soft, blocks
        self.latency = products.sum_latency(inputs)
        super().__init__(
            {
                "x": In(data.ArrayLayout(products.x, blocks * inputs)),
                "w": In(data.ArrayLayout(products.weight, outputs * inputs)),
                "sums": Out(data.ArrayLayout(products.total, outputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        together = self.products.together
        for unit in range(self.outputs // together):
            lanes = range(unit * together, (unit + 1) * together)
            first = lanes[0] // (self.outputs // self.blocks) * self.inputs
            terms = []
            for at in range(self.inputs):
                index, weights = unit * self.inputs + at, [self.w[lane * self.inputs + at] for lane in lanes]
                x, dsp = self.x[first + at], index >= self.soft
                terms.append(self.products.build_terms(m, f"term{index}", x, weights, dsp=dsp))
            for lane, own in zip(lanes, zip(*terms, strict=True), strict=True):
                m.submodules[f"tree{lane}"] = tree = self.products.build_tree(self.inputs)
                # All at once: a wide wire driven piece by piece wakes all its readers as often, in Icarus Verilog.
                m.d.comb += [tree.x.as_value().eq(Cat(*own)), self.sums[lane].eq(tree.sum)]
        return m


def levels(n: int) -> int:
    """Levels of a tree of `n` leaves."""
    return (n - 1).bit_length()


def node_widths(width: int, n: int, total: int) -> list[int]:
    """The width of the sums on each level: a bit more than the level before, and never more than the total's."""
    return [min(width + level + 1, total) for level in range(levels(n))]


def multiplier_resources(a: Shape, b: Shape, device: Device, *, dsp: bool) -> Resources:
    """What one multiplier takes: hard blocks; or a LUT for each pair of bits, and the adders of `FabricProduct`."""
    width = a.width + b.width
    if not (dsp and device.budget.dsps):
        split, whole = sorted((a.width, b.width))
        digits = -(-split // DIGIT)
        adders = adder(whole + 2).luts * (split - digits) + adder(width).luts * (digits - 1)
        return Resources(luts=split * whole + adders, ffs=width * (3 + digits))
    blocks = Multiplier.blocks(a, b, device.family)
    behind = 0 if device.family == "ice40" else width  # iCE40's block has the register that ECP5's has behind it
    return Resources(dsps=blocks, ffs=behind * blocks) + (adder(width) if blocks > 1 else Resources())


def tree_resources(width: int, n: int, total: int) -> Resources:
    """What one adder tree takes."""
    return sum(level_resources(width, n, total), Resources())


def level_resources(width: int, n: int, total: int) -> Iterator[Resources]:
    """What each level of one adder tree takes."""
    for node in node_widths(width, n, total):
        yield adder(node) * (n // 2) + register(node) * (n % 2)
        n = -(-n // 2)
