"""Training sees what pools over everything, or moves values, as the integers have it."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from dnn2fpga.quant.qat_model import FakeQuantized
from dnn2fpga.quant.quantize import calibrated, integer_graph
from dnn2fpga.quant.scheme import Scheme

from ..networks import Builder

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NEEDED = "training needs TensorFlow: pip install 'dnn2fpga[keras]'"
pytest.importorskip("tensorflow", reason=NEEDED)
keras = pytest.importorskip("keras", reason=NEEDED)

X = np.random.default_rng(0).uniform(-1, 1, (40, 6, 5, 2)).astype(np.float32)


def moving_net():
    """Every kind that moves values, between sums of products."""
    net = (
        Builder((6, 5, 2), seed=3).zeros(((1, 0), (2, 1)), (1, 2)).conv(3, (3, 3)).repeat((2, 1)).crop(((1, 2), (0, 3)))
    )
    return net.permute(2, 3, 1).reshape(-1, 3).conv(4, (1, 2))


NETS = {
    "average": lambda: moving_net().global_average().dense(3),
    "average keepdims": lambda: moving_net().relu().global_average(keepdims=True).flatten().dense(3),
    "max": lambda: moving_net().global_max().dense(3),
    "max keepdims": lambda: moving_net().global_max(keepdims=True).flatten().dense(3),
}


def made(name, scheme, **settings):
    graph = scheme.prepared(NETS[name]().graph())
    nodes = (
        node.with_weights(bias=np.round(node.weights["bias"] * 16) / 16) if node.weights else node
        for node in graph.nodes
    )
    graph = replace(graph, nodes=tuple(nodes))
    formats = calibrated(graph, X, scheme)
    return graph, formats, FakeQuantized(keras, graph, scheme, formats, dorefa=False, **settings)


@pytest.mark.parametrize("scheme", [{}, {"symmetric": False}, {"activation_bits": 1, "sign": True}], ids=str)
@pytest.mark.parametrize("name", NETS)
def test_the_traced_model_gives_what_the_integers_stand_for(name, scheme):
    """All scales are powers of two, and biases take few bits, so that float32 is exact; `==` behind every layer."""
    scheme = Scheme(**{"weight_bits": 4, "activation_bits": 5, "power_of_two": True, **scheme})
    if scheme.sign and "relu" in [node.spec.kind for node in NETS[name]().nodes]:
        pytest.skip("there is no ReLU behind a sign")
    graph, formats, fake = made(name, scheme, learn_scales=False)
    different = []
    for (node, q), real in zip(integer_graph(graph, scheme, formats).trace(X), fake.trace(X), strict=True):
        expected = node.o.dequantize(q)
        assert (np.array(real) == expected).all(), node.name
        different.append(len(np.unique(expected)))
    assert min(different[:7]) > 1  # the greatest of all may always be the greatest there is


@pytest.mark.parametrize("name", ["average", "average keepdims"])
def test_an_average_is_rounded_to_the_scale_that_is_trained(name):
    scheme = Scheme(weight_bits=8, activation_bits=6)
    _, _, fake = made(name, scheme, learn_scales=True)
    assert len({id(variable) for variable in fake.variables}) == len(fake.variables)
    for variable in fake.variables:
        if len(variable.shape) == 0:  # the logarithm of a growth
            variable.assign(0.3)
    graph, formats = fake.tuned()
    steps = 0
    for (node, q), real in zip(integer_graph(graph, scheme, formats).trace(X), fake.trace(X), strict=True):
        if node.spec.kind == "global_average_pool":
            found = np.array(real) / node.o.scale + node.o.zero_point
            np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
            # Rounded sums before it are on the other side of a tie now and then.
            assert np.mean(np.rint(found) != q) < 0.02
            steps = len(np.unique(q))
    assert steps > 2
