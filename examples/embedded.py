"""A network as one component of a larger design: a counter of the sevens that went by.

Run it with `python examples/embedded.py`: the shipped network for handwritten digits is quantized, made into
hardware, and simulated, with all around it, on a few digits.
"""

import numpy as np
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

import dnn2fpga as d2f
from dnn2fpga import hw, shipped

SEVEN = 7


class SevenCounter(wiring.Component):
    """Takes the words of images on `i`; `seen` images are done, and `sevens` of them were a seven.

    The network ends in softmax: its result is the ten logits, then the number of the winner.
    """

    def __init__(self, network: hw.Pipeline) -> None:
        self.network = network
        super().__init__({"i": In(network.i.signature), "seen": Out(16), "sevens": Out(16)})

    def elaborate(self, platform):
        """The logic: the last word of a result is the winner."""
        m = Module()
        m.submodules.network = network = self.network
        hw.connect(m, wiring.flipped(self.i), network.i)
        m.d.comb += network.o.ready.eq(1)
        word = Signal(range(network.plan.words_out))
        with m.If(network.o.valid):
            m.d.sync += word.eq(word + 1)
            with m.If(word == network.plan.words_out - 1):
                m.d.sync += [word.eq(0), self.seen.eq(self.seen + 1)]
                with m.If(network.o.payload[0] == SEVEN):
                    m.d.sync += self.sevens.eq(self.sevens + 1)
        return m


def simulate(counter: SevenCounter, words: list[list[int]], images: int) -> int:
    """The sevens that the hardware counts among `images`."""
    sevens = 0

    async def send(ctx):
        for word in words:
            ctx.set(counter.i.payload, word)
            ctx.set(counter.i.valid, 1)
            await ctx.tick().until(counter.i.ready)
        ctx.set(counter.i.valid, 0)

    async def watch(ctx):
        nonlocal sevens
        await ctx.tick().until(counter.seen == images)
        sevens = ctx.get(counter.sevens)

    simulator = Simulator(counter)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send)
    simulator.add_testbench(watch)
    simulator.run()
    return sevens


if __name__ == "__main__":
    digits = np.load(shipped.digits())
    qgraph = d2f.quantize(d2f.load(shipped.model_folder("mnist_mlp")), digits["x_train"] / 255)
    plan = d2f.Design(qgraph, board="icebreaker").plan

    images = digits["x_test"][:8] / 255
    words = qgraph.quantize_input(images).reshape(-1, plan.layers[0].folding.i_lanes)
    counted = simulate(SevenCounter(hw.Pipeline(plan)), words.tolist(), len(images))

    winners = qgraph.classify(qgraph.run(images))
    print(f"the digits are           {digits['y_test'][:8].tolist()}")
    print(f"the integer model says   {winners.tolist()}")
    print(f"the hardware counted     {counted} sevens")
    assert counted == (winners == SEVEN).sum()
