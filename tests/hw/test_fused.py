"""Unrolled layers in a row: one pipeline with one queue, in the cycles that the plan says."""

import pytest

from dnn2fpga.flow.engines.base import Stalls
from dnn2fpga.flow.engines.pysim import Pysim
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw.pipeline import Pipeline
from dnn2fpga.hw.plan import plan
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.quant.ops.add import Add

from ..networks import Builder
from .test_plan import LARGE

NETWORKS = {
    # A table stands between the last two.
    "in a row": (Builder((6,)).dense(5).relu().dense(4).dense(4).tanh().dense(3), [True, True, False, False]),
    "with a branch": (Builder((6,)).dense(4).dense(4).add(Add(), "dense_0"), [False, False]),
}


@pytest.fixture(scope="module", params=NETWORKS)
def planned(request):
    builder, is_open = NETWORKS[request.param]
    qgraph = builder.quantized(4, 5)
    return builder, qgraph, plan(qgraph, FOLDINGS, LARGE, 80.0, fps=80e6), is_open


def test_a_layer_that_only_an_unrolled_one_reads_has_no_queue(planned):
    *_, found, is_open = planned
    dense = [layer for layer in found.layers if layer.node.spec.kind == "dense"]
    assert [layer.folding.open for layer in dense] == is_open
    assert [layer.joins[0].registers for layer in dense[1:]] == [not each for each in is_open[:-1]]


def test_equals_the_reference_in_the_cycles_of_the_plan(planned):
    builder, qgraph, found, _ = planned
    x = builder.samples(40)
    flowing = simulate(found, qgraph, x, Pysim())
    assert flowing.mismatches == 0, flowing.first
    assert (flowing.cycles_per_image, flowing.latency_cycles) == (found.cycles_per_image, found.latency_cycles)
    assert found.cycles_per_image == 1
    for stalls in (Stalls(0.4, 0, 1), Stalls(0, 0.5, 2), Stalls(0.4, 0.4, 3)):
        stalled = simulate(found, qgraph, x, Pysim(), stalls=stalls)
        assert stalled.mismatches == 0, stalled.first


def test_a_plan_that_ends_with_any_of_its_layers_gives_what_that_gives(planned):
    """So that a mismatch is laid to the layer where it begins."""
    builder, qgraph, found, _ = planned
    q = qgraph.quantize_input(builder.samples(12))
    of_layer = {node.name: y for node, y in qgraph.trace_integers(q)}
    for layer in found.layers:
        cut, expected = found.up_to(layer.node.name), of_layer[layer.node.name]
        words = q.reshape(-1, cut.start.lanes)
        trace = Pysim().run(Pipeline(cut), words, len(q) * cut.words_out)
        assert (trace.words.reshape(expected.shape) == expected).all(), layer.node.name
