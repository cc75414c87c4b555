"""Graphs of adders give the products of inputs and kernel, with alkaid or without, in exactly the widths they need."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from amaranth import signed, unsigned

from dnn2fpga.hw import adder_graph
from dnn2fpga.hw.adder_graph import count_digits, digits, graph_of
from dnn2fpga.hw.constant_matrix import ConstantMatrix
from dnn2fpga.hw.fixed import maximum, minimum, shape_for
from dnn2fpga.hw.resources import Device, Resources
from dnn2fpga.hw.sums import Sums
from dnn2fpga.hw.unrolled import unrolled

from .clocked import run

DEVICE = Device("any", "ecp5", Resources(80_000, 80_000, 100, 200))
SHAPES = [unsigned(1), signed(1), unsigned(7), signed(8)]
KERNELS = {
    "8 bits": np.random.default_rng(0).integers(-128, 128, (7, 5)),
    "ternary": np.random.default_rng(1).integers(-1, 2, (9, 4)),
    "16 bits": np.random.default_rng(2).integers(-(2**15), 2**15, (3, 3)),
    "powers of two": np.array([[4, -8], [0, 16], [-1, 0]]),
    "zeros": np.array([[0, 3], [0, 5]]),
    "nothing": np.zeros((2, 2), np.int64),
    "one input": np.array([[-1, 1, -7, 0, 6]]),
    "minus sums": np.array([[-1, 1], [-1, 1], [-3, 3]]),
    "equal columns": np.array([[5, 5, 10, -5], [3, 3, 6, -3]]),
}


@pytest.fixture(params=["shared", "by digits"])
def optimizer(request, monkeypatch):
    """With alkaid, or as if it were not installed."""
    if request.param == "shared":
        pytest.importorskip("alkaid")
    else:
        monkeypatch.setattr(adder_graph, "cmvm_solve", None)
    adder_graph._graph_of.cache_clear()
    yield request.param
    adder_graph._graph_of.cache_clear()


@pytest.mark.parametrize("x_shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_sums_are_those_of_the_kernel(name, x_shape, optimizer):
    kernel = KERNELS[name]
    low, high = minimum(x_shape), maximum(x_shape)
    x = np.random.default_rng(3).integers(low, high + 1, (12, len(kernel)))
    x[0], x[1] = low, high
    x[2] = np.where(kernel[:, 0] > 0, high, low)
    expected = x @ kernel
    total = shape_for(min(-1, int(expected.min())), int(expected.max()))
    graph = graph_of(kernel, x_shape)
    matrix = ConstantMatrix(graph, total, graph.depth + 2)
    sums = run(matrix, [{"x": row} for row in x.tolist()], matrix.sums, graph.depth + 2)
    assert [[row[at] for at in range(kernel.shape[1])] for row in sums] == expected.tolist()


@pytest.mark.parametrize("name", KERNELS)
def test_no_value_is_wider_than_it_must_be(name, optimizer):
    kernel = KERNELS[name]
    graph = graph_of(kernel, signed(8))
    for row, shape in zip(graph.coefficients, graph.shapes, strict=True):
        worst = np.where(row > 0, 127, -128) @ row, np.where(row > 0, -128, 127) @ row
        assert shape == shape_for(int(min(worst)), int(max(worst)))


def test_what_outputs_have_in_common_is_added_once(optimizer):
    graph = graph_of(KERNELS["equal columns"], signed(8))
    # 5a and 3b are two additions each way, their sum one, and its negative one more.
    assert len(graph.additions) <= 4 + (optimizer == "by digits")


def test_zeros_and_powers_of_two_take_no_adders(optimizer):
    assert graph_of(np.diag([1, 2, 64, 0]), signed(8)).additions == ()


@pytest.mark.parametrize("value", [0, 1, -1, 3, 7, -119, 127, -128, 2**15 - 1, 12345])
def test_digits_add_up_and_no_two_are_neighbors(value):
    found = digits(value)
    assert sum(digit << at for at, digit in found) == value
    places = [at for at, _ in found]
    assert all(after - before > 1 for before, after in pairwise(places))


def test_digits_are_counted_as_they_are_listed():
    kernel = np.arange(-300, 300).reshape(20, 30)
    expected = sum(len(digits(value)) for value in kernel.ravel().tolist())
    assert count_digits(kernel) == count_digits(kernel.T) == expected  # a transposed kernel is not contiguous


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("shape", [(9, 12), (16, 64), (108, 12), (64, 5)])
def test_the_bound_of_an_unrolled_layer_is_below_what_it_takes(shape, bits):
    pytest.importorskip("alkaid")
    rng = np.random.default_rng(0)
    kernel = np.round(np.clip(rng.normal(size=shape), -3, 3) / 3 * (2 ** (bits - 1) - 1)).astype(np.int64)
    n = shape[1]
    sums = Sums(kernel, np.zeros(n, np.int64), np.ones(n, np.int64), 8, signed(8), signed(bits), signed(8))
    (folding,) = unrolled(sums)
    bound, taken = folding.at_least(DEVICE), replace(folding, open=True).resources(DEVICE)  # without its queue
    assert 0 < bound.luts < taken.luts < 5 * bound.luts
    assert bound.most(taken) == taken
