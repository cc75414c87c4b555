"""The product as simulators run it and other vendors' tools map it: one `*` between registers."""

from amaranth import Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..fixed import product_shape


class RegisteredProduct(wiring.Component):
    """`a * b` with one register before it and `latency - 1` after it, for synthesis to move into a DSP.

    Registers have no reset: what the pipeline holds before its first operands is of no interest to anybody.
    """

    def __init__(self, a: Shape, b: Shape, latency: int) -> None:
        self.latency = latency
        super().__init__({"a": In(a), "b": In(b), "p": Out(product_shape(a, b))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        a = Signal.like(self.a, reset_less=True)
        b = Signal.like(self.b, reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b)]
        p = a * b
        for stage in range(1, self.latency):
            register = Signal(self.p.shape(), name=f"p{stage}", reset_less=True)
            m.d.sync += register.eq(p)
            p = register
        m.d.comb += self.p.eq(p)
        return m
