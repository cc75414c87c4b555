"""What joins components: equal words, in the cycles that timing says; and what cannot be joined."""

import numpy as np
import pytest
from amaranth import Module, signed, unsigned

from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.hw import timing
from dnn2fpga.hw.join import JoinFolding
from dnn2fpga.hw.stream import MasterSlave, Narrow, Widen, connect
from dnn2fpga.hw.timing import Sink, Source

from .watch import Watched

LANES = [(1, 1), (3, 3), (1, 4), (4, 1), (2, 6), (6, 2), (4, 6), (3, 2)]


@pytest.mark.parametrize("stalls", [None, Stalls(0.5, 0.5, 2), Stalls(0, 0.7, 3)])
@pytest.mark.parametrize(("i", "o"), LANES)
def test_join_keeps_every_value_in_order(i, o, stalls):
    folding = JoinFolding(signed(5), i, o)
    values = np.random.default_rng(0).integers(-16, 16, 48)
    trace = Pysim().run(Watched(folding.build()), values.reshape(-1, i), 48 // o, stalls=stalls)
    assert (trace.words.reshape(-1) == values).all()


@pytest.mark.parametrize(("i", "o"), LANES)
def test_join_takes_the_cycles_that_timing_says(i, o):
    folding = JoinFolding(signed(5), i, o)
    trace = Pysim().run(folding.build(), np.zeros((48 // i, i), int), 48 // o)
    source, sink = Source(48 // i), Sink()
    timing.run([source.process(), *folding.timing(), sink.process()])
    assert (source.taken, sink.taken) == (trace.taken.tolist(), trace.given.tolist())


@pytest.mark.parametrize("dut", [MasterSlave(unsigned(4), 1), Widen(unsigned(4), 1, 3)])
def test_no_ready_path_crosses(dut):
    """`i.ready` must not follow `o.ready` within a cycle."""
    from amaranth.sim import Simulator

    seen = []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        await ctx.tick().repeat(6)  # it fills up
        for ready in (0, 1, 0):
            ctx.set(dut.o.ready, ready)
            await ctx.delay(1e-9)
            seen.append(ctx.get(dut.i.ready))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [0, 0, 0]


def test_connect_refuses_unlike_payloads():
    a, b = MasterSlave(signed(8), 2), MasterSlave(unsigned(8), 2)
    with pytest.raises(TypeError, match="cannot join a stream of"):
        connect(Module(), a.o, b.i)


@pytest.mark.parametrize(("component", "least"), [(Widen, 2), (Narrow, 1)])
def test_refuses_a_factor_that_makes_no_sense(component, least):
    with pytest.raises(ValueError, match=f"factor must be at least {least}, not {least - 1}"):
        component(unsigned(8), 4, least - 1)
