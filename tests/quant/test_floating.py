"""Formats and roundings against an independent oracle: NumPy's own floats, and `ml_dtypes`."""

import operator

import numpy as np
import pytest

from dnn2fpga.errors import Refusal
from dnn2fpga.quant.floating import FloatFormat

from ..hw.floating.floats import FORMATS, TYPES, coded, edges, pairs, typed


def every_code(fmt):
    """All codes of 16 bits; of float32 edges and random ones."""
    if fmt.bits == 16:
        return np.arange(fmt.minimum, fmt.maximum + 1)
    random = np.random.default_rng(1).integers(fmt.minimum, fmt.maximum + 1, 100_000)
    return np.concatenate([edges(fmt), random])


by_name = pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)


@by_name
def test_codes_are_in_the_order_of_the_reals(fmt):
    codes = np.unique(every_code(fmt))
    numbers = codes[(codes >= -fmt.infinity - 1) & (codes <= fmt.infinity)]
    reals = fmt.dequantize(numbers)
    assert (np.diff(reals) >= 0).all()
    assert (np.diff(reals) == 0).sum() == 1  # the two zeros
    assert np.isnan(fmt.dequantize(np.setdiff1d(codes, numbers))).all()
    assert fmt.dequantize(np.array([fmt.zero, fmt.infinity])).tolist() == [0, np.inf]


@by_name
def test_values_are_the_oracles(fmt):
    codes = every_code(fmt)
    expected = typed(codes, fmt).astype(np.float32)
    found = fmt.values(codes)
    number = ~np.isnan(expected)
    assert (found[number].view(np.uint32) == expected[number].view(np.uint32)).all()
    assert np.isnan(found[~number]).all()
    back = fmt.codes(found)
    assert (back[number] == codes[number]).all()
    assert (back[~number] == fmt.nan).all()


@by_name
@pytest.mark.parametrize("operation", [operator.mul, operator.add, operator.sub], ids=lambda f: f.__name__)
def test_one_operation_in_float32_rounds_as_in_the_format(fmt, operation):
    a, b = pairs(fmt, 200_000).T
    with np.errstate(all="ignore"):
        found = fmt.codes(fmt.round(operation(fmt.values(a), fmt.values(b))))
        expected = coded(operation(typed(a, fmt), typed(b, fmt)), fmt)
    assert np.flatnonzero(found != expected).tolist() == []


@by_name
def test_reals_are_rounded_once(fmt):
    """Midpoints between neighbors, and reals a little beside them, which float32 cannot tell from midpoints."""
    codes = every_code(fmt)
    codes = codes[(codes >= 0) & (codes < fmt.infinity - 1)]
    low, high = fmt.dequantize(codes), fmt.dequantize(codes + 1)
    middle = (low + high) / 2
    assert (fmt.quantize(middle) == codes + (codes & 1)).all()
    assert (fmt.quantize(np.nextafter(middle, -np.inf)) == codes).all()
    assert (fmt.quantize(np.nextafter(middle, np.inf)) == codes + 1).all()
    assert (fmt.quantize(-middle) == ~(codes + (codes & 1))).all()


@by_name
def test_beyond_the_greatest_is_infinity(fmt):
    greatest = fmt.dequantize(np.array(fmt.infinity - 1))
    step = greatest - fmt.dequantize(np.array(fmt.infinity - 2))
    reals = np.array([greatest, np.nextafter(greatest + step / 2, 0), greatest + step / 2, 1e300, np.inf])
    expected = np.array([-1, -1, 0, 0, 0]) + fmt.infinity
    assert fmt.quantize(reals).tolist() == expected.tolist()
    assert fmt.quantize(-reals).tolist() == (~expected).tolist()
    assert fmt.quantize(np.array([np.nan, -np.nan])).tolist() == [fmt.nan] * 2


@by_name
def test_an_unsigned_format_holds_what_a_relu_leaves(fmt):
    unsigned = FloatFormat(fmt.name, signed=False)
    assert (unsigned.bits, unsigned.minimum, unsigned.maximum) == (fmt.bits - 1, 0, fmt.maximum)
    x = np.array([-3.0, -0.0, 0.0, 1.5, np.inf, np.nan])
    assert unsigned.quantize(x).tolist() == np.maximum(fmt.quantize(x), 0).tolist()
    codes = np.maximum(every_code(fmt), 0)
    assert np.array_equal(unsigned.dequantize(codes), fmt.dequantize(codes), equal_nan=True)


def test_other_formats_are_refused():
    with pytest.raises(Refusal, match="one of float32, bfloat16, float16, not 'float64'"):
        FloatFormat("float64")
    assert set(TYPES) == {"float32", "bfloat16", "float16"}
