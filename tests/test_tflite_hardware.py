"""Models from `.tflite` files in hardware: it gives the integers of the reference, bent lines and all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dnn2fpga as d2f
from dnn2fpga.flow.engines import Pysim, Stalls

from .quant.tflite.operators import OPERATORS, Random, placed


class Limited(Random):
    """A maker whose operators all have a fused ReLU6."""

    def fused(self):
        return {"FusedActivationFunction": 3}


def network(m):
    """A convolution, a branch and its end, pooling, a dense layer, softmax."""
    x = m.activation((5, 4, 2))
    conv = {"StrideH": 1, "StrideW": 1, "Padding": 0}
    y = m.activation((5, 4, 3), 0.3)
    y = m.operator("CONV_2D", [x, m.weights((3, 3, 3, 2), 3, 0), m.bias(3)], y, **conv, **m.fused())
    y = m.operator("ADD", [y, m.operator("TANH", [y], m.activation((5, 4, 3)))], m.activation((5, 4, 3)))
    pool = {"StrideH": 2, "StrideW": 2, "Padding": 0, "FilterHeight": 3, "FilterWidth": 3}
    pooled = m.like(y, (*placed((5, 4), (3, 3), pool), 3))
    y = m.operator("AVERAGE_POOL_2D", [y], pooled, **pool, FusedActivationFunction=0)
    w = m.tensor((4, 18), 0.01, data=m.rng.integers(-127, 128, (4, 18)))
    y = m.operator("FULLY_CONNECTED", [y, w, m.bias(4)], m.activation((4,)), **m.fused())
    return x, m.operator("SOFTMAX", [y], m.tensor((1, 4), 1 / 256, -128), Beta=1.0)


def read(build, maker, path, images=4):
    """The integer model of what `build` adds to `maker`, and int8 inputs for it."""
    x, y = build(maker)
    (path / "model.tflite").write_bytes(maker.bytes([x], [y]))
    q = maker.rng.integers(-128, 128, (images, *maker.tensors[x]["shape"][1:])).astype(np.int8)
    q[0] = np.where(q[0] < 0, -128, 127)
    return d2f.from_tflite(path / "model.tflite"), q


def check(qgraph, q):
    """With pauses at both ends, which must change nothing."""
    result = d2f.Design(qgraph).simulate(q, Pysim(), stalls=Stalls(0.2, 0.3))
    assert result.outputs.tolist() == qgraph.run_integers(qgraph.quantize_input(q)).tolist()


def straightened(qgraph):
    """The model of one layer without the bend of its lines."""
    [node] = qgraph.nodes
    return replace(qgraph, nodes=(replace(node, arrays={**node.arrays, "offset_below": node.arrays["offset"]}),))


@pytest.mark.parametrize("maker", [Random, Limited])
@pytest.mark.parametrize(
    "name",
    ["conv", "depthwise", "dense", "average", "max", "mean", "add", "mul", "add_constant", "mul_constant", "softmax"],
)
def test_an_operator_in_hardware_gives_its_integers(name, maker, tmp_path):
    check(*read(OPERATORS[name], maker(0), tmp_path))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["conv_with_ties", "dense_with_ties"])
def test_ties_below_zero_are_bent_in_hardware_too(name, seed, tmp_path):
    qgraph, q = read(OPERATORS[name], Random(seed), tmp_path, images=20)
    assert (straightened(qgraph).run(q) != qgraph.run(q)).any()
    check(qgraph, q)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_in_hardware_gives_its_integers(seed, tmp_path):
    check(*read(network, Random(seed), tmp_path))
