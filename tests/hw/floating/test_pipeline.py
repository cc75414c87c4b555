"""A network of which one layer is in floating point, in one pipeline with the integer ones."""

from dataclasses import replace

import numpy as np
import pytest

from dnn2fpga.flow.engines import Cxxrtl, Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw import timing
from dnn2fpga.hw.choose import Budget, Placed
from dnn2fpga.hw.float_dense import FloatDenseFolding, FloatSums
from dnn2fpga.hw.join import JoinFolding
from dnn2fpga.hw.pipeline import Pipeline
from dnn2fpga.hw.plan import GENERIC, assemble, plan
from dnn2fpga.hw.resources import Resources
from dnn2fpga.hw.timing import Sink, Source
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.quant.floating import FloatFormat
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.ops.base import Setting
from dnn2fpga.quant.ops.convert import to_float_node, to_integer_node
from dnn2fpga.quant.ops.float_mac import float_node

from ...networks import Builder
from .layers import floating


def partly_floating(name):
    """Convolution in floats, pooled as floats, the rest in integers."""
    builder = Builder((6, 7, 1)).conv(4, (3, 3)).relu().pool((2, 2), (2, 2)).flatten().dense(3).softmax()
    integers = builder.quantized(signed=False)
    fmt = FloatFormat(name)
    conv, pool, *rest = integers.nodes
    node = replace(builder.graph().nodes[0], spec=conv.spec)
    first = to_float_node("to_float", conv.input_shape, conv.i, fmt)
    at = Setting(first.o, conv.input_shape, conv.output_shape, 8, False, False)
    floating = float_node(node, conv.spec.as_float(), at, fmt)
    pooled = replace(pool, i=floating.o, o=floating.o)
    last = to_integer_node("to_integer", pool.output_shape, pooled.o, rest[0].i)
    nodes = (replace(node, inputs=()) for node in (first, floating, pooled, last, *rest))
    return QGraph("partly", tuple(nodes)), integers, builder


@pytest.mark.parametrize(
    ("name", "stalls"), [("bfloat16", None), pytest.param("float32", Stalls(0.3, 0.3), marks=pytest.mark.slow)]
)
def test_equals_the_reference(name, stalls):
    qgraph, integers, builder = partly_floating(name)
    x = builder.samples(6, signed=False)
    # Close to what integers alone give, or the order of the layers or a scale is wrong.
    logits = qgraph.run(x)[:, :-1], integers.run(x)[:, :-1]
    assert np.abs(logits[0] - logits[1]).max() < 0.1 * np.abs(logits[1]).max()
    chosen = plan(qgraph, FOLDINGS)
    result = simulate(chosen, qgraph, x, Cxxrtl(), stalls=stalls)
    assert result.mismatches == 0
    if stalls is None:
        assert (result.cycles_per_image, result.latency_cycles) == (chosen.cycles_per_image, chosen.latency_cycles)


def test_held_up_by_the_next_layer_its_steps_still_wait_for_their_turn():
    """The first layer's last steps wait for room in the queue, and then for the ring: the timed twin knows both."""
    builder = Builder((16,)).dense(6).dense(12)
    qgraph = floating(builder, "bfloat16")
    first, second = qgraph.nodes
    sums = FloatSums.of(first), FloatSums.of(second)
    foldings = FloatDenseFolding(sums[0], 6, 1), FloatDenseFolding(sums[1], 1, 1)
    assert foldings[0].least_cycles < foldings[1].least_cycles
    joins = JoinFolding(foldings[0].i, 1, 1), JoinFolding(foldings[1].i, foldings[0].o_lanes, 1)
    chosen = [
        Placed(node, node.inputs, (join,), folding)
        for node, join, folding in zip(qgraph.nodes, joins, foldings, strict=True)
    ]
    planned = assemble("held up", chosen, Budget(GENERIC, Resources()), 100.0)
    codes = first.i.quantize(builder.samples(8))
    words = codes.reshape(-1, 1)
    trace = Pysim().run(Pipeline(planned), words, 8 * 12)
    assert (trace.words.reshape(8, 12) == qgraph.run_integers(codes)).all()
    source, sink = Source(len(words)), Sink()
    ends = planned.end.timing()
    stages = [stage for layer in planned.layers for part in (*layer.joins, layer.folding) for stage in part.timing()]
    timing.run([source.process(), *stages, *ends, sink.process()])
    assert source.taken == trace.taken.tolist()
    assert sink.taken == trace.given.tolist()
