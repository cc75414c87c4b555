"""The way from the pipeline's clock to the wire's: what `cycles` says, whatever the two clocks."""

import pytest
from amaranth.lib import data
from amaranth.sim import Simulator

from dnn2fpga.hw.outputs import Outputs

WORDS = 3


@pytest.mark.parametrize("speed", [4.83, 1, 0.31])
@pytest.mark.parametrize(("first", "last"), [(0, 7), (2, 3), (0, 40)])
def test_counts_to_the_last_output_whatever_enters_later(speed, first, last):
    outputs = Outputs(data.ArrayLayout(8, 1), WORDS)
    answers = []

    async def pipeline(ctx):
        for image in range(2):
            ctx.set(outputs.begins, 1)
            await ctx.tick()
            ctx.set(outputs.begins, 0)
            # Words enter until long after the last output, as where an image's last lines are cut off.
            for cycle in range(last + 20):
                place = cycle - (last - WORDS + 1)
                ctx.set(outputs.enters, cycle >= first)
                ctx.set(outputs.i.valid, 0 <= place < WORDS)
                ctx.set(outputs.i.payload[0], 10 * image + place)
                await ctx.tick()
            ctx.set(outputs.enters, 0)
            await ctx.tick().repeat(4)  # the next image has yet to come by wire
            while len(answers) <= image:
                await ctx.tick()

    async def wire(ctx):
        ctx.set(outputs.o.ready, 1)
        given, counts = [], set()
        while True:
            await ctx.tick("wire")
            if ctx.get(outputs.o.valid):
                given.append(ctx.get(outputs.o.payload))
                counts.add(ctx.get(outputs.cycles))
            elif len(given) == WORDS and not ctx.get(outputs.full):
                answers.append((given, counts))
                given, counts = [], set()

    simulator = Simulator(outputs)
    simulator.add_clock(1e-6, domain="wire")
    simulator.add_clock(1e-6 / speed)
    simulator.add_testbench(pipeline)
    simulator.add_testbench(wire, background=True)
    simulator.run()
    assert answers == [([10 * image + place for place in range(WORDS)], {last - first}) for image in range(2)]
