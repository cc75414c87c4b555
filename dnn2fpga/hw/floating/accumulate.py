"""Running sums of floats: an adder whose results go round in a ring."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...quant.floating import FloatFormat
from ..resources import Device, Resources, register
from . import add
from .add import Add
from .bits import later, packed

REGISTERS = 4
"""Cycles up to which a delay is made of registers; a longer one is a memory."""


class Accumulate(wiring.Component):
    """Running sums of `places` sequences of floats, in turn, one place a cycle, for ever round; packed.

    `x` is added to the sum of the place whose turn it is, or to `start` if `first`; the new sum stands in `s` 6
    cycles later. Nothing halts the ring: in a cycle without an `x`, a zero keeps a sum that started from +0 as it is.
    `places` is at least 6, the cycles that an addition takes; else raises `ValueError`.
    """

    latency = Add.latency

    def __init__(self, fmt: FloatFormat, places: int) -> None:
        if places < self.latency:
            raise ValueError(f"places must be at least {self.latency}, not {places!r}")
        self.fmt, self.places = fmt, places
        layout = packed(fmt)
        super().__init__({"x": In(layout), "start": In(layout), "first": In(1), "s": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        m.submodules.add = adder = Add(self.fmt)
        so_far = _delayed(m, Value.cast(adder.s), self.places - self.latency)
        m.d.comb += [
            adder.a.eq(self.x),
            Value.cast(adder.b).eq(Mux(self.first, Value.cast(self.start), so_far)),
            self.s.eq(adder.s),
        ]
        return m


def _delayed(m: Module, value: Value, cycles: int) -> Value:
    if cycles <= REGISTERS:
        return later(m, value, cycles, "ring")
    m.submodules.ring = ring = memory.Memory(shape=len(value), depth=cycles, init=[])
    write, read = ring.write_port(), ring.read_port()
    following = Signal(range(cycles))
    m.d.sync += [write.addr.eq(following), following.eq(Mux(following == cycles - 1, 0, following + 1))]
    m.d.comb += [write.en.eq(1), write.data.eq(value), read.addr.eq(following)]
    return read.data


def resources(fmt: FloatFormat, places: int, device: Device) -> Resources:
    """What it takes of a chip, estimated."""
    width = fmt.exponent_bits + fmt.fraction_bits + 1
    taken = add.resources(fmt) + Resources(luts=width)
    cycles = places - Accumulate.latency
    if cycles <= REGISTERS:
        return taken + register(cycles * width)
    counter = Resources(luts=2 * cycles.bit_length(), ffs=2 * cycles.bit_length())
    if device.family == "ice40":
        return taken + counter + Resources(brams=device.brams(cycles, width))
    return taken + counter + Resources(luts=2 * width * -(-cycles // 16), ffs=width)
