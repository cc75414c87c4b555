"""The array of multipliers and the trees that add up what they give: a pure pipeline, one step a clock."""

from amaranth import Cat, Module, Shape, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .fixed import product_shape
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


class MacArray(wiring.Component):
    """`outputs × inputs` multipliers: each output lane sums its own weights times the shared inputs.

    `w` holds the weights of output lane 0 first. `sums` follows `x` and `w` by `latency` cycles. `total` is a
    shape that holds every partial sum. `soft` of the multipliers are made of LUTs; the others are hard where the
    chip has such.
    """

    def __init__(self, x: Shape, w: Shape, total: Shape, *, outputs: int, inputs: int, soft: int = 0) -> None:
        self.outputs, self.inputs, self.total, self.soft = outputs, inputs, total, soft
        self.latency = latency(x, w, inputs)
        super().__init__(
            {
                "x": In(data.ArrayLayout(x, inputs)),
                "w": In(data.ArrayLayout(w, outputs * inputs)),
                "sums": Out(data.ArrayLayout(total, outputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        x, w = (port.shape().elem_shape for port in (self.x, self.w))
        for output in range(self.outputs):
            products = []
            for at in range(self.inputs):
                index = output * self.inputs + at
                m.submodules[f"multiplier{index}"] = multiplier = Multiplier(x, w, dsp=index >= self.soft)
                m.d.comb += [multiplier.a.eq(self.x[at]), multiplier.b.eq(self.w[index])]
                products.append(multiplier.p)
            m.submodules[f"tree{output}"] = tree = AdderTree(product_shape(x, w), self.inputs, self.total)
            # All at once: a wide wire driven piece by piece wakes all its readers as often, in Icarus Verilog.
            m.d.comb += [tree.x.as_value().eq(Cat(*products)), self.sums[output].eq(tree.sum)]
        return m


def levels(n: int) -> int:
    """Levels of a tree of `n` leaves."""
    return (n - 1).bit_length()


def node_widths(width: int, n: int, total: int) -> list[int]:
    """The width of the sums on each level: a bit more than the level before, and never more than the total's."""
    return [min(width + level + 1, total) for level in range(levels(n))]


def latency(x: Shape, w: Shape, inputs: int) -> int:
    """Cycles from a step to its sums."""
    return Multiplier.latency_of(x, w) + levels(inputs)


def multiplier_resources(a: Shape, b: Shape, device: Device, *, dsp: bool) -> Resources:
    """What one multiplier takes: hard blocks, or about a LUT for each pair of bits."""
    width = a.width + b.width
    if not (dsp and device.budget.dsps):
        return Resources(luts=a.width * b.width + width, ffs=2 * width + width * -(-min(a.width, b.width) // 4))
    blocks = Multiplier.blocks(a, b, device.family)
    return Resources(dsps=blocks) + (adder(width) if blocks > 1 else Resources())


def tree_resources(width: int, n: int, total: int) -> Resources:
    """What one adder tree takes."""
    taken = Resources()
    for node in node_widths(width, n, total):
        taken += adder(node) * (n // 2) + register(node) * (n % 2)
        n = -(-n // 2)
    return taken


def resources(x: Shape, w: Shape, total: Shape, device: Device, *, outputs: int, inputs: int, soft: int) -> Resources:
    """What the array takes."""
    taken = multiplier_resources(x, w, device, dsp=False) * soft
    taken += multiplier_resources(x, w, device, dsp=True) * (outputs * inputs - soft)
    return taken + tree_resources(x.width + w.width, inputs, total.width) * outputs
