"""Layers in floating point, and converters, against loops over an independent oracle's own numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.graph import Node
from dnn2fpga.quant.description import load, save
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.floating import FloatFormat
from dnn2fpga.quant.graph import QGraph
from dnn2fpga.quant.ops.base import Setting
from dnn2fpga.quant.ops.conv2d import Conv2D, FloatConv2D
from dnn2fpga.quant.ops.convert import to_float_node, to_integer_node
from dnn2fpga.quant.ops.dense import Dense, FloatDense
from dnn2fpga.quant.ops.float_mac import float_node
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.window import Window

from ..hw.floating.floats import FORMATS, TYPES, coded, edges, typed
from .specs import SPECS

by_name = pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)


def node_of(spec, fmt, shape, rng, *, i=None):
    weights = {name: rng.normal(size=size) for name, size in spec.weight_shapes(shape).items()}
    at = Setting(i or fmt, shape, spec.output_shape(shape), 8, False, False)
    return float_node(Node("a", spec, weights), spec.as_float(), at, fmt)


def naive_sum(row, kernel, bias, fmt):
    """One sum of products in the documented order, one operation of the oracle's at a time."""
    partials = [TYPES[fmt.name](0)] * 8
    for k, (x, w) in enumerate(zip(row, kernel, strict=True)):
        partials[k % 8] = partials[k % 8] + x * w
    total = bias
    for partial in partials:
        total = total + partial
    return total


@by_name
@pytest.mark.parametrize("features", [1, 5, 8, 21])
@pytest.mark.parametrize("relu", [False, True])
def test_dense_adds_in_its_one_order(fmt, features, relu):
    rng = np.random.default_rng(features)
    node = node_of(Dense(3, relu), fmt, (features,), rng)
    x = np.concatenate([fmt.quantize(rng.normal(size=(6, features))), rng.choice(edges(fmt), (20, features))])
    kernel, bias = typed(node.arrays["kernel"], fmt), typed(node.arrays["bias"], fmt)
    with np.errstate(all="ignore"):
        rows = [[naive_sum(typed(row, fmt), kernel[:, c], bias[c], fmt) for c in range(3)] for row in x]
        expected = coded(np.array(rows, TYPES[fmt.name]), fmt)
    if relu:
        expected = np.maximum(expected, 0)
    assert node.run(x).tolist() == expected.tolist()
    assert node.o == FloatFormat(fmt.name, signed=not relu)
    assert isinstance(node.spec, FloatDense)


@by_name
def test_conv2d_is_dense_on_each_window(fmt):
    rng = np.random.default_rng(1)
    i = FloatFormat(fmt.name, signed=False)
    spec = Conv2D(4, Window((2, 3), (1, 2), "same"), relu=True)
    node = node_of(spec, fmt, (5, 6, 3), rng, i=i)
    x = i.quantize(rng.uniform(0, 1, (2, 5, 6, 3)))
    windows = spec.placement((5, 6, 3)).extract(x, 0)
    dense = node_of(Dense(4, relu=True), fmt, (18,), rng, i=i)
    dense = type(dense)(dense.name, dense.spec, (18,), (4,), i, node.o, node.arrays, node.scalars)
    assert isinstance(node.spec, FloatConv2D)
    assert (node.run(x) == dense.run(windows.reshape(-1, 18)).reshape(node.run(x).shape)).all()


def test_relu_and_pooling_take_codes():
    fmt = FloatFormat("bfloat16")
    x = fmt.quantize(np.array([-2.0, -0.0, 0.0, 3.0, -np.inf, np.inf, 1e-40, -1e-40]).reshape(1, 2, 4, 1))
    at = Setting(fmt, (2, 4, 1), (2, 4, 1), 8, False, False)
    relu = ReLU().quantize(Node("r", ReLU(), {}), at)
    assert relu.o == FloatFormat("bfloat16", signed=False)
    assert (relu.o.dequantize(relu.run(x)) == np.maximum(fmt.dequantize(x), 0)).all()
    spec = MaxPool2D(Window((2, 2), (2, 2)))
    pool = spec.quantize(Node("p", spec, {}), at)
    assert pool.o.dequantize(pool.run(x)).reshape(-1).tolist() == [np.inf, 3.0]


def test_a_weight_beyond_the_format_is_refused():
    node = Node("big", Dense(1), {"kernel": np.array([[7e4]]), "bias": np.zeros(1)})
    at = Setting(FloatFormat("float16"), (1,), (1,), 8, False, False)
    with pytest.raises(Refusal, match="layer 'big': its kernel holds 70000, beyond float16"):
        float_node(node, node.spec.as_float(), at, FloatFormat("float16"))


INTEGERS = [Format(8, False, 0.3, 17.0), Format(16, True, 2.0**-9), Format(1, True, 0.7, -0.5), Format(3, True, 0.01)]


@by_name
@pytest.mark.parametrize("i", INTEGERS, ids=str)
def test_to_float_rounds_twice(fmt, i):
    node = to_float_node("a", (1,), i, fmt)
    q = np.arange(i.minimum, i.maximum + 1)
    as_type = TYPES[fmt.name]
    with np.errstate(over="ignore"):
        expected = coded((q - i.zero_point).astype(as_type) * np.float64(i.scale).astype(as_type), fmt)
    assert node.run(q[:, np.newaxis])[:, 0].tolist() == expected.tolist()
    assert node.o.signed == (i.zero_point > i.minimum)


@by_name
@pytest.mark.parametrize("o", INTEGERS, ids=str)
def test_to_integer_rounds_half_up_and_clamps(fmt, o):
    node = to_integer_node("a", (1,), fmt, o)
    rng = np.random.default_rng(1)
    near = (rng.integers(2 * o.minimum - 4, 2 * o.maximum + 5, 2000) / 2 - o.zero_point) * o.scale
    codes = np.concatenate([edges(fmt), fmt.quantize(near), fmt.quantize(near) + 1, fmt.quantize(near) - 1])
    with np.errstate(all="ignore"):
        values = (typed(codes, fmt) * np.float64(1 / o.scale).astype(TYPES[fmt.name])).astype(np.float64)
    expected = []
    for value in values.tolist():
        if math.isnan(value):
            expected.append(o.maximum)
        elif math.isinf(value):
            expected.append(o.maximum if value > 0 else o.minimum)
        else:
            rounded = math.floor(Fraction(value) + Fraction(o.zero_point) + Fraction(1, 2))
            expected.append(min(max(rounded, o.minimum), o.maximum))
    assert node.run(codes[:, np.newaxis])[:, 0].tolist() == expected


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_a_scale_beyond_the_format_is_refused(scale):
    with pytest.raises(Refusal, match="beyond float16"):
        to_float_node("a", (1,), Format(8, True, scale), FloatFormat("float16"))
    with pytest.raises(Refusal, match="beyond float16"):
        to_integer_node("a", (1,), FloatFormat("float16"), Format(8, True, scale))


def test_survives_the_disk(tmp_path):
    rng = np.random.default_rng(1)
    integer, fmt = Format(8, False, 0.1, 3.0), FloatFormat("bfloat16")
    spec = Conv2D(2, Window((2, 2)), relu=True)
    first = to_float_node("in", (3, 3, 2), integer, fmt)
    conv = node_of(spec, fmt, (3, 3, 2), rng, i=first.o)
    last = to_integer_node("out", (2, 2, 2), conv.o, Format(5, True, 0.2))
    qgraph = QGraph("net", (first, conv, last))
    save(qgraph, tmp_path / "q")
    back = load(tmp_path / "q", SPECS)
    assert [(node.spec, node.i, node.o) for node in back.nodes] == [(n.spec, n.i, n.o) for n in qgraph.nodes]
    x = rng.uniform(0, 20, (5, 3, 3, 2))
    assert (back.run(x) == qgraph.run(x)).all()
    assert 8 * 2 * 16 < conv.stored_bits <= 8 * 2 * 16 + 2 * 16


def test_a_format_that_is_neither_is_refused(tmp_path):
    save(QGraph("net", (to_float_node("in", (3,), Format(8, False, 0.1), FloatFormat("bfloat16")),)), tmp_path / "q")
    path = tmp_path / "q" / "model.json"
    path.write_text(path.read_text().replace("bfloat16", "bfloat61"))
    with pytest.raises(Refusal, match="must be one of float32, bfloat16, float16, not 'bfloat61'"):
        load(tmp_path / "q", SPECS)
    path.write_text(path.read_text().replace('"name": "bfloat61"', '"name": 16'))
    with pytest.raises(Refusal, match=r"layers\[0\].o.name must be a string, not 16"):
        load(tmp_path / "q", SPECS)
