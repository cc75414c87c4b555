"""Graphs with branches: the hardware gives the reference's integers, in the plan's cycles, and never stops."""

from dataclasses import replace

import numpy as np
import pytest

from dnn2fpga.errors import Shortfall
from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw.pipeline import Pipeline
from dnn2fpga.hw.plan import plan
from dnn2fpga.hw.schedule import IMAGES
from dnn2fpga.kinds import FOLDINGS, KINDS
from dnn2fpga.quant.ops.add import Add, Subtract
from dnn2fpga.quant.ops.concatenate import Concatenate
from dnn2fpga.quant.ops.maximum import Maximum
from dnn2fpga.quant.ops.merge import Merge
from dnn2fpga.quant.ops.multiply import Multiply
from dnn2fpga.quant.ops.pack import Pack
from dnn2fpga.quant.ops.slice import Slice
from dnn2fpga.quant.quantize import quantize_graph
from dnn2fpga.quant.scheme import Scheme

from .networks import Builder


def residual():
    """Two convolutions around which the input goes, by a convolution of its own."""
    net = Builder((7, 6, 2)).conv(4, (3, 3), padding="same").relu()
    start = net.last
    net.conv(6, (3, 3), padding="same").relu().conv(4, (3, 3), padding="same").add(Add(), start).relu()
    return net


def projected(join):
    """A strided branch, and another that meets it."""
    net = Builder((6, 6, 2), seed=1).conv(4, (1, 1))
    start = net.last
    left = net.conv(4, (3, 3), (2, 2), "same").last
    net.back_to(start).conv(4, (1, 1), (2, 2)).relu().add(join, left)
    return net


def concatenated(axis):
    """Branches of other ranges and, behind one another, of other sizes."""
    net = Builder((4, 6, 2), seed=2).conv(4, (1, 1)).relu()
    start = net.last
    left = net.conv(2 if axis == -1 else 4, (3, 3), padding="same").last
    net.back_to(start).tanh().add(Concatenate(axis), left, start).conv(3, (2, 2))
    return net


def inputs_and_outputs():
    """Two inputs, of which one is used twice, and two outputs."""
    net = Builder((4 * 4 * 2 + 6,), seed=3).add(Slice(0, (4, 4, 2)))
    image = net.conv(3, (3, 3)).relu().flatten().last
    net.back_to("/input").add(Slice(32, (6,)))
    values = net.last
    both = net.dense(12).add(Multiply(), image).last
    first = net.dense(3).last
    net.back_to(both).add(Subtract(), image).dense(2).tanh().add(Pack(), first, values)
    return net


def signs_in_and_out():
    """Nothing but signs, in and out."""
    net = Builder((6,), seed=5).add(Slice(0, (2,))).dense(3)
    first = net.last
    return net.back_to("/input").add(Slice(2, (4,))).dense(3).add(Maximum(), first).dense(2).tanh().add(Pack(), first)


def normalized():
    """Batch normalization that no kernel takes in, at the start and behind a join."""
    net = Builder((5, 4, 3), seed=4).batch_norm().relu()
    start = net.last
    net.conv(3, (1, 1)).add(Maximum(), start).batch_norm().conv(2, (3, 3), padding="same")
    return net


NETWORKS = {
    "residual": (residual, {}),
    "residual, asymmetric": (residual, {"symmetric": False}),
    "residual, 4 bits, powers of two": (residual, {"weight_bits": 4, "activation_bits": 4, "power_of_two": True}),
    "residual, signs": (residual, {"weight_bits": 1, "activation_bits": 1, "sign": True}),
    "add": (lambda: projected(Add()), {}),
    "subtract": (lambda: projected(Subtract()), {"symmetric": False}),
    "multiply": (lambda: projected(Multiply()), {"symmetric": False}),
    "multiply, 16 bits": (lambda: projected(Multiply()), {"weight_bits": 16, "activation_bits": 16}),
    "maximum": (lambda: projected(Maximum()), {"symmetric": False}),
    "concatenate, channels": (lambda: concatenated(-1), {}),
    "concatenate, rows": (lambda: concatenated(0), {"symmetric": False}),
    "concatenate, columns": (lambda: concatenated(1), {}),
    "inputs and outputs": (inputs_and_outputs, {}),
    "inputs and outputs, asymmetric": (inputs_and_outputs, {"symmetric": False}),
    "signs in and out": (signs_in_and_out, {"weight_bits": 1, "activation_bits": 1, "sign": True}),
    "normalized": (normalized, {}),
    "normalized, asymmetric": (normalized, {"symmetric": False}),
}


def network(name):
    """The network, and its integer model."""
    make, scheme = NETWORKS[name]
    net = make()
    return net, net.quantized(**scheme)


@pytest.mark.parametrize(
    ("name", "fps"), [*((name, None) for name in NETWORKS), *((name, 100_000) for name in list(NETWORKS)[::4])]
)
def test_equals_the_reference_in_the_cycles_that_the_plan_says(name, fps):
    net, qgraph = network(name)
    chosen = plan(qgraph, FOLDINGS, fps=fps)
    x = net.samples(IMAGES)  # as many as the plan times
    flowing = simulate(chosen, qgraph, x, Pysim())
    assert flowing.mismatches == 0, flowing.first
    assert (flowing.cycles_per_image, flowing.latency_cycles) == (chosen.cycles_per_image, chosen.latency_cycles)
    stalled = simulate(chosen, qgraph, x, Pysim(), stalls=Stalls(0.5, 0.5, 7))
    assert stalled.mismatches == 0, stalled.first


def test_every_layer_that_reads_several_is_in_some_network():
    kinds = {node.spec.kind for name in NETWORKS for node in network(name)[1].nodes if len(node.inputs) > 1}
    assert kinds == {kind.name for kind in KINDS if issubclass(kind.spec, Merge)}


@pytest.mark.parametrize("name", NETWORKS)
def test_is_close_to_the_float_model(name):
    make, scheme = NETWORKS[name]
    if scheme.get("activation_bits", 8) < 8:
        pytest.skip("coarse on purpose")
    net = make()
    x = net.samples(64)
    qgraph = quantize_graph(net.graph(), x, Scheme(**scheme))
    expected, found = net.graph().run(x).reshape(64, -1), qgraph.outputs_to_real(qgraph.run(x)).reshape(64, -1)
    assert np.square(expected - found).mean() < 0.01 * np.square(expected).mean()


def test_the_class_is_that_of_the_first_output():
    net = Builder((6,)).dense(3)
    start = net.last
    first = net.softmax().last
    net.back_to(start).dense(2).tanh()
    second = net.last
    net.back_to(first).add(Pack(), second)
    qgraph = net.quantized()
    q = qgraph.run(net.samples(20))
    assert q.shape == (20, 3 + 1 + 2)
    assert (qgraph.classify(q) == q[:, :3].argmax(axis=1)).all()


def test_a_shorter_branch_without_its_queue_stops_the_network():
    net, qgraph = network("residual")
    chosen = plan(qgraph, FOLDINGS)
    queues = [join.depth for layer in chosen.layers for join in layer.joins]
    assert max(queues) > 6  # a row of the image, at least
    layers = tuple(
        replace(layer, joins=tuple(replace(join, depth=0) for join in layer.joins)) for layer in chosen.layers
    )
    cut = replace(chosen, layers=layers)
    words = qgraph.quantize_input(net.samples(1)).reshape(-1, cut.start.lanes)
    with pytest.raises(Shortfall, match="no word moved"):
        Pysim().run(Pipeline(cut), words, cut.words_out, patience=500)
