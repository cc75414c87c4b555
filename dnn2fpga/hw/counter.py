"""Counters inside each other: where in a tensor a stream stands."""

from dataclasses import dataclass

from amaranth import Const, Module, Signal, Value
from amaranth.hdl import ValueLike

from .resources import Resources


@dataclass(frozen=True)
class Counter:
    """A position along one axis, and whether it is the last."""

    at: Value
    last: Value


def counters(m: Module, step: ValueLike, *axes: tuple[str, int]) -> list[Counter]:
    """Counters over `axes`, each a name and a size, the innermost first.

    The first counts up with every `step`, each of the others when all before it stand at their last. An axis of
    size 1 needs no logic.
    """
    found = []
    for name, size in axes:
        if size == 1:
            found.append(Counter(Const(0, 1), Const(1, 1)))
            continue
        at, last = Signal(range(size), name=name), Signal(name=f"last_{name}")
        m.d.comb += last.eq(at == size - 1)
        with m.If(step):
            m.d.sync += at.eq(at + 1)
            with m.If(last):
                m.d.sync += at.eq(0)
        found.append(Counter(at, last))
        step = step & last
    return found


def resources(*sizes: int) -> Resources:
    """What counters over axes of `sizes` take."""
    bits = sum((size - 1).bit_length() for size in sizes)
    return Resources(luts=2 * bits + bits // 3, ffs=bits)
