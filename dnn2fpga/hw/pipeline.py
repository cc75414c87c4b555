"""The pipeline: all layers of a plan, every one at work at once."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..model.graph import INPUT
from .layer import input_name
from .plan import Plan
from .stream import connect, fork, lanes


class Pipeline(wiring.Component):
    """The hardware of `plan`: master-slave registers before each input of each layer, and behind the last.

    Unrolled layers in a row are the exception: they are one pipeline, which has registers of its own everywhere.

    `i` takes images, `plan.words_in` words each, one after another; `o` gives results, `plan.words_out` words each,
    in the same order. Cycles and latency are the plan's. Several images are in flight at once.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        start, end = plan.start, plan.end
        super().__init__({"i": In(lanes(start.shape, start.lanes)), "o": Out(lanes(end.shape, end.o_lanes))})

    def elaborate(self, platform: object) -> Module:
        """The logic."""
        m = Module()
        sources = {INPUT: wiring.flipped(self.i)}
        readers: dict[str, list[stream.Interface]] = {}
        for layer in self.plan.layers:
            name, ports = layer.node.name, len(layer.joins)
            m.submodules[name] = component = layer.folding.build()
            for at, (source, folding) in enumerate(zip(layer.sources, layer.joins, strict=True)):
                m.submodules[f"to_{name}" if ports == 1 else f"to_{name}_{at}"] = join = folding.build()
                readers.setdefault(source, []).append(join.i)
                connect(m, join.o, getattr(component, input_name(at, ports)))
            sources[name] = component.o
        m.submodules.end = end = self.plan.end.build()
        readers[self.plan.layers[-1].node.name] = [end.i]
        for name, reading in readers.items():
            fork(m, sources[name], reading)
        connect(m, end.o, wiring.flipped(self.o))
        return m
