"""However terms are made, the sums of a MAC array come to the products of inputs and kernel."""

import numpy as np
import pytest
from amaranth import signed, unsigned

from dnn2fpga.hw.fixed import maximum, minimum
from dnn2fpga.hw.mac import MacArray
from dnn2fpga.hw.products import Gated, Multiplied, Selected, products_of

from .clocked import run

OUTPUTS, INPUTS, ROWS = 3, 7, 12
KERNELS = {
    "binary": ([-1, 1], signed(1)),
    "ternary": ([-1, 0, 1], signed(2)),
    "two's complement of 2 bits": ([-2, -1, 0, 1], signed(2)),
    "3 bits": (range(-4, 4), signed(3)),
    "8 bits": (range(-127, 128), signed(8)),
    "least of 8 bits": ([-128], signed(8)),
    "negative": ([-1], signed(2)),
    "zero": ([0], signed(2)),
}
SHAPES = [unsigned(1), signed(1), unsigned(2), signed(3), unsigned(8), signed(8)]


def kernel_of(values, k, channels, seed=0):
    """A kernel of `values`, all of which are in its first channel if there is room."""
    kernel = np.random.default_rng(seed).choice(values, (k, channels))
    kernel[: len(values), 0] = values[:k]
    return kernel


def inputs_of(shape, shape_of_inputs):
    """Inputs, extremes among them."""
    low, high = minimum(shape), maximum(shape)
    x = np.random.default_rng(1).integers(low, high + 1, shape_of_inputs)
    x[0], x[1] = low, high
    return x


@pytest.mark.parametrize("x_shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_sums_are_those_of_the_products(name, x_shape):
    values, weight = KERNELS[name]
    kernel = kernel_of(values, INPUTS, OUTPUTS)
    products = products_of(kernel, x_shape, weight)
    array = MacArray(products, outputs=OUTPUTS, inputs=INPUTS)
    x = inputs_of(x_shape, (ROWS, INPUTS))
    stored = products.stored.T.reshape(-1).tolist()
    sums = run(array, [{"x": row, "w": stored} for row in x.tolist()], array.sums, array.latency)
    found = np.array([[row[at] for at in range(OUTPUTS)] for row in sums])
    assert (found + products.correction == x @ kernel).all()
    assert found.min() >= minimum(products.total)
    assert found.max() <= maximum(products.total)


@pytest.mark.parametrize("x_shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_a_filled_up_place_adds_nothing(name, x_shape):
    values, weight = KERNELS[name]
    products = products_of(kernel_of(values, INPUTS, 1), x_shape, weight)
    array = MacArray(products, outputs=1, inputs=INPUTS)
    row = {"x": [0] * INPUTS, "w": [0] * INPUTS}
    assert [word[0] for word in run(array, [row], array.sums, array.latency)] == [0]


@pytest.mark.parametrize(
    ("name", "x_shape", "expected", "weight_bits"),
    [
        ("binary", unsigned(8), Selected, 1),
        ("binary", signed(1), Selected, 1),
        ("ternary", signed(8), Selected, 2),
        ("ternary", unsigned(1), Selected, 2),
        ("two's complement of 2 bits", unsigned(8), Multiplied, 2),
        ("two's complement of 2 bits", unsigned(1), Gated, 2),
        ("8 bits", signed(1), Gated, 8),
        ("8 bits", signed(2), Multiplied, 8),
        ("least of 8 bits", signed(1), Gated, 9),  # 128 and its sign
    ],
)
def test_terms_are_chosen_by_what_can_occur(name, x_shape, expected, weight_bits):
    values, weight = KERNELS[name]
    products = products_of(kernel_of(values, 300, 2), x_shape, weight)
    assert type(products) is expected
    assert products.weight.width == weight_bits
    assert products.multipliers == (expected is Multiplied)


def test_one_bit_inputs_of_binary_weights_make_one_bit_terms():
    for x_shape in (unsigned(1), signed(1)):
        assert products_of(np.array([[1, -1]]), x_shape, signed(1)).term == unsigned(1)
