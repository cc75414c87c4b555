from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dnn2fpga.quant.analysis import analyze
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.histogram import BATCH
from dnn2fpga.quant.quantize import calibrated, integer_graph, quantize_graph
from dnn2fpga.quant.scheme import LayerBits, Scheme

from ..networks import Builder

LOOSE = Scheme(16, 16)


@pytest.fixture
def network():
    builder = (
        Builder((6, 6, 1)).conv(3, (3, 3)).relu().pool((2, 2), (2, 2)).flatten().dense(8).tanh().dense(4).softmax()
    )
    return LOOSE.prepared(builder.graph()), builder.samples(40)


def reports(graph, x, scheme, accuracy=None):
    return {row.name: row for row in analyze(graph, quantize_graph(graph, x, scheme), x, accuracy)}


def agreement(graph, x):
    """Judges by the float model's own winners, so that it is right about every sample."""
    labels = graph.run(x).argmax(axis=1)
    return lambda found: float((found.argmax(axis=1) == labels).mean())


def test_there_is_a_row_for_the_input_and_each_layer_but_softmax(network):
    graph, x = network
    found = reports(graph, x, Scheme())
    assert list(found) == ["input", *(node.name for node in graph.nodes[:-1])]


def test_ranges_are_those_of_the_float_model(network):
    graph, x = network
    found = reports(graph, x, Scheme(3, 3))
    y = x
    for name, node in zip(list(found)[1:], graph.nodes, strict=False):
        y = node.spec.run_float(node.weights, y)
        assert (found[name].low, found[name].high) == pytest.approx((y.min(), y.max()), rel=1e-6)


def test_noise_falls_by_some_6_db_a_bit(network):
    graph, x = network
    sqnr = [reports(graph, x, Scheme(bits, bits))["dense_6"].sqnr for bits in (4, 8, 12)]
    assert all(18 < after - before < 30 for before, after in pairwise(sqnr))


def test_sqnr_by_hand():
    builder = Builder((2,)).dense(2)
    x = builder.samples(BATCH + 3)  # more than a batch
    graph = builder.graph()
    qgraph = quantize_graph(graph, x)
    expected = graph.run(x)
    noise = qgraph.outputs_to_real(qgraph.run(x)) - expected
    [_, row] = analyze(graph, qgraph, x)
    assert row.sqnr == pytest.approx(10 * np.log10((expected**2).sum() / (noise**2).sum()), abs=1e-3)


def test_the_clipped_share():
    builder = Builder((1,)).dense(1)
    graph = replace(builder.graph(), nodes=(builder.nodes[0].with_weights(kernel=np.ones((1, 1)), bias=np.zeros(1)),))
    x = np.arange(-50, 50)[:, np.newaxis] + 0.25
    formats = calibrated(graph, x, LOOSE)
    name = graph.nodes[0].name
    qgraph = integer_graph(graph, LOOSE, replace(formats, outputs={name: Format(8, True, 0.25)}))
    [_, row] = analyze(graph, qgraph, x)
    beyond = (x < -32.125) | (x > 31.875)
    assert row.clipped == beyond.mean()


def test_only_the_layer_that_is_coarse_loses_accuracy_alone(network):
    graph, x = network
    coarse = replace(LOOSE, layers={"dense_4": LayerBits(2, 2)})
    found = reports(graph, x, coarse, agreement(graph, x))
    assert found["dense_4"].lost > 0.1
    assert all(row.lost == 0 for name, row in found.items() if name != "dense_4")


def test_without_a_judge_nothing_is_lost(network):
    graph, x = network
    assert all(row.lost is None for row in reports(graph, x, Scheme()).values())


def test_layers_in_floating_point_lose_nothing(network):
    graph, x = network
    partial = Scheme(3, 3, floating=frozenset(["conv2d_0"]))
    found = reports(graph, x, partial, agreement(graph, x))
    assert found["conv2d_0"].lost == 0
    assert found["conv2d_0"].clipped == 0
    assert found["conv2d_0"].sqnr > 100
    assert found["dense_4"].sqnr < 30
