"""Global pooling, and what moves values, against loops over Python's own integers."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.model.graph import Node
from dnn2fpga.quant.fixed import Format, requantize
from dnn2fpga.quant.floating import FloatFormat
from dnn2fpga.quant.ops.average_pool2d import reciprocals
from dnn2fpga.quant.ops.base import Setting
from dnn2fpga.quant.ops.cropping import Cropping
from dnn2fpga.quant.ops.global_pool import GlobalAveragePool, GlobalMaxPool
from dnn2fpga.quant.ops.permute import Permute
from dnn2fpga.quant.ops.reshape import Reshape
from dnn2fpga.quant.ops.up_sampling import UpSampling
from dnn2fpga.quant.ops.zero_padding import ZeroPadding

FORMATS = [
    Format(bits, signed, 1.0) for bits in (1, 4, 8, 16) for signed in (False, True) if (bits, signed) != (1, True)
]
FORMATS += [Format(1, True, 2.0, -0.5), Format(8, False, 0.1, 77.0)]


def node_of(spec, shape, fmt):
    at = Setting(fmt, shape, spec.output_shape(shape), 8, power_of_two=False, last=False)
    return spec.quantize(Node("a", spec), at)


def integers(fmt, shape, seed=0):
    return np.random.default_rng(seed).integers(fmt.minimum, fmt.maximum + 1, (3, *shape))


@pytest.mark.parametrize("low", [0, -1, -128])
def test_the_mean_of_every_sum_is_rounded_exactly(low):
    """`high` is not that of a format alone: sums are tried on both sides of 0, whatever the bounds."""
    wide = Format(16, True, 1.0)
    for count, high in itertools.product([*range(1, 70), 81, 100, 127, 128, 129, 1000], [0, 1, 127]):
        multiplier, offset, shift = reciprocals(np.array(count), low * count, high * count)
        sums = np.arange(low * count, high * count + 1)
        expected = (2 * sums + count) // (2 * count)
        assert (requantize(sums, multiplier, offset, shift, wide) == expected).all()


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 2), (7, 3), (3, 5, 2), (96, 96, 1)], ids=str)
def test_global_average(fmt, shape):
    node = node_of(GlobalAveragePool(), shape, fmt)
    assert node.o == fmt
    x = integers(fmt, shape)
    x[0], x[1] = fmt.maximum, fmt.minimum
    flat = x.reshape(3, -1, shape[-1]).tolist()
    expected = [
        [math.floor(Fraction(sum(column), len(image)) + Fraction(1, 2)) for column in zip(*image, strict=True)]
        for image in flat
    ]
    assert node.run(x).tolist() == expected
    assert node_of(GlobalAveragePool(keepdims=True), shape, fmt).run(x).shape == (3, *[1] * (len(shape) - 1), shape[-1])


def test_an_average_of_more_than_int64_holds_is_refused():
    with pytest.raises(Refusal, match=r"^layer 'a': 100000 values of 16 bits are too many to average; use fewer bits$"):
        node_of(GlobalAveragePool(), (100_000, 1), Format(16, True, 1.0))
    node_of(GlobalAveragePool(), (128, 128, 1), Format(16, True, 1.0))


@pytest.mark.parametrize("spec", [GlobalAveragePool(), GlobalMaxPool(keepdims=True)])
def test_what_has_no_pixels_is_not_pooled(spec):
    with pytest.raises(Refusal, match=r"takes \(height, width, channels\) or \(length, channels\), not \(4,\)"):
        spec.output_shape((4,))


@pytest.mark.parametrize("fmt", [*FORMATS, FloatFormat("bfloat16")], ids=str)
def test_global_max(fmt):
    x = integers(fmt, (3, 5, 2))
    expected = [[max(x[n, :, :, c].reshape(-1).tolist()) for c in range(2)] for n in range(3)]
    assert node_of(GlobalMaxPool(), (3, 5, 2), fmt).run(x).tolist() == expected


def at_each_place(x, size, source, zero):
    """The images whose pixel (row, column) is pixel `source(row, column)` of `x`, or zero where there is none."""
    y = np.full((len(x), *size, x.shape[3]), zero)
    for row, column in np.ndindex(*size):
        if (at := source(row, column)) is not None:
            y[:, row, column] = x[:, at[0], at[1]]
    return y.tolist()


@pytest.mark.parametrize("fmt", [*FORMATS, FloatFormat("float16", signed=False)], ids=str)
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_zero_padding(fmt, strides):
    def source(row, column):
        (y, below), (x, behind) = divmod(row - 1, strides[0]), divmod(column - 3, strides[1])
        return (y, x) if not (below or behind) and 0 <= y < 2 and 0 <= x < 4 else None

    spec = ZeroPadding(((1, 2), (3, 0)), strides)
    x = integers(fmt, (2, 4, 2))
    size = (1 + strides[0] + 1 + 2, 3 + 3 * strides[1] + 1)
    assert spec.output_shape((2, 4, 2)) == (*size, 2)
    assert node_of(spec, (2, 4, 2), fmt).run(x).tolist() == at_each_place(x, size, source, fmt.zero)


def test_cropping_and_upsampling():
    fmt = FORMATS[4]
    x = integers(fmt, (4, 5, 2))
    cropped = at_each_place(x, (2, 2), lambda row, column: (row + 2, column + 1), 0)
    assert node_of(Cropping(((2, 0), (1, 2))), (4, 5, 2), fmt).run(x).tolist() == cropped
    repeated = at_each_place(x, (8, 15), lambda row, column: (row // 2, column // 3), 0)
    assert node_of(UpSampling((2, 3)), (4, 5, 2), fmt).run(x).tolist() == repeated


@pytest.mark.parametrize("dims", list(itertools.permutations((1, 2, 3))))
def test_permute(dims):
    x = integers(FORMATS[4], (2, 3, 4))
    y = node_of(Permute(dims), (2, 3, 4), FORMATS[4]).run(x)
    for at in itertools.product(range(3), range(2), range(3), range(4)):
        assert y[(at[0], *(at[axis] for axis in dims))] == x[at]


def test_reshape():
    x = integers(FORMATS[4], (2, 3, 4))
    y = node_of(Reshape((4, -1)), (2, 3, 4), FORMATS[4]).run(x)
    assert y.shape == (3, 4, 6)
    assert y.reshape(-1).tolist() == x.reshape(-1).tolist()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Reshape((5, -1)).output_shape((2, 3, 4)), r"\(2, 3, 4\) has 24 values, which are no \(5, -1\)"),
        (lambda: Reshape((4, 5)).output_shape((2, 3, 4)), r"\(2, 3, 4\) has 24 values, which are no \(4, 5\)"),
        (lambda: Reshape((-1, -1)), r"target shape \(-1, -1\)"),
        (lambda: Reshape((0, -1)), r"target shape \(0, -1\)"),
        (lambda: Permute((1, 1)), r"dims \(1, 1\) must hold each of 1 to 2 once"),
        (lambda: Permute((2, 1)).output_shape((2, 3, 4)), r"dims \(2, 1\) take 2 axes, not \(2, 3, 4\)"),
        (lambda: Cropping(((1, 1), (0, 0))).output_shape((2, 3, 4)), r"leaves nothing of 2×3; crop less"),
        (lambda: Cropping(((0, -1), (0, 0))), r"use ZeroPadding"),
        (lambda: ZeroPadding(((0, -1), (0, 0))), r"use Cropping"),
        (lambda: ZeroPadding(((0, 0), (0, 0)), (0, 1)), r"strides \(0, 1\) must be at least 1"),
        (lambda: ZeroPadding(((1, 0), (0, 0))).output_shape((3, 4)), r"\(height, width, channels\), not \(3, 4\)"),
        (lambda: ZeroPadding(((1, 0), (0, 0))).output_shape((3,)), r"or \(length, channels\), not \(3,\)"),
        (lambda: UpSampling((0, 1)), r"upsampling by \(0, 1\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, why):
    with pytest.raises(Refusal, match=why):
        make()
