"""Zeros around an image become the border of the window behind them."""

from __future__ import annotations

import numpy as np
import pytest

from dnn2fpga.model.graph import Graph, Node
from dnn2fpga.model.passes import fold_zeros, simplify
from dnn2fpga.quant.ops.add import Add

from ..networks import Builder

MARGINS = ((1, 2), (0, 1))


def same(before, after):
    x = np.random.default_rng(0).normal(size=(3, *before.input_shape))
    np.testing.assert_allclose(before.run(x), after.run(x), atol=1e-12)
    assert before.output_shape == after.output_shape


def test_zeros_become_the_border_of_a_convolution():
    before = Builder((5, 4, 2)).relu().zeros(MARGINS).conv(3, (3, 2), (2, 2)).relu().graph()
    after = simplify(before)
    assert [node.name for node in after.nodes] == ["relu_0", "conv2d_2"]
    assert after.nodes[1].spec.window.border == MARGINS
    assert after.nodes[1].inputs == ("relu_0",)
    same(before, after)


def test_zeros_at_the_start_of_a_model():
    before = Builder((6, 2)).zeros(((0, 0), (2, 0))).conv(3, (1, 3)).graph()
    assert [node.name for node in fold_zeros(before).nodes] == ["conv2d_1"]
    same(before, fold_zeros(before))


@pytest.mark.parametrize(
    "behind",
    [
        lambda net: net.conv(3, (2, 2), padding="same"),
        lambda net: net.pool((2, 2), (2, 2)),
        lambda net: net.conv(3, (2, 2)),
        lambda net: net.average((2, 2), (2, 2)),
        lambda net: net.flatten().dense(2),
    ],
)
def test_zeros_stay_where_padding_is_something_else(behind):
    before = behind(Builder((5, 4, 2)).zeros(MARGINS)).graph()
    assert fold_zeros(before) == before


def test_zeros_between_pixels_stay():
    before = Builder((5, 4, 2)).zeros(MARGINS, (1, 2)).conv(3, (2, 2)).graph()
    assert fold_zeros(before) == before


def test_zeros_that_others_read_too_stay():
    net = Builder((5, 4, 2)).zeros(MARGINS).conv(3, (2, 2))
    zeros, conv = net.nodes
    other = Node("other", conv.spec, conv.weights, inputs=(zeros.name,))
    both = Node("both", Add(), inputs=(conv.name, "other"))
    graph = Graph("net", (5, 4, 2), (zeros, conv, other, both))
    assert fold_zeros(graph) == graph
