"""Runs a pure pipeline: something new goes in every cycle, and comes out `latency` cycles later."""

from amaranth import ClockDomain, Module
from amaranth.sim import Simulator


def run(component, inputs, output, latency):
    """What `output` shows `latency` cycles after each of `inputs`, which are dicts from port names to values."""
    shown = []

    async def testbench(ctx):
        for cycle in range(len(inputs) + latency):
            for name, value in (inputs[cycle] if cycle < len(inputs) else {}).items():
                ctx.set(getattr(component, name), value)
            await ctx.delay(1e-9)  # what depends on them without a register settles
            shown.append(ctx.get(output))
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()  # which a component of latency 0 does not have
    m.submodules.component = component
    simulator = Simulator(m)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    return shown[latency:]
