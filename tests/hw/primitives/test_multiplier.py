import itertools
import random
import re
from pathlib import Path

import pytest
from amaranth import Shape, signed, unsigned
from amaranth.back import rtlil
from amaranth.sim import Simulator
from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_12F_Platform

from dnn2fpga.hw.primitives.multiplier import Multiplier

HERE = Path(__file__).parent

# One block, an operand at each family's limit, one and both operands split; every combination of signs.
SHAPES = [
    (Shape(a, a_signed), Shape(b, b_signed))
    for a, b in [(1, 1), (8, 8), (16, 16), (18, 17), (24, 16), (32, 32), (45, 16), (64, 20)]
    for a_signed, b_signed in itertools.product([False, True], repeat=2)
]

MULT18X18D_REGISTERS = [f"REG_{name}_CLK" for name in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")]
MAC16_REGISTERS = [
    *("A_REG", "B_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"),
    *("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2"),
]


def limits(shape: Shape) -> tuple[int, int]:
    if shape.signed:
        return -(1 << shape.width - 1), (1 << shape.width - 1) - 1
    return 0, (1 << shape.width) - 1


def pairs_of(a: Shape, b: Shape, random_pairs: int) -> list[tuple[int, int]]:
    """Every pair of corners, then random ones."""
    rng = random.Random(f"{a} {b}")
    corners = []
    for shape in (a, b):
        low, high = limits(shape)
        inside = [-1, 0, 1, 1 << 15, (1 << 16) - 1, 1 << 16, -(1 << 15)]
        corners.append(sorted({low, low + 1, high - 1, high, *(x for x in inside if low <= x <= high)}))
    pairs = list(itertools.product(*corners))
    return pairs + [(rng.randint(*limits(a)), rng.randint(*limits(b))) for _ in range(random_pairs)]


def ids(value) -> str:
    return repr(value).replace("signed", "s").replace("uns", "u") if isinstance(value, Shape) else str(value)


def simulated(dut: Multiplier, pairs: list[tuple[int, int]]) -> list[int]:
    seen = []

    async def bench(ctx):
        for a, b in pairs:
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            await ctx.tick()
            seen.append(ctx.get(dut.p))

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def assert_products(seen: list[int | None], pairs: list[tuple[int, int]], latency: int) -> None:
    # `seen[0]` is what shows right after the edge that took the first pair: one cycle of latency.
    assert seen[latency - 1 :] == [a * b for a, b in pairs[: len(pairs) - latency + 1]]


@pytest.mark.parametrize("dsp", [True, False])
@pytest.mark.parametrize(("a", "b"), SHAPES, ids=ids)
def test_simulation_is_the_product(a: Shape, b: Shape, dsp: bool):
    pairs = pairs_of(a, b, 200)
    dut = Multiplier(a, b, dsp=dsp)
    assert_products(simulated(dut, pairs), pairs, dut.latency)


@pytest.mark.parametrize("a", [signed(8), unsigned(8)], ids=ids)
@pytest.mark.parametrize("b", [signed(4), unsigned(4), signed(5), unsigned(3)], ids=ids)
def test_fabric_is_the_product_of_every_pair(a: Shape, b: Shape):
    def every(shape):
        return range(limits(shape)[0], limits(shape)[1] + 1)

    pairs = list(itertools.product(every(a), every(b)))
    assert_products(simulated(Multiplier(a, b, dsp=False), pairs), pairs, 4)


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=ids)
def test_ecp5_blocks_are_the_product(a: Shape, b: Shape, icarus_products):
    pairs = pairs_of(a, b, 3000)
    dut = Multiplier(a, b)
    seen = icarus_products(dut, ULX3S_12F_Platform(), pairs, [HERE / "MULT18X18D.v"])
    assert_products(seen, pairs, dut.latency)


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=ids)
def test_ice40_blocks_are_the_product(a: Shape, b: Shape, icarus_products):
    pyosys = pytest.importorskip("pyosys")
    pairs = pairs_of(a, b, 3000)
    dut = Multiplier(a, b)
    model = Path(pyosys.__file__).parent / "share" / "ice40" / "cells_sim.v"
    seen = icarus_products(dut, ICEBreakerPlatform(), pairs, ["-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-gno-specify", model])
    assert_products(seen, pairs, dut.latency)


@pytest.mark.parametrize(
    ("a", "b", "latency", "ecp5", "ice40"),
    [
        (8, 8, 4, 1, 1),
        (16, 16, 4, 1, 1),
        (17, 16, 5, 1, 2),
        (18, 18, 6, 1, 4),
        (19, 16, 5, 2, 2),
        (18, 32, 6, 2, 4),
        (32, 32, 6, 4, 4),
    ],
)
def test_blocks_and_latency_are_those_of_the_netlist(a, b, latency, ecp5, ice40):
    for a_shape, b_shape in [(unsigned(a), signed(b)), (signed(b), unsigned(a))]:
        dut = Multiplier(a_shape, b_shape)
        assert dut.latency == latency
        assert Multiplier.blocks(a_shape, b_shape, "ecp5") == ecp5
        assert Multiplier.blocks(a_shape, b_shape, "ice40") == ice40
        assert blocks_in(dut, ULX3S_12F_Platform()) == ecp5
        assert blocks_in(Multiplier(a_shape, b_shape), ICEBreakerPlatform()) == ice40


def blocks_in(dut: Multiplier, platform: object) -> int:
    text = rtlil.convert(dut, name="top", platform=platform)
    # A module used twice is written twice: Amaranth shares none.
    return len(re.findall(r"cell \\(?:MULT18X18D|SB_MAC16) ", text))


@pytest.mark.parametrize("platform", [ULX3S_12F_Platform, ICEBreakerPlatform])
def test_dsp_false_takes_no_block(platform):
    assert blocks_in(Multiplier(signed(24), 16, dsp=False), platform()) == 0


def test_ice40_without_blocks_takes_fabric():
    assert blocks_in(Multiplier(signed(8), 8), ICE40HX8KBEVNPlatform()) == 0


@pytest.mark.parametrize(
    ("platform", "synth", "block", "registers", "behind"),
    [
        (
            ULX3S_12F_Platform,
            "synth_ecp5 -nodsp",
            "MULT18X18D",
            dict.fromkeys(MULT18X18D_REGISTERS, '"CLK0"'),
            32,
        ),
        (
            ICEBreakerPlatform,
            "synth_ice40 -device u",
            "SB_MAC16",
            {**dict.fromkeys(MAC16_REGISTERS, "1'1"), "TOPOUTPUT_SELECT": "2'01", "BOTOUTPUT_SELECT": "2'01"},
            0,
        ),
    ],
)
def test_synthesis_keeps_the_block_and_its_registers(platform, synth, block, registers, behind, tmp_path, yosys):
    (tmp_path / "top.il").write_text(
        rtlil.convert(Multiplier(signed(16), unsigned(16)), name="top", platform=platform())
    )
    yosys(f"read_rtlil top.il; {synth} -top top; write_rtlil out.il")
    out = (tmp_path / "out.il").read_text()
    cell = re.search(rf"cell \\{block} .*?\n  end\n", out, re.DOTALL).group()
    parameters = dict(re.findall(r"parameter \\(\S+) (.*)", cell))
    assert {name: parameters[name] for name in registers} == registers
    # All registers, on ECP5 but the last, are the block's.
    assert len(re.findall(r"cell \\(?:TRELLIS_FF|SB_DFF)", out)) == behind


def test_refuses_bad_parameters():
    with pytest.raises(ValueError, match="a must be 1 to 64 bits wide, not 65"):
        Multiplier(65, 8)
    with pytest.raises(ValueError, match="b must be 1 to 64 bits wide, not 0"):
        Multiplier(8, 0)
    with pytest.raises(ValueError, match="family must be one of ecp5, ice40, not 'xc7'"):
        Multiplier.blocks(8, 8, "xc7")
