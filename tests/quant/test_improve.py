from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dnn2fpga.model.graph import Graph
from dnn2fpga.model.passes import simplify
from dnn2fpga.quant import improve
from dnn2fpga.quant.improve import correct_biases, equalize
from dnn2fpga.quant.quantize import calibrated, integer_graph
from dnn2fpga.quant.scheme import Scheme

from ..networks import Builder

COARSE = Scheme(weight_bits=4, activation_bits=4)


def convolutions() -> Builder:
    """Every layer that equalization sees through: pools, ReLUs fused and not, flatten."""
    net = Builder((11, 10, 2)).conv(3, (3, 3)).pool((2, 2), (1, 1)).relu().conv(4, (2, 2), padding="same").relu()
    return net.pool((2, 2), (2, 2), padding="same").flatten().dense(6).dense(5)


def dense_layers() -> Builder:
    return Builder((8,)).dense(16).relu().dense(16).relu().dense(4)


def unequal(builder: Builder) -> Graph:
    """The network of the builder, simplified, with channels up to a thousand times greater than others."""
    graph = simplify(builder.graph())
    return replace(graph, nodes=tuple(scaled(node, 1000) if node.spec.has_kernel else node for node in graph.nodes))


def scaled(node, most):
    kernel, bias = node.weights["kernel"], node.weights["bias"]
    factor = np.geomspace(1, most, kernel.shape[-1])
    return node.with_weights(kernel=kernel * factor, bias=bias * factor)


def kernels(graph: Graph) -> list[np.ndarray]:
    return [np.asarray(node.weights["kernel"]) for node in graph.nodes if node.spec.has_kernel]


def biases(graph: Graph) -> list[np.ndarray]:
    return [np.asarray(node.weights["bias"]) for node in graph.nodes if node.spec.has_kernel]


# Equalization.


@pytest.mark.parametrize("builder", [convolutions(), dense_layers()], ids=["convolutions", "dense"])
def test_equalization_keeps_the_function(builder):
    graph, samples = unequal(builder), builder.samples(20)
    result = equalize(graph)
    expected = graph.run(samples)
    assert np.abs(result.run(samples) - expected).max() < 1e-12 * np.abs(expected).max()
    assert not np.array_equal(kernels(result)[0], kernels(graph)[0])


@pytest.mark.parametrize("builder", [convolutions(), dense_layers()], ids=["convolutions", "dense"])
def test_equalized_channels_reach_as_far_on_both_sides(builder):
    for first, second in pairwise(kernels(equalize(unequal(builder)))):
        channels = first.shape[-1]
        going_in = np.abs(first.reshape(-1, channels)).max(axis=0)
        going_out = np.abs(second.reshape(-1, channels, second.shape[-1])).max(axis=(0, 2))
        assert going_in == pytest.approx(going_out, rel=0.03)


def test_equalization_helps_one_scale_a_layer():
    builder = dense_layers()
    graph, samples = unequal(builder), builder.samples(200)
    scheme = replace(COARSE, per_channel=False)

    def error(graph):
        qgraph = integer_graph(graph, scheme, calibrated(graph, samples, scheme))
        return np.mean((qgraph.outputs_to_real(qgraph.run(samples)) - graph.run(samples)) ** 2)

    assert error(equalize(graph)) < 0.5 * error(graph)


def test_nothing_is_scaled_across_tanh():
    builder = Builder((6,)).dense(5).tanh().dense(4).relu().dense(3)
    graph = unequal(builder)
    before, after = kernels(graph), kernels(equalize(graph))
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


@pytest.mark.parametrize("side", [0, 1])
def test_dead_channels_stay(side):
    graph = unequal(dense_layers())
    kernels(graph)[side][(slice(None), 3) if side == 0 else (3, slice(None))] = 0
    result = equalize(graph)
    assert all(np.isfinite(kernel).all() for kernel in kernels(result))
    assert np.array_equal(kernels(result)[0][:, 3], kernels(graph)[0][:, 3])
    assert biases(result)[0][3] == biases(graph)[0][3]


def test_types_and_shapes_stay():
    graph = simplify(convolutions().graph())
    nodes = (
        node.with_weights(**{name: weight.astype(np.float32) for name, weight in node.weights.items()})
        for node in graph.nodes
    )
    graph = replace(graph, nodes=tuple(nodes))
    for before, after in zip(graph.nodes, equalize(graph).nodes, strict=True):
        assert {k: (w.shape, w.dtype) for k, w in before.weights.items()} == {
            k: (w.shape, w.dtype) for k, w in after.weights.items()
        }


# Bias correction.


def offsets_of_outputs(builder: Builder, scheme: Scheme, *, corrected: bool) -> np.ndarray:
    """The mean error of each output, in steps, over the samples of calibration."""
    graph, samples = simplify(builder.graph()), builder.samples(300)
    formats = calibrated(graph, samples, scheme)
    last = graph.nodes[-1].name
    wide = replace(formats.outputs[last], scale=4 * formats.outputs[last].scale)  # quantized outputs reach further
    formats = replace(formats, outputs={**formats.outputs, last: wide})
    qgraph = integer_graph(graph, scheme, formats)
    if corrected:
        qgraph = integer_graph(correct_biases(graph, qgraph, samples), scheme, formats)
    error = (qgraph.outputs_to_real(qgraph.run(samples)) - graph.run(samples)).mean(axis=0)
    return np.abs(error) / qgraph.o.scale


SCHEMES = {
    "symmetric": COARSE,
    "asymmetric": replace(COARSE, symmetric=False),
    "power of two": replace(COARSE, power_of_two=True),
    "one scale": replace(COARSE, per_channel=False),
    "ternary": replace(COARSE, weight_bits=2),
    "binary": replace(COARSE, weight_bits=1),
    "clipped": replace(COARSE, calibration="banner"),
}


@pytest.mark.parametrize("builder", [convolutions, dense_layers])
@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_outputs_are_right_on_average(builder, scheme):
    """The mean error of the last layer is gone, whatever all layers do: outputs have 16 bits, so it is seen."""
    assert offsets_of_outputs(builder(), scheme, corrected=False).max() > 10
    assert offsets_of_outputs(builder(), scheme, corrected=True).max() < 2


def test_layers_in_floating_point_are_no_hindrance():
    scheme = replace(COARSE, floating=frozenset({"dense_2"}))
    assert offsets_of_outputs(dense_layers(), scheme, corrected=False).max() > 10
    assert offsets_of_outputs(dense_layers(), scheme, corrected=True).max() < 2


def test_the_correction_is_that_of_the_sums_before_the_relu():
    """Of one layer, it is the mean input times the weights, less what quantization makes of both."""
    builder = Builder((8,)).dense(5).relu()
    graph, samples = simplify(builder.graph()), builder.samples(50)
    formats = calibrated(graph, samples, COARSE)
    qgraph = integer_graph(graph, COARSE, formats)
    weights = qgraph.nodes[0].arrays["kernel"] * formats.weight_scales[graph.nodes[0].name]
    inputs = qgraph.i.dequantize(qgraph.quantize_input(samples))
    expected = samples.mean(axis=0) @ kernels(graph)[0] - inputs.mean(axis=0) @ weights
    added = biases(correct_biases(graph, qgraph, samples))[0] - biases(graph)[0]
    assert added == pytest.approx(expected, abs=1e-4)  # multipliers have 16 bits, samples are taken in float32
    assert np.abs(added).max() > 0.01


def test_only_biases_change():
    builder = convolutions()
    graph, samples = simplify(builder.graph()), builder.samples(20)
    qgraph = integer_graph(graph, COARSE, calibrated(graph, samples, COARSE))
    result = correct_biases(graph, qgraph, samples)
    assert all(np.array_equal(a, b) for a, b in zip(kernels(result), kernels(graph), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(biases(result), biases(graph), strict=True))


def test_the_correction_does_not_depend_on_batches(monkeypatch):
    builder = dense_layers()
    graph, samples = simplify(builder.graph()), builder.samples(50)
    qgraph = integer_graph(graph, COARSE, calibrated(graph, samples, COARSE))
    whole = biases(correct_biases(graph, qgraph, samples))
    monkeypatch.setattr(improve, "BATCH", 7)
    parts = biases(correct_biases(graph, qgraph, samples))
    assert all(a == pytest.approx(b, rel=1e-9) for a, b in zip(whole, parts, strict=True))
