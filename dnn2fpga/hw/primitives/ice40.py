"""The multiplier block of iCE40 UltraPlus, `SB_MAC16`, with all of its multiplier registers in use."""

from amaranth import Cat, ClockSignal, Const, Instance, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape

WIDTH = 16  # bits an operand, signed or unsigned
HALF = 8  # the same of each of the two multipliers that a block may be instead


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
        m.submodules.block = _block(a, b, p, halves=False)
        return m


class Mac8(wiring.Component):
    """`x * w0` and `x * w1` for operands of up to 8 bits, both in one block.

    Latency 3 cycles: operands and products are registered in the block, and the products once more behind it.
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
        later = Signal.like(p, name="later", reset_less=True)
        m.d.sync += later.eq(p)
        m.d.comb += [self.p0.eq(later[:WIDTH]), self.p1.eq(later[WIDTH:])]
        return m


def _block(a: Signal, b: Signal, p: Signal, *, halves: bool) -> Instance:
    """The block: the 16 × 16 product, or the products of both 8-bit halves."""
    select = 2 if halves else 3  # 2: what the 8 × 8 multipliers' registers hold, 3: what the last one does
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
        p_TOPOUTPUT_SELECT=Const(select, 2),
        p_BOTOUTPUT_SELECT=Const(select, 2),
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
