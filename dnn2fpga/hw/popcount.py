"""How many of some bits are 1: what the sum of binary products comes to (XNOR-Net, Rastegari et al., 2016)."""

from collections.abc import Iterator

from amaranth import Cat, Module, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .resources import Resources, adder, register

TOGETHER = 2
"""Levels of full adders between two registers: as many LUTs one behind the other."""


class Popcount(wiring.Component):
    """The number of ones among `n` bits, without a carry chain but for the last addition.

    Full adders make of three bits of one weight one of the same and one of twice the weight, level by level, until
    there are at most two of each (Wallace, 1964): these are added. Latency `latency_of(n)` cycles.
    """

    def __init__(self, n: int) -> None:
        self.latency = latency_of(n)
        super().__init__({"x": In(data.ArrayLayout(unsigned(1), n)), "sum": Out(unsigned(n.bit_length()))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        columns: list[list[Value]] = [list(self.x)]
        n = len(columns[0])
        for level in range(_levels(n)):
            columns = _compressed(m, columns, level)
            if level % TOGETHER == TOGETHER - 1 or level == _levels(n) - 1:
                columns = [[_registered(m, bit, f"bit{level}") for bit in column] for column in columns]
        single, double = _split([len(column) for column in columns])
        if double:
            rows = [Cat(column[at] if at < len(column) else 0 for column in columns[single:]) for at in range(2)]
            last = Signal(len(self.sum) - single, reset_less=True)
            m.d.sync += last.eq(rows[0] + rows[1])
            low = [_registered(m, bit, "low") for column in columns[:single] for bit in column]
            m.d.comb += self.sum.eq(Cat(*low, last))
        else:
            m.d.comb += self.sum.eq(Cat(*(bit for column in columns for bit in column)))
        return m


def _compressed(m: Module, columns: list[list[Value]], level: int) -> list[list[Value]]:
    """One level of full adders. `columns[c]` are bits of weight 2^c."""
    after: list[list[Value]] = [[] for _ in range(len(columns) + 1)]
    for weight, column in enumerate(columns):
        triples = len(column) // 3
        for at in range(triples):
            a, b, c = column[3 * at : 3 * at + 3]
            bit, carry = Signal(name=f"sum{level}"), Signal(name=f"carry{level}")
            m.d.comb += [bit.eq(a ^ b ^ c), carry.eq((a & b) | (c & (a | b)))]
            after[weight].append(bit)
            after[weight + 1].append(carry)
        after[weight] += column[3 * triples :]
    return after if after[-1] else after[:-1]


def _registered(m: Module, bit: Value, name: str) -> Value:
    register = Signal(name=name, reset_less=True)
    m.d.sync += register.eq(bit)
    return register


def _heights(n: int) -> Iterator[list[int]]:
    """How many bits of each weight there are: `n` of weight 1, and what each level makes of them."""
    heights = [n]
    yield heights
    while max(heights) > 2:
        carries = [0, *(height // 3 for height in heights)]
        heights = [height - 2 * (height // 3) + carry for height, carry in zip([*heights, 0], carries, strict=True)]
        heights = heights if heights[-1] else heights[:-1]
        yield heights


def _levels(n: int) -> int:
    return sum(1 for _ in _heights(n)) - 1


def _split(heights: list[int]) -> tuple[int, bool]:
    """How many of the lowest weights have one bit only, and whether one has two."""
    double = [weight for weight, height in enumerate(heights) if height > 1]
    return (double[0], True) if double else (len(heights), False)


def latency_of(n: int) -> int:
    """Cycles from `n` bits to their number."""
    *_, last = _heights(n)
    return -(-_levels(n) // TOGETHER) + _split(last)[1]


def resources(n: int) -> Resources:
    """What it takes: two LUTs a full adder, of which each makes two bits of three, and the last addition."""
    taken = Resources()
    heights = list(_heights(n))
    for level, after in enumerate(heights[1:]):
        taken += Resources(luts=2 * (sum(heights[level]) - sum(after)))
        if level % TOGETHER == TOGETHER - 1 or level == len(heights) - 2:
            taken += register(sum(after))
    single, double = _split(heights[-1])
    return taken + adder(n.bit_length() - single) + register(single) if double else taken
