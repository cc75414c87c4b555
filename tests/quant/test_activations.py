"""Activations as tables, PReLU and softmax in integers, against loops over Python's own numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.quant.fixed import Format
from dnn2fpga.quant.ops.add import Add
from dnn2fpga.quant.ops.base import Setting
from dnn2fpga.quant.ops.prelu import PReLU
from dnn2fpga.quant.ops.rectifiers import ELU, SELU, LeakyReLU
from dnn2fpga.quant.ops.relu import BentReLU, ReLU
from dnn2fpga.quant.ops.row_softmax import RowSoftmax
from dnn2fpga.quant.ops.smooth import Exponential, Gelu, HardSigmoid, HardSilu, Silu, Softplus, Softsign
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.quantize import quantize_graph
from dnn2fpga.quant.scheme import Scheme

from ..networks import Builder


def setting(i, shape, bits=8, *, power_of_two=False, symmetric=True):
    return Setting(i, shape, shape, bits, power_of_two, last=False, symmetric=symmetric)


def elu(x, alpha=1.0):
    return x if x > 0 else alpha * (math.exp(x) - 1)


def hard_sigmoid(x):
    return min(max(x + 3, 0), 6) / 6


def by_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FUNCTIONS = {
    LeakyReLU(0.1): lambda x: x if x > 0 else 0.1 * x,
    ELU(0.7): lambda x: elu(x, 0.7),
    SELU(): lambda x: 1.05070098 * elu(x, 1.67326324),
    BentReLU(): lambda x: min(max(x, 0), 6),
    BentReLU(None, 0.0, 1.0): lambda x: x if x > 1 else 0,
    BentReLU(2.0, 0.25, 0.5): lambda x: min(x, 2) if x > 0.5 else 0.25 * (x - 0.5),
    Softplus(): lambda x: math.log(1 + math.exp(x)),
    Softsign(): lambda x: x / (1 + abs(x)),
    HardSigmoid(): hard_sigmoid,
    HardSilu(): lambda x: x * hard_sigmoid(x),
    Silu(): lambda x: x / (1 + math.exp(-x)),
    Gelu(): lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    Gelu(approximate=True): by_tanh,
    Exponential(): math.exp,
}
TABLES = [pytest.param(spec, function, id=str(spec)) for spec, function in FUNCTIONS.items()]


@pytest.mark.parametrize("scheme", [{}, {"symmetric": False}, {"power_of_two": True}], ids=str)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("spec", "function"), TABLES)
def test_tables_hold_the_function_in_the_format_of_its_range(spec, function, signed, scheme):
    i = Format(7, signed, 0.11)
    node = spec.quantize(Node("a", spec), setting(i, (128,), **scheme))
    q = np.arange(i.minimum, i.maximum + 1)
    expected = [function(v * 0.11) for v in q.tolist()]
    found = node.o.dequantize(node.run(q[np.newaxis])[0])
    # Within half a step, a whole one where the zero point's own rounding moved an end.
    bound = (0.5 if scheme.get("symmetric", True) else 1.0) * node.o.scale
    assert np.abs(found - expected).max() <= bound + 1e-7
    assert node.o.signed == (min(expected) < -1e-7 and scheme.get("symmetric", True))
    reach = max(max(expected) - min(0.0, *expected) if "symmetric" in scheme else np.abs(expected).max(), 1e-9)
    if not isinstance(spec, HardSigmoid):
        steps = node.o.maximum if "symmetric" not in scheme else 255
        assert reach / steps * (1 - 1e-6) <= node.o.scale <= reach / steps * (2 if "power_of_two" in scheme else 1.01)


def test_ties_of_a_table_go_up():
    i = Format(4, True, 0.5)
    node = LeakyReLU(0.5).quantize(Node("a", LeakyReLU(0.5)), setting(i, (16,), 4))
    q = np.arange(-8, 8)
    assert node.o == i
    assert node.run(q).tolist() == [v if v >= 0 else math.floor(v / 2 + 0.5) for v in q.tolist()]


def test_the_output_of_exp_is_calibrated():
    builder = Builder((4,)).add(Exponential())
    x = np.linspace(-100, 2, 40).reshape(10, 4)
    qgraph = quantize_graph(builder.dense(2).graph(), x)
    assert qgraph.nodes[0].o.maximum * qgraph.nodes[0].o.scale == pytest.approx(math.exp(2))
    assert qgraph.nodes[0].run(np.array([127])).tolist() == [255]


@pytest.mark.parametrize(
    ("spec", "reach"),
    [
        (BentReLU(), 6.0), (BentReLU(4.0, 0.0, 1.0), 4.0), (BentReLU(1.0, 0.0, 4.0), math.inf),
        (BentReLU(None), math.inf), (BentReLU(6.0, 0.1), math.inf), (HardSigmoid(), 3.0), (Softsign(), 255.0),
    ],
    ids=str,
)  # fmt: skip
def test_inputs_beyond_the_reach_change_nothing(spec, reach):
    assert spec.input_reach(8) == reach
    if reach != math.inf:
        ends, beyond = (spec.run_float({}, np.array([-1.0, 1.0]) * at) for at in (reach, 1000 * reach))
        assert np.abs(ends - beyond).max() <= 0.5 / 127


def test_the_lower_limit_of_relu6_is_fused_and_the_upper_one_is_the_end_of_the_format():
    builder = Builder((4, 4, 2)).conv(3, (2, 2)).add(BentReLU(0.5)).conv(2, (2, 2))
    qgraph = builder.quantized()
    first, limit, _ = qgraph.nodes
    assert first.spec.relu
    assert not first.o.signed
    assert first.o.maximum * first.o.scale == pytest.approx(0.5)
    assert limit.spec == ReLU()
    assert limit.i == limit.o == first.o
    x = builder.samples(4)
    real = Graph("a", builder.input_shape, builder.graph().nodes[:2]).run(x.astype(np.float32))
    found = next(q for node, q in qgraph.trace(x) if node is limit) * limit.o.scale
    assert np.abs(found - real).max() < 0.1
    assert real.max() == 0.5


def test_what_no_format_ends_is_limited_by_a_table():
    qgraph = Builder((4, 4, 2)).conv(3, (2, 2)).add(BentReLU(0.6)).conv(2, (2, 2)).quantized(power_of_two=True)
    first, limit, _ = qgraph.nodes
    assert first.o.maximum * first.o.scale > 0.6 + first.o.scale
    assert limit.spec == BentReLU(0.6)
    assert (limit.run(np.arange(256)) * limit.o.scale).max() <= 0.6 + limit.o.scale / 2


def test_limits_stay_where_another_layer_reads_the_sum_too():
    graph = Builder((4,)).dense(3).add(BentReLU(0.5)).graph()
    both = Node("both", Add(), inputs=tuple(node.name for node in graph.nodes))
    assert not Scheme().prepared(Graph("a", (4,), (*graph.nodes, both))).nodes[0].spec.relu


FORMATS = [Format(5, True, 0.3), Format(5, False, 0.3), Format(5, False, 0.3, 9.0), Format(5, False, 0.3, 31.0)]


@pytest.mark.parametrize("scheme", [{}, {"symmetric": False}, {"power_of_two": True}, {"bits": 16}], ids=str)
@pytest.mark.parametrize("i", FORMATS, ids=str)
@pytest.mark.parametrize("alpha", [[0.25, 0.1, 0.0], [-0.5, 1.5, 2.0], [-0.5, -0.1, -3.0]], ids=str)
def test_prelu(alpha, i, scheme):
    spec = PReLU()
    node = spec.quantize(Node("a", spec, {"alpha": np.array(alpha)}), setting(i, (3,), **scheme))
    q = np.arange(i.minimum, i.maximum + 1)
    found = node.run(np.stack([q] * 3, axis=1))
    shift, slopes = node.scalars["shift"], node.arrays["slope"].tolist()
    for channel, slope in enumerate(slopes):
        for v, y in zip(q.tolist(), found[:, channel].tolist(), strict=True):
            d = v - i.zero
            exact = Fraction(d * (slope if d < 0 else node.scalars["multiplier"]), 1 << shift) + node.o.zero
            assert y == max(node.o.minimum, min(node.o.maximum, math.floor(exact + Fraction(1, 2))))
    real = i.dequantize(q)[:, np.newaxis]
    expected = np.where(real < 0, real * alpha, real)
    bound = (0.51 if scheme.get("symmetric", True) else 1.01) * node.o.scale
    assert np.abs(node.o.dequantize(found) - expected).max() <= bound + np.abs(expected).max() * 2**-14


def test_prelu_of_a_sign_is_refused():
    spec = PReLU()
    with pytest.raises(Refusal, match=r"^layer 'a': a sign has no slope; give the layer before it 2 bits or more$"):
        spec.quantize(Node("a", spec, {"alpha": np.ones(1)}), setting(Format(1, True, 2.0, -0.5), (1,)))


@pytest.mark.parametrize(("length", "bits"), [(1, 8), (2, 8), (10, 8), (300, 8), (5, 16), (7, 3), (4, 1)])
@pytest.mark.parametrize("power_of_two", [False, True])
@pytest.mark.parametrize("scale", [0.001, 0.03, 0.3, 5.0])
def test_softmax_in_integers_is_within_a_step(length, bits, power_of_two, scale):
    i = Format(8, True, scale)
    spec = RowSoftmax()
    node = spec.quantize(Node("a", spec), setting(i, (2, length), bits, power_of_two=power_of_two))
    x = np.random.default_rng(0).integers(-128, 128, (50, 2, length))
    x[0], x[1, 0, 0] = 7, 127
    found = node.run(x)
    real = spec.run_float({}, i.dequantize(x))
    assert np.abs(found * node.o.scale - real).max() <= node.o.scale
    assert (found >= 0).all()
    assert found.max() <= node.o.maximum
    assert (np.take_along_axis(found, x.argmax(-1)[..., None], -1)[..., 0] == found.max(-1)).all()
    top, table = node.scalars["top"], node.arrays["table"].tolist()
    row = x[3, 1].tolist()
    e = [table[max(row) - v] for v in row]
    assert found[3, 1].tolist() == [math.floor(Fraction(v * top, sum(e)) + Fraction(1, 2)) for v in e]


def test_softmax_within_a_model_gives_probabilities_and_at_its_end_winners():
    builder = Builder((2, 3)).softmax().flatten().dense(4).softmax()
    x = builder.samples(20)
    qgraph = quantize_graph(builder.graph(), x)
    assert [node.spec.kind for node in qgraph.nodes] == ["row_softmax", "flatten", "dense", "softmax"]
    assert qgraph.nodes[2].o.bits == 16
    found = qgraph.outputs_to_real(qgraph.run(x))[:, :-1]
    assert np.abs(Softmax().run_float({}, found) - builder.graph().run(x.astype(np.float32))).max() < 0.02


def test_of_each_row_softmax_names_the_first_of_the_greatest():
    at = Setting(Format(8, True, 1.0), (1, 2, 3), (1, 2, 3), 8, power_of_two=False, last=True)
    node = Softmax().quantize(Node("a", Softmax()), at)
    assert node.output_shape == (1, 2, 4)
    assert node.run(np.array([[[[5, -7, 5], [-3, -2, -1]]]])).tolist() == [[[[5, -7, 5, 0], [-3, -2, -1, 2]]]]
