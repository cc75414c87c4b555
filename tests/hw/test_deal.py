"""Constants dealt out: every row, in order, round and round, in each sort of memory."""

import numpy as np
import pytest
from amaranth import signed
from amaranth.sim import Simulator

from dnn2fpga.hw import deal
from dnn2fpga.hw.deal import BANK, Deal

ROWS = [
    (2, 5, 1),
    (40, 9, 1),
    (100, 9, 3),
    (BANK, 1, 3),
    (BANK + 1, 2, 3),
    (2 * BANK, 5, 3),
    (2 * BANK + 77, 1, 3),
]


@pytest.mark.parametrize(("depth", "lanes", "latency"), ROWS)
def test_rows_come_in_order_with_pauses(depth, lanes, latency):
    rng = np.random.default_rng(depth)
    rows = rng.integers(-16, 16, (depth, lanes)).tolist()
    dut = Deal(rows, signed(5))
    assert dut.latency == latency == deal.latency(depth, 5 * lanes)
    steps = rng.random(2 * depth + 50) < 0.9  # past the end and on
    found, expected = [], []

    async def testbench(ctx):
        at = 0
        for step in steps:
            ctx.set(dut.step, int(step))
            # What stands in `row` now was dealt `latency` cycles ago.
            found.append([ctx.get(lane) for lane in dut.row])
            expected.append(rows[at % depth] if step else None)
            at += int(step)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    pairs = zip(found[latency:], expected, strict=False)
    assert all(row == wanted for row, wanted in pairs if wanted is not None)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^rows must hold integers of signed\(5\), not 16$"):
        Deal([[0], [16]], signed(5))
