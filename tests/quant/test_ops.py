"""The integer functions against loops over Python's own integers."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.graph import Node
from dnn2fpga.quant.fixed import Format, requantize
from dnn2fpga.quant.graph import QNode
from dnn2fpga.quant.ops.average_pool2d import AveragePool2D, reciprocals
from dnn2fpga.quant.ops.base import Setting
from dnn2fpga.quant.ops.conv2d import Conv2D
from dnn2fpga.quant.ops.dense import Dense
from dnn2fpga.quant.ops.flatten import Flatten
from dnn2fpga.quant.ops.mac import sum_range
from dnn2fpga.quant.ops.max_pool2d import MaxPool2D
from dnn2fpga.quant.ops.relu import ReLU
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Tanh
from dnn2fpga.quant.ops.window import Window

SHAPES = [(5, 5, 1), (7, 4, 3), (4, 9, 2)]
WINDOWS = [
    Window(kernel, strides, padding)
    for kernel, strides, padding in itertools.product(
        [(1, 1), (3, 3), (2, 3), (4, 1)], [(1, 1), (2, 2), (1, 3), (3, 2)], ["valid", "same"]
    )
]
OTHER_WINDOWS = [
    Window((2, 2), (1, 1), "valid", (2, 3)),
    Window((2, 3), (2, 1), "same", (3, 2)),
    Window((3, 2), (1, 2), border=((2, 0), (0, 1))),
    Window((2, 2), (2, 1), "valid", (1, 3), ((0, 1), (3, 2))),
]
U8, S8, U16, S16 = (Format(bits, signed, 1.0) for bits in (8, 16) for signed in (False, True))


def images(shape, fmt, n=2):
    rng = np.random.default_rng(sum(shape))
    x = rng.integers(fmt.minimum, fmt.maximum + 1, (n, *shape))
    x[0, 0] = fmt.maximum
    x[1, 0] = fmt.minimum
    return x


def positions(size, reach, stride, padding, border):
    """The first index of each window along an axis, as Keras defines it."""
    if padding == "valid":
        return range(-border[0], size + border[1] - reach + 1, stride)
    count = math.ceil(size / stride)
    before = max((count - 1) * stride + reach - size, 0) // 2
    return range(-before, -before + count * stride, stride)


def windows(image, window):
    """What each window of an image (height, width, channels) holds: row, column in it and in the image."""
    height, width, _ = image.shape
    (kernel_y, kernel_x), (step_y, step_x) = window.kernel, window.dilation
    tops, lefts = (
        positions(size, (kernel - 1) * step + 1, stride, window.padding, border)
        for size, kernel, step, stride, border in zip(
            (height, width), window.kernel, window.dilation, window.strides, window.border, strict=True
        )
    )
    for top in tops:
        yield [
            [
                (y, x, top + y * step_y, left + x * step_x)
                for y in range(kernel_y)
                for x in range(kernel_x)
                if 0 <= top + y * step_y < height and 0 <= left + x * step_x < width
            ]
            for left in lefts
        ]


def requantized(acc, multiplier, offset, shift, o):
    real = Fraction(acc * multiplier + offset, 1 << shift)
    return max(o.minimum, min(o.maximum, math.floor(real + Fraction(1, 2))))


def naive_conv(image, window, kernel, multiplier, offset, shift, o):
    channels, filters = image.shape[2], len(offset)
    return [
        [
            [
                requantized(
                    sum(
                        int(image[row, column, c]) * int(kernel[y, x, c, f])
                        for y, x, row, column in held
                        for c in range(channels)
                    ),
                    multiplier[f], offset[f], shift, o,
                )
                for f in range(filters)
            ]
            for held in line
        ]
        for line in windows(image, window)
    ]  # fmt: skip


def mac_node(spec, shape, i, o, kernel, seed=0):
    """An integer layer whose multipliers take the largest sums to about the output's range."""
    rng = np.random.default_rng(seed)
    filters = kernel.shape[-1]
    flat = kernel.reshape(-1, filters)
    low, high = sum_range(flat, i.minimum, i.maximum)
    shift = max(max(-low, high, 1).bit_length() + 15 - o.bits, 0)
    arrays = {
        "kernel": flat,
        "offset": rng.integers(low // 2 - 1, high // 2 + 2, filters) << 15,
        "multiplier": rng.integers(1 << 15, 1 << 16, filters),
    }
    return QNode("a", spec, shape, spec.output_shape(shape), i, o, arrays, {"shift": shift})


def fits(window, shape):
    return window.padding == "same" or all(
        k <= s + sum(border) for k, s, border in zip(window.reach, shape, window.border, strict=False)
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", WINDOWS + OTHER_WINDOWS, ids=str)
def test_conv2d(window, shape):
    if not fits(window, shape):
        pytest.skip("the window is larger than the image")
    kernel = np.random.default_rng(1).integers(-127, 128, (*window.kernel, shape[2], 3))
    node = mac_node(Conv2D(3, window), shape, S8, U8, kernel)
    x = images(shape, S8)
    multiplier, offset = node.arrays["multiplier"].tolist(), node.arrays["offset"].tolist()
    expected = [naive_conv(image, window, kernel, multiplier, offset, node.scalars["shift"], U8) for image in x]
    assert node.run(x).tolist() == expected
    assert node.output_shape == np.shape(expected)[1:]


def test_an_image_of_two_axes_is_one_row_high():
    window = Window((1, 3), (1, 2), border=((0, 0), (2, 0)))
    kernel = np.random.default_rng(1).integers(-127, 128, (1, 3, 2, 5))
    flat = mac_node(Conv2D(5, window), (7, 2), S8, U8, kernel)
    high = replace(flat, input_shape=(1, 7, 2), output_shape=(1, 4, 5))
    x = images((1, 7, 2), S8)
    assert flat.output_shape == (4, 5)
    assert (flat.run(x[:, 0]) == high.run(x)[:, 0]).all()
    pool = MaxPool2D(window)
    node = QNode("a", pool, (7, 2), pool.output_shape((7, 2)), S8, S8)
    assert (node.run(x[:, 0]) == node.run(x)[:, 0]).all()
    weights = {"kernel": kernel, "bias": np.zeros(5)}
    assert (flat.spec.run_float(weights, x[:, 0]) == flat.spec.run_float(weights, x)[:, 0]).all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Window((2, 2), dilation=(0, 1)), r"^dilation \(0, 1\) must be at least 1$"),
        (lambda: Window((2, 2), border=((0, -1), (0, 0))), r"^border .* must be at least 0; crop the image"),
        (
            lambda: Window((2, 2), padding="same", border=((0, 1), (0, 0))),
            "^padding='same' leaves no room for a border",
        ),
        (lambda: Window((2, 2), dilation=(3, 1)).over((3, 3, 1)), "^a 4×2 window does not fit into 3×3$"),
        (lambda: Window((1, 2)).over((3,)), r"^takes \(height, width, channels\) or \(length, channels\), not"),
        (lambda: Window((2, 2), border=((1, 1), (0, 0))).over((3, 1)), "^a border of .* above and below makes"),
        (lambda: MaxPool2D(Window((2, 2), dilation=(2, 1))), r"^a dilation of \(2, 1\) is not supported in pooling"),
        (lambda: Window((2, 2), border=((0, 0), (0, 2))), "^a border of 2 columns fills whole windows; pad"),
    ],
)
def test_windows_that_are_refused(make, text):
    with pytest.raises(Refusal, match=text):
        make()


@pytest.mark.parametrize("i", [U8, S8, U16, S16], ids=str)
@pytest.mark.parametrize("o", [U8, S16], ids=str)
@pytest.mark.parametrize("weight_max", [1, 127, 32767])
def test_dense_of_each_width(i, o, weight_max):
    kernel = np.random.default_rng(2).integers(-weight_max, weight_max + 1, (300, 4))
    kernel[:, 1] = weight_max
    kernel[:, 2] = -weight_max
    node = mac_node(Dense(4), (300,), i, o, kernel)
    rng = np.random.default_rng(3)
    x = rng.integers(i.minimum, i.maximum + 1, (4, 300))
    x[0], x[1] = i.maximum, i.minimum
    assert node.run(x).tolist() == [
        [
            requantized(
                sum(a * int(w) for a, w in zip(row, kernel[:, c], strict=True)),
                int(node.arrays["multiplier"][c]), int(node.arrays["offset"][c]), node.scalars["shift"], o,
            )
            for c in range(4)
        ]
        for row in x.tolist()
    ]  # fmt: skip


@pytest.mark.parametrize("k", [519, 521])  # the sum is just below, and just above, the 2^24 of float32
def test_sums_at_the_edge_of_float32_are_exact(k):
    kernel = np.full((k, 1), 127)
    kernel[-1] = 1
    acc = 255 * 127 * (k - 1) + 255
    assert acc % 2 == 1
    assert (acc > 2**24) == (k == 521)
    arrays = {"kernel": kernel, "offset": np.array([5 - acc]), "multiplier": np.array([1])}
    node = QNode("a", Dense(1), (k,), (1,), U8, S16, arrays, {"shift": 0})
    assert node.run(np.full((1, k), 255)).tolist() == [[5]]


def test_sum_range_is_reached():
    kernel = np.array([[3, -1], [-5, 2]])
    assert sum_range(kernel, 0, 255) == (-5 * 255, 3 * 255)
    assert sum_range(kernel, -128, 127) == (-128 * 3 - 127 * 5, 127 * 3 + 128 * 5)


@pytest.mark.parametrize("i", [U8, S8], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", [*WINDOWS, Window((3, 2), (1, 2), border=((2, 0), (1, 1)))], ids=str)
def test_max_pool2d(window, shape, i):
    if not fits(window, shape):
        pytest.skip("the window is larger than the image")
    spec = MaxPool2D(window)
    node = QNode("a", spec, shape, spec.output_shape(shape), i, i)
    x = images(shape, i)
    expected = [
        [
            [[max(int(image[row, column, c]) for _, _, row, column in held) for c in range(shape[2])] for held in line]
            for line in windows(image, window)
        ]
        for image in x
    ]
    assert node.run(x).tolist() == expected
    assert node.output_shape == np.shape(expected)[1:]


@pytest.mark.parametrize("i", [U8, S8, U16, S16, Format(8, False, 1.0, 77.0), Format(1, True, 1.0, -0.5)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("window", [*WINDOWS, Window((3, 2), (1, 2), border=((2, 0), (1, 1)))], ids=str)
def test_average_pool2d(window, shape, i):
    if not fits(window, shape):
        pytest.skip("the window is larger than the image")
    spec = AveragePool2D(window)
    at = Setting(i, shape, spec.output_shape(shape), 8, power_of_two=False, last=False)
    node = spec.quantize(Node("a", spec), at)
    x = images(shape, i)
    expected = [
        [
            [
                [
                    math.floor(Fraction(sum(int(image[y, x, c]) for _, _, y, x in held), len(held)) + Fraction(1, 2))
                    for c in range(shape[2])
                ]
                for held in line
            ]
            for line in windows(image, window)
        ]
        for image in x
    ]
    assert node.run(x).tolist() == expected
    assert node.o == i


@pytest.mark.parametrize(("low", "high"), [(0, 40), (-40, 39), (-3, 0), (0, 255 * 9), (-32768 * 2, 32767 * 2)])
def test_sums_are_divided_exactly(low, high):
    counts = np.array([[1], [2], [3], [4], [6], [7], [9]])
    multiplier, offset, shift = reciprocals(counts, low, high)
    sums = np.arange(low, high + 1)
    wide = Format(16, True, 1.0)
    quotients = np.clip((2 * sums + counts) // (2 * counts), wide.minimum, wide.maximum)
    assert (requantize(sums, multiplier, offset, shift, wide) == quotients).all()


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_a_convolution_in_groups_is_one_for_each_group(groups):
    rng, window, filters = np.random.default_rng(4), Window((2, 3), (2, 1), "same"), 6
    kernel = rng.integers(-127, 128, (2, 3, 6 // groups, filters))
    node = mac_node(Conv2D(filters, window, groups=groups), (5, 4, 6), S8, U8, kernel)
    x = images((5, 4, 6), S8)
    expected = []
    for group in range(groups):
        own = slice(group * 6 // groups, (group + 1) * 6 // groups)
        arrays = {name: values[..., own] for name, values in node.arrays.items()}
        spec, shape = Conv2D(filters // groups, window), (5, 4, 6 // groups)
        part = QNode("a", spec, shape, spec.output_shape(shape), S8, U8, arrays, node.scalars)
        expected.append(part.run(x[..., own]))
    assert (node.run(x) == np.concatenate(expected, -1)).all()


def test_relu():
    node = QNode("a", ReLU(), (3,), (3,), S8, Format(7, False, 1.0))
    assert node.run(np.array([[-128, 0, 127]])).tolist() == [[0, 0, 127]]


def test_relu_of_an_asymmetric_input_brings_zero_to_zero():
    i = Format(4, False, 1.0, 5.0)
    node = ReLU().quantize(Node("a", ReLU()), Setting(i, (3,), (3,), 8, power_of_two=False, last=False))
    assert node.o == Format(4, False, 1.0)
    assert node.run(np.array([[0, 5, 15]])).tolist() == [[0, 0, 10]]


def test_relu_behind_a_sign_is_refused():
    at = Setting(Format(1, True, 2.0, -0.5), (3,), (3,), 8, power_of_two=False, last=False)
    with pytest.raises(
        Refusal, match=r"^layer 'a': behind a sign a ReLU has nothing to do; leave it out of the model$"
    ):
        ReLU().quantize(Node("a", ReLU()), at)


def test_flatten_keeps_raster_order():
    node = QNode("a", Flatten(), (2, 2, 2), (8,), S8, S8)
    assert node.run(np.arange(8).reshape(1, 2, 2, 2)).tolist() == [list(range(8))]


def test_softmax_names_the_first_of_the_greatest():
    node = QNode("a", Softmax(), (3,), (4,), S8, S8)
    assert node.run(np.array([[5, -7, 5], [-3, -2, -1]])).tolist() == [[5, -7, 5, 0], [-3, -2, -1, 2]]


@pytest.mark.parametrize(
    ("spec", "function"),
    [(Tanh(), math.tanh), (Sigmoid(), lambda x: 1 / (1 + math.exp(-x)))],
    ids=["tanh", "sigmoid"],
)
@pytest.mark.parametrize("signed", [False, True])
def test_tables(spec, function, signed):
    i = Format(6, signed, 0.2)
    node = spec.quantize(Node("a", spec), Setting(i, (64,), (64,), 8, power_of_two=False, last=False))
    q = np.arange(i.minimum, i.maximum + 1)
    assert node.run(q[np.newaxis])[0].tolist() == [
        math.floor(function(v * 0.2) / node.o.scale + 0.5) for v in q.tolist()
    ]
    assert len(node.arrays["table"]) == 64
