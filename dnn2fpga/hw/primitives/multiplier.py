"""A pipelined exact multiplier, mapped to the DSP blocks of whatever device it is built for."""

from amaranth import Module, Shape, ShapeLike, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape
from . import ecp5, ice40
from .fabric import FabricProduct
from .family import family_of
from .generic import RegisteredProduct

NARROW = 16  # bits: what one block of any family takes
WIDEST = 4 * NARROW

# Of each family: the widest operand of a block, and the block.
BLOCKS = {"ecp5": (ecp5.WIDTH, ecp5.Mult18x18), "ice40": (ice40.WIDTH, ice40.Mac16)}


class Multiplier(wiring.Component):
    """`p = a * b`, exact, every clock; a pure pipeline without handshake in the domain `sync`.

    Parameters: `a`, `b` shapes of 1 to 64 bits, signed or not; `dsp` False keeps the product out of DSPs.
    Ports: `a`, `b` in; `p` out, as wide as both together, signed if either is.

    `latency` is 4 cycles, and one more for every 16 bits that an operand is wider than 16. It depends on nothing
    else, neither on the device nor on `dsp`, so that plans and simulations hold for every board. The last of them is
    on ECP5 that of a register behind the block, since blocks stand in a few rows, which may be far from where `p` is
    read.

    On ECP5 and iCE40 UltraPlus an operand too wide for a block is split, and the parts' products are added.
    Devices without blocks get LUTs. Without a platform (simulation, Verilog) it is a `*` between registers.
    Registers have no reset: `p` means nothing until `latency` cycles after the first operands.

    For `dsp=False` to hold, synthesis must not infer blocks either: `synth_ecp5 -nodsp`, and `synth_ice40`
    as it is. All blocks are instantiated here.

    Raises `ValueError` if an operand is not 1 to 64 bits wide.
    """

    def __init__(self, a: ShapeLike, b: ShapeLike, *, dsp: bool = True) -> None:
        a, b = _operand("a", a), _operand("b", b)
        self.dsp = dsp
        self.latency = Multiplier.latency_of(a, b)
        super().__init__({"a": In(a), "b": In(b), "p": Out(product_shape(a, b))})

    @staticmethod
    def latency_of(a: ShapeLike, b: ShapeLike) -> int:
        """The latency of the product of two shapes, in cycles."""
        return 2 + sum(-(-Shape.cast(shape).width // NARROW) for shape in (a, b))

    @staticmethod
    def blocks(a: ShapeLike, b: ShapeLike, family: str) -> int:
        """How many DSP blocks of `family` (`"ecp5"`, `"ice40"`) the product of two shapes takes."""
        if family not in BLOCKS:
            raise ValueError(f"family must be one of {', '.join(BLOCKS)}, not {family!r}")
        limit, _ = BLOCKS[family]
        return _parts(_operand("a", a).width, limit) * _parts(_operand("b", b).width, limit)

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        a, b = self.a.shape(), self.b.shape()
        family = family_of(platform)
        if family is None and self.dsp:
            return self._whole(RegisteredProduct(a, b, self.latency))
        if family is not None and self.dsp and has_blocks(platform):
            limit, block = BLOCKS[family]
        else:
            limit, block = NARROW, FabricProduct
        if max(a.width, b.width) <= limit:
            return self._whole(block(a, b))
        return self._split()

    def _whole(self, product: wiring.Component) -> Module:
        """The product in one piece, delayed until it is as late as the widths say."""
        m = Module()
        m.submodules.product = product
        m.d.comb += [product.a.eq(self.a), product.b.eq(self.b)]
        p = product.p
        for stage in range(product.latency, self.latency):
            delayed = Signal(self.p.shape(), name=f"delayed{stage}", reset_less=True)
            m.d.sync += delayed.eq(p)
            p = delayed
        m.d.comb += self.p.eq(p)
        return m

    def _split(self) -> Module:
        """The wider operand in two: its low bits unsigned, its high bits as signed as the whole."""
        m = Module()
        wide, other = (self.a, self.b) if len(self.a) >= len(self.b) else (self.b, self.a)
        high_part = Shape(len(wide) - NARROW, wide.shape().signed)
        m.submodules.low = low = Multiplier(NARROW, other.shape(), dsp=self.dsp)
        m.submodules.high = high = Multiplier(high_part, other.shape(), dsp=self.dsp)
        p = Signal(self.p.shape(), reset_less=True)
        m.d.comb += [
            low.a.eq(wide[:NARROW]),
            low.b.eq(other),
            high.a.eq(wide[NARROW:]),
            high.b.eq(other),
            self.p.eq(p),
        ]
        low_p = low.p
        for stage in range(low.latency, high.latency):  # still wider operands take longer
            delayed = Signal(low.p.shape(), name=f"low{stage}", reset_less=True)
            m.d.sync += delayed.eq(low_p)
            low_p = delayed
        m.d.sync += p.eq((high.p << NARROW) + low_p)
        return m


def _parts(width: int, limit: int) -> int:
    """How many pieces an operand is split into: pieces of `NARROW` bits, and one of at most `limit`."""
    return 1 + max(0, -(-(width - limit) // NARROW))


def _operand(name: str, shape: ShapeLike) -> Shape:
    shape = Shape.cast(shape)
    if not 1 <= shape.width <= WIDEST:
        raise ValueError(f"{name} must be 1 to {WIDEST} bits wide, not {shape.width!r}")
    return shape


def has_blocks(platform: object) -> bool:
    """Every ECP5 has multipliers; of the iCE40 only UltraPlus."""
    device = getattr(platform, "device", "")
    return not device.startswith("iCE40") or device.startswith("iCE40UP")
