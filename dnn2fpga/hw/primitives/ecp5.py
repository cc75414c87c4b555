"""ECP5's multiplier block, `MULT18X18D`, with all of its registers in use."""

from amaranth import ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape

WIDTH = 18  # bits an operand, signed or unsigned


class Mult18x18(wiring.Component):
    """`a * b` for operands of up to 18 bits, in one block.

    Latency 3 cycles: the block's input, pipeline and output registers. The block that Yosys infers from `*`
    has none of them in use, and less than half the clock.
    """

    latency = 3

    def __init__(self, a: Shape, b: Shape) -> None:
        super().__init__({"a": In(a), "b": In(b), "p": Out(product_shape(a, b))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        a = Signal(Shape(WIDTH, self.a.shape().signed))
        b = Signal(Shape(WIDTH, self.b.shape().signed))
        p = Signal(2 * WIDTH)
        m.d.comb += [a.eq(self.a), b.eq(self.b), self.p.eq(p)]
        registers = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
        m.submodules.block = Instance(
            "MULT18X18D",
            **{f"p_REG_{register}_CLK": "CLK0" for register in registers},
            **{f"p_REG_{register}_CE": "CE0" for register in registers},
            **{f"p_REG_{register}_RST": "RST0" for register in registers},
            i_CLK0=ClockSignal(),
            i_CE0=Const(1),
            i_RST0=Const(0),
            i_SIGNEDA=Const(a.shape().signed),
            i_SIGNEDB=Const(b.shape().signed),
            i_SOURCEA=Const(0),  # operands from the pins, not from the neighbor's shift chain
            i_SOURCEB=Const(0),
            **{f"i_A{bit}": a[bit] for bit in range(WIDTH)},
            **{f"i_B{bit}": b[bit] for bit in range(WIDTH)},
            **{f"o_P{bit}": p[bit] for bit in range(2 * WIDTH)},
        )
        return m
