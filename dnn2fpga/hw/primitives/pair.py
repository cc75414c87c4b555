"""Two products of one operand in the room of one: what a multiplier block is too wide for."""

from functools import partial

from amaranth import Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape
from . import ecp5, ice40
from .fabric import FabricProduct
from .family import family_of
from .generic import RegisteredProduct
from .multiplier import has_blocks


class Pair(wiring.Component):
    """`p0 = x * w0` and `p1 = x * w1`, exact, every clock; a pure pipeline without handshake in the domain `sync`.

    Parameters: `x`, `w` shapes; `w` is signed. `dsp` False keeps the products out of DSPs. Latency 4 cycles, on every
    device.

    On iCE40 UltraPlus a block has two multipliers of 8 bits, which take what fits. On ECP5 both products are cut from
    one, `x * (w1 · 2^n + w0)`, where n is their width: the low n bits are `p0`, and the bits above are `p1`, less 1 if
    `p0` is negative. (Xilinx WP486 does so with 8 bits in wider blocks.) Without a platform that is what is simulated,
    if it fits a block of ECP5.
    """

    latency = 4

    def __init__(self, x: ShapeLike, w: ShapeLike, *, dsp: bool = True) -> None:
        self.x_shape, self.w_shape, self.dsp = Shape.cast(x), Shape.cast(w), dsp
        if not self.w_shape.signed:
            raise ValueError(f"w must be signed, not {w!r}")
        product = product_shape(self.x_shape, self.w_shape)
        super().__init__({"x": In(x), "w0": In(w), "w1": In(w), "p0": Out(product), "p1": Out(product)})

    @staticmethod
    def fits(x: Shape, w: Shape, family: str) -> bool:
        """Whether a block of `family` ("ecp5", "ice40") holds a pair of such products."""
        if family == "ice40":
            return max(x.width, w.width) <= ice40.HALF
        return max(x.width, _joined(x, w).width) <= ecp5.WIDTH

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        x, w = self.x_shape, self.w_shape
        family = family_of(platform)
        if not self.dsp or (family is not None and not has_blocks(platform)):
            return self._apart(m, FabricProduct(x, w), FabricProduct(x, w))
        if family == "ice40" and Pair.fits(x, w, family):
            m.submodules.halves = halves = ice40.Mac8(x, w)
            m.d.comb += [halves.x.eq(self.x), halves.w0.eq(self.w0), halves.w1.eq(self.w1)]
            return self._registered(m, halves.p0, halves.p1)
        if family != "ice40" and Pair.fits(x, w, "ecp5"):
            product = ecp5.Mult18x18 if family == "ecp5" else partial(RegisteredProduct, latency=3)
            return self._cut(m, product(x, _joined(x, w)))
        return self._apart(m, *(RegisteredProduct(x, w, 3) for _ in range(2)))

    def _cut(self, m: Module, product: wiring.Component) -> Module:
        """Both products from one."""
        n = self.p0.shape().width
        m.submodules.product = product
        m.d.comb += [product.a.eq(self.x), product.b.eq((self.w1 << n) + self.w0)]
        low, high = product.p[:n].as_signed(), product.p.as_signed() >> n
        return self._registered(m, low, high + low[-1])

    def _apart(self, m: Module, first: wiring.Component, second: wiring.Component) -> Module:
        """A product each."""
        m.submodules.first, m.submodules.second = first, second
        m.d.comb += [first.a.eq(self.x), first.b.eq(self.w0), second.a.eq(self.x), second.b.eq(self.w1)]
        return self._registered(m, first.p, second.p)

    def _registered(self, m: Module, p0: Value, p1: Value) -> Module:
        """Both products a cycle later: cutting takes it, and so all do. Registers have no reset."""
        for name, product, port in (("p0", p0, self.p0), ("p1", p1, self.p1)):
            register = Signal.like(port, name=f"{name}_register", reset_less=True)
            m.d.sync += register.eq(product)
            m.d.comb += port.eq(register)
        return m


def _joined(x: Shape, w: Shape) -> Shape:
    """The shape of `w1 · 2^n + w0`: a bit more than both, since both may be the least."""
    return Shape(product_shape(x, w).width + w.width + 1, True)
