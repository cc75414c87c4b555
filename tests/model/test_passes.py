from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.batch_norm import BatchNormalization
from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.model.passes import check_weights, fold_batch_norm, fold_relu, simplify
from dnn2fpga.quant.ops.add import Add
from dnn2fpga.quant.ops.affine import Affine, standing_alone
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.window import Window


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def conv(name="conv", filters=4, channels=2, relu=False):
    weights = {"kernel": random(3, 3, channels, filters), "bias": random(filters)}
    return Node(name, Conv2D(filters, Window((3, 3)), relu), weights)


def dense(name="dense", features=36, units=3):
    return Node(name, Dense(units), {"kernel": random(features, units), "bias": random(units)})


def norm(name="norm", channels=4, scale=True, center=True, inputs=()):
    weights = {
        "gamma": random(channels, seed=1),
        "beta": random(channels, seed=2),
        "moving_mean": random(channels, seed=3),
        "moving_variance": np.abs(random(channels, seed=4)),
    }
    spec = BatchNormalization(1e-3, scale=scale, center=center)
    return Node(name, spec, {key: weights[key] for key in spec.weight_shapes((channels,))}, inputs)


def graph(*nodes):
    return Graph("net", (5, 5, 2), nodes)


def names(graph):
    return [node.name for node in graph.nodes]


def assert_same(a, b):
    x = random(7, 5, 5, 2)
    np.testing.assert_allclose(a.run(x), b.run(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("center", [False, True])
def test_batch_norm_is_folded(scale, center):
    before = graph(conv(), norm(scale=scale, center=center), Node("relu", ReLU()), Node("flatten", Flatten()), dense())
    after = fold_batch_norm(before)
    assert names(after) == ["conv", "relu", "flatten", "dense"]
    assert after.nodes[0].weights["kernel"].dtype == np.float32
    assert_same(before, after)


def test_batch_norm_is_folded_into_dense():
    before = graph(Node("flatten", Flatten()), dense(features=50), norm(channels=3))
    after = fold_batch_norm(before)
    assert names(after) == ["flatten", "dense"]
    assert_same(before, after)


def test_batch_norm_is_folded_into_a_scale_shared_by_all_channels():
    scale = Node("scale", Affine(shared=True), {"kernel": random(1, 1), "bias": random(1)})
    before = graph(scale, norm(channels=2))
    after = simplify(before)  # which checks the shapes of what it made
    assert names(after) == ["scale"]
    assert_same(before, after)


def test_batch_norms_in_a_row_are_folded():
    before = graph(conv(), norm("a"), norm("b"))
    after = fold_batch_norm(before)
    assert names(after) == ["conv"]
    assert_same(before, after)


@pytest.mark.parametrize(
    "nodes",
    [
        [norm(channels=2)],
        [conv(), Node("relu", ReLU()), norm()],
        [conv(relu=True), norm()],
        [conv(), Node("pool", MaxPool2D(Window((2, 2)))), norm()],
        [conv(), norm(inputs=("conv",)), Node("sum", Add(), inputs=("conv", "norm"))],
    ],
)
def test_batch_norm_that_follows_no_kernel_of_its_own_stays(nodes):
    before = graph(*nodes)
    assert "norm" in names(simplify(before))
    after = standing_alone(before)
    assert all(node.spec.kind != "batch_normalization" for node in after.nodes)
    assert_same(before, after)


def test_what_is_read_by_others_too_is_not_melted():
    before = graph(conv(), Node("relu", ReLU()), Node("sum", Add(), inputs=("conv", "relu")))
    assert fold_relu(before) == before


def test_readers_of_what_is_melted_read_what_it_became():
    before = graph(conv(), norm("a"), Node("relu", ReLU(), inputs=("a",)), Node("sum", Add(), inputs=("a", "relu")))
    after = simplify(before)
    assert [(node.name, node.inputs) for node in after.nodes[1:]] == [("relu", ("conv",)), ("sum", ("conv", "relu"))]
    assert_same(before, after)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Node("relu", ReLU(), inputs=("conv",))], "layer 'relu': it reads 'conv', which no layer before it is called"),
        ([conv(), Node("relu", ReLU(), inputs=("/input",))], "layer 'conv': no layer behind it reads it; leave it out"),
    ],
)
def test_links_that_lead_nowhere_are_refused(nodes, message):
    with pytest.raises(Refusal, match=message):
        graph(*nodes)


def test_relu_is_folded():
    before = graph(conv(), Node("relu", ReLU()), Node("flatten", Flatten()), dense(), Node("last", ReLU()))
    after = fold_relu(before)
    assert names(after) == ["conv", "flatten", "dense"]
    assert [node.spec.relu for node in (after.nodes[0], after.nodes[2])] == [True, True]
    assert before.nodes[0].spec.relu is False
    assert_same(before, after)


def test_relu_after_relu_is_folded():
    assert names(fold_relu(graph(conv(relu=True), Node("again", ReLU())))) == ["conv"]


def test_relu_that_follows_no_sum_stays():
    before = graph(Node("first", ReLU()), conv(), Node("pool", MaxPool2D(Window((2, 2)))), Node("relu", ReLU()))
    after = fold_relu(before)
    assert after == before


def test_simplify_does_it_all():
    before = graph(conv(), norm(), Node("relu", ReLU()), Node("flatten", Flatten()), dense())
    after = simplify(before)
    assert names(after) == ["conv", "flatten", "dense"]
    assert_same(before, after)


@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "infinite values"), (-np.inf, "infinite")])
def test_weights_that_are_not_finite_are_refused(value, text):
    node = conv()
    kernel = node.weights["kernel"].copy()
    kernel[0, 0, 0, :2] = value
    with pytest.raises(Refusal, match=rf"^layer 'conv': kernel holds {text}.* \(2 of 72 values\); every weight must"):
        check_weights(graph(node.with_weights(kernel=kernel)))


def test_batch_norm_that_spoils_the_weights_is_refused():
    bad = norm().with_weights(moving_variance=np.full(4, -1, np.float32))
    with pytest.raises(Refusal, match=r"^layer 'norm': moving_variance holds negative values"):
        simplify(graph(conv(), bad))
