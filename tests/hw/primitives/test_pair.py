import itertools
import random
import re
from pathlib import Path

import pytest
from amaranth import Cat, Module, Shape, signed, unsigned
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_12F_Platform

from dnn2fpga.hw.primitives.pair import Pair

# Inputs and weights: what fits both families, one of them, and none.
SHAPES = [
    *((signed(8), signed(4)), (unsigned(8), signed(4)), (signed(4), signed(4)), (unsigned(4), signed(5))),
    *((unsigned(7), signed(5)), (unsigned(1), signed(8)), (signed(8), signed(8)), (unsigned(8), signed(8))),
    *((unsigned(3), signed(7)), (signed(12), signed(2)), (signed(16), signed(16)), (signed(2), signed(1))),
]


class Flat(wiring.Component):
    """A pair as a product: weights and products side by side."""

    def __init__(self, x, w, **settings):
        self.pair = Pair(x, w, **settings)
        self.latency = self.pair.latency
        super().__init__({"a": In(x), "b": In(2 * w.width), "p": Out(2 * len(self.pair.p0))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.pair = pair = self.pair
        weights = Cat(pair.w0.as_unsigned(), pair.w1.as_unsigned())
        m.d.comb += [pair.x.eq(self.a), weights.eq(self.b), self.p.eq(Cat(pair.p0, pair.p1))]
        return m


def triples(x: Shape, w: Shape, n: int) -> list[tuple[int, int, int]]:
    def reach(shape):
        return (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)

    corners = [sorted({low, min(low + 1, high), 0, high}) for low, high in (reach(x), reach(w), reach(w))]
    rng = random.Random(1)
    return [
        *itertools.product(*corners),
        *((rng.randint(*reach(x)), rng.randint(*reach(w)), rng.randint(*reach(w))) for _ in range(n)),
    ]


def joined(low: int, high: int, width: int) -> int:
    mask = (1 << width) - 1
    return (high & mask) << width | low & mask


def wanted(dut: Flat, given: list[tuple[int, int, int]]) -> list[int]:
    """What `p` shows after each edge from the first result on."""
    width = len(dut.pair.p0)
    return [joined(x * w0, x * w1, width) for x, w0, w1 in given[: len(given) - dut.latency + 1]]


@pytest.mark.parametrize("dsp", [True, False])
@pytest.mark.parametrize(("x", "w"), SHAPES)
def test_simulation_gives_both_products(x, w, dsp):
    dut, given, seen = Flat(x, w, dsp=dsp), triples(x, w, 200), []

    async def bench(ctx):
        for value, w0, w1 in given:
            ctx.set(dut.a, value)
            ctx.set(dut.b, joined(w0, w1, w.width))
            await ctx.tick()
            seen.append(ctx.get(dut.p))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert seen[dut.latency - 1 :] == wanted(dut, given)


@pytest.mark.parametrize("board", [ULX3S_12F_Platform, ICEBreakerPlatform])
@pytest.mark.parametrize(("x", "w"), SHAPES)
def test_blocks_give_both_products(x, w, board, icarus_products):
    pyosys = pytest.importorskip("pyosys")
    given = triples(x, w, 2000)
    dut = Flat(x, w)
    cells = Path(pyosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    models = {
        ULX3S_12F_Platform: [Path(__file__).parent / "MULT18X18D.v"],
        ICEBreakerPlatform: ["-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-gno-specify", cells],
    }
    pairs = [(value, joined(w0, w1, w.width)) for value, w0, w1 in given]
    seen = icarus_products(dut, board(), pairs, models[board])
    assert seen[dut.latency - 1 :] == wanted(dut, given)


def blocks_in(dut, platform) -> int:
    return len(re.findall(r"cell \\(?:MULT18X18D|SB_MAC16) ", rtlil.convert(dut, name="top", platform=platform)))


@pytest.mark.parametrize(
    ("x", "w", "ecp5", "ice40"),
    [
        (signed(8), signed(4), True, True),
        (unsigned(7), signed(5), True, True),
        (signed(8), signed(5), False, True),
        (unsigned(12), signed(3), False, False),
        (signed(8), signed(8), False, True),
        (signed(9), signed(8), False, False),
    ],
)
def test_a_pair_takes_one_block_where_it_fits(x, w, ecp5, ice40):
    assert Pair.fits(x, w, "ecp5") is ecp5
    assert Pair.fits(x, w, "ice40") is ice40
    assert blocks_in(Pair(x, w), ULX3S_12F_Platform()) == (1 if ecp5 else 0)
    assert blocks_in(Pair(x, w), ICEBreakerPlatform()) == (1 if ice40 else 0)


def test_no_block_where_none_is_asked_for_or_there_is_none():
    assert blocks_in(Pair(signed(8), signed(4), dsp=False), ULX3S_12F_Platform()) == 0
    assert blocks_in(Pair(signed(8), signed(4)), ICE40HX8KBEVNPlatform()) == 0


def test_unsigned_weights_are_refused():
    with pytest.raises(ValueError, match="w must be signed, not unsigned"):
        Pair(signed(8), unsigned(4))
