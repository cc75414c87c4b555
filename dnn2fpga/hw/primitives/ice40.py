"""The multiplier block of iCE40 UltraPlus, `SB_MAC16`, with all of its registers in use but those of addends."""

from amaranth import Cat, ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape

WIDTH = 16  # bits an operand, signed or unsigned
HALF = 8  # the same of each of the two multipliers that a block may be instead


class Mac16(wiring.Component):
    """`a * b` for operands of up to 16 bits, in one block.

    Latency 4 cycles: operands, the four 8 × 8 partial products, their sum and the output are registered in the block.
    """

    latency = 4

    def __init__(self, a: Shape, b: Shape) -> None:
        super().__init__({"a": In(a), "b": In(b), "p": Out(product_shape(a, b))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        a = Signal(Shape(WIDTH, self.a.shape().signed))
        b = Signal(Shape(WIDTH, self.b.shape().signed))
        p = Signal(2 * WIDTH)
        m.d.comb += [a.eq(self.a), b.eq(self.b), self.p.eq(p)]
        m.submodules.block = _block(a, b, p, halves=False)
        return m


class Mac8(wiring.Component):
    """`x * w0` and `x * w1` for operands of up to 8 bits, both in one block.

    Latency 3 cycles: operands, products and the output are registered in the block.
    """

    latency = 3

    def __init__(self, x: Shape, w: Shape) -> None:
        product = product_shape(x, w)
        super().__init__({"x": In(x), "w0": In(w), "w1": In(w), "p0": Out(product), "p1": Out(product)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        x = Signal(Shape(HALF, self.x.shape().signed))
        weights = [Signal(Shape(HALF, self.w0.shape().signed), name=f"half{at}") for at in range(2)]
        p = Signal(2 * WIDTH)
        m.d.comb += [x.eq(self.x), weights[0].eq(self.w0), weights[1].eq(self.w1)]
        a = Signal(Shape(WIDTH, x.shape().signed))
        b = Signal(Shape(WIDTH, self.w0.shape().signed))
        m.d.comb += [a.eq(Cat(x, x)), b.eq(Cat(*weights))]
        m.submodules.block = _block(a, b, p, halves=True)
        m.d.comb += [self.p0.eq(p[:WIDTH]), self.p1.eq(p[WIDTH:])]
        return m


def _block(a: Signal, b: Signal, p: Signal, *, halves: bool) -> Instance:
    """The block: the 16 × 16 product, or the products of both 8-bit halves."""
    # The output has a register behind the adder alone: to the product (1: of 8 × 8, 2: of 16 × 16) C or D is added, 0.
    product, addend, registered = (1 if halves else 2), 1, 1
    return Instance(
        "SB_MAC16",
        p_A_SIGNED=Const(a.shape().signed, 1),
        p_B_SIGNED=Const(b.shape().signed, 1),
        p_A_REG=Const(1, 1),
        p_B_REG=Const(1, 1),
        p_TOP_8x8_MULT_REG=Const(1, 1),
        p_BOT_8x8_MULT_REG=Const(1, 1),
        p_PIPELINE_16x16_MULT_REG1=Const(not halves, 1),
        p_PIPELINE_16x16_MULT_REG2=Const(not halves, 1),
        p_MODE_8x8=Const(halves, 1),
        p_TOPADDSUB_LOWERINPUT=Const(product, 2),
        p_BOTADDSUB_LOWERINPUT=Const(product, 2),
        p_TOPADDSUB_UPPERINPUT=Const(addend, 1),
        p_BOTADDSUB_UPPERINPUT=Const(addend, 1),
        p_TOPOUTPUT_SELECT=Const(registered, 2),
        p_BOTOUTPUT_SELECT=Const(registered, 2),
        i_CLK=ClockSignal(),
        i_CE=Const(1),
        i_A=a,
        i_B=b,
        i_C=Const(0, 16),
        i_D=Const(0, 16),
        **{f"i_{pin}": Const(0) for pin in IDLE_PINS},
        o_O=p,
    )


# Holds, resets and the accumulator's controls, all at rest.
IDLE_PINS = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "OHOLDTOP", "OHOLDBOT"),
    *("IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT"),
    *("OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "CI"),
)
