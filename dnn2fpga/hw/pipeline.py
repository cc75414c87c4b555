"""The pipeline: all layers of a plan, one after another, every one at work at once."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .plan import Plan
from .stream import connect, lanes


class Pipeline(wiring.Component):
    """The hardware of `plan`: master-slave registers before each layer and behind the last.

    `i` takes images, `plan.words_in` words each, one after another; `o` gives results, `plan.words_out` words each,
    in the same order. Cycles and latency are the plan's. Several images are in flight at once.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        first, last = plan.layers[0].folding, plan.layers[-1].folding
        super().__init__({"i": In(lanes(first.i, first.i_lanes)), "o": Out(lanes(last.o, last.o_lanes))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        stream = wiring.flipped(self.i)
        for layer in self.plan.layers:
            name = layer.node.name
            m.submodules[f"to_{name}"] = join = layer.join.build()
            m.submodules[name] = component = layer.folding.build()
            connect(m, stream, join.i)
            connect(m, join.o, component.i)
            stream = component.o
        m.submodules.end = end = self.plan.end.build()
        connect(m, stream, end.i)
        connect(m, end.o, wiring.flipped(self.o))
        return m
