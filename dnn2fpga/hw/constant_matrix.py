"""A vector times a constant matrix, a vector a clock: a graph of adders with a register behind every one."""

from amaranth import C, Cat, Module, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .adder_graph import AdderGraph, Addition
from .resources import Resources, adder


class ConstantMatrix(wiring.Component):
    """`sums = x @ graph.kernel`, a pure pipeline: `sums` follows `x` by `latency` cycles, `graph.depth` at least.

    `total` is a shape that holds every sum.
    """

    def __init__(self, graph: AdderGraph, total: Shape, latency: int) -> None:
        self.graph, self.latency = graph, latency
        k, channels = graph.kernel.shape
        super().__init__({"x": In(data.ArrayLayout(graph.x, k)), "sums": Out(data.ArrayLayout(total, channels))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        graph = self.graph
        k = len(graph.kernel)
        at_level: list[list[Value]] = []  # of each value, what it is at its level and at each later one
        for index, (shape, level, last) in enumerate(zip(graph.shapes, graph.levels, graph.needed_until, strict=True)):
            if index < k:
                value: Value = self.x[index]
            else:
                value = Signal(shape, name=f"sum{index}", reset_less=True)
                m.d.sync += value.eq(_added(graph.additions[index - k], at_level, level - 1, graph.levels))
            kept = [value]
            for later in range(level + 1, last + 1):
                waiting = Signal(shape, name=f"sum{index}_{later}", reset_less=True)
                m.d.sync += waiting.eq(kept[-1])
                kept.append(waiting)
            at_level.append(kept)
        for channel, output in enumerate(graph.outputs):
            if output.value is None:
                continue
            total = at_level[output.value][-1] << output.shift
            for late in range(graph.depth, self.latency):
                waiting = Signal(self.sums[channel].shape(), name=f"late{channel}_{late}", reset_less=True)
                m.d.sync += waiting.eq(total)
                total = waiting
            m.d.comb += self.sums[channel].eq(total)
        return m


def _added(add: Addition, at_level: list[list[Value]], level: int, levels: list[int]) -> Value:
    """The sum of two values as they are at `level`: bits below a shift pass by the adder."""
    left, right = (at_level[source][level - levels[source]] for source in (add.left, add.right))
    if add.left_shift and not add.minus:
        (left, right), shift = (right, left), add.left_shift
    elif add.left_shift:
        return (left << add.left_shift) - right
    else:
        shift = add.right_shift
    # Amaranth's `>>` keeps the sign.
    high = (left >> shift) - right if add.minus else (left >> shift) + right
    signed = high.shape().signed
    both = Cat(left[:shift] if shift <= len(left) else _extended(left, shift), high)
    return both.as_signed() if signed else both


def _extended(value: Value, width: int) -> Value:
    """The bits of a value in a greater width."""
    above = width - len(value)
    return Cat(value, value[-1].replicate(above) if value.shape().signed else C(0, above))


def resources(graph: AdderGraph) -> Resources:
    """What it takes: adders of the bits that are added, and registers of all that waits."""
    return Resources(luts=sum(adder(width).luts for width in graph.adder_widths), ffs=graph.registers)
