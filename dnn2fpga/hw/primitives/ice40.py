"""The multiplier block of iCE40 UltraPlus, `SB_MAC16`, with all of its multiplier registers in use."""

from amaranth import ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape

WIDTH = 16  # bits an operand, signed or unsigned


class Mac16(wiring.Component):
    """`a * b` for operands of up to 16 bits, in one block.

    Latency 3 cycles: operands, the four 8 × 8 partial products, and their sum are registered in the block.
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
        m.submodules.block = Instance(
            "SB_MAC16",
            p_A_SIGNED=Const(a.shape().signed, 1),
            p_B_SIGNED=Const(b.shape().signed, 1),
            p_A_REG=Const(1, 1),
            p_B_REG=Const(1, 1),
            p_TOP_8x8_MULT_REG=Const(1, 1),
            p_BOT_8x8_MULT_REG=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG1=Const(1, 1),
            p_PIPELINE_16x16_MULT_REG2=Const(1, 1),
            p_TOPOUTPUT_SELECT=Const(3, 2),  # 3: the registered 16 × 16 product
            p_BOTOUTPUT_SELECT=Const(3, 2),
            i_CLK=ClockSignal(),
            i_CE=Const(1),
            i_A=a,
            i_B=b,
            i_C=Const(0, 16),
            i_D=Const(0, 16),
            **{f"i_{pin}": Const(0) for pin in IDLE_PINS},
            o_O=p,
        )
        return m


# Holds, resets and the accumulator's controls, all at rest.
IDLE_PINS = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "OHOLDTOP", "OHOLDBOT"),
    *("IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT"),
    *("OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "CI"),
)
