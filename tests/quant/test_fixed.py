from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnn2fpga.errors import Refusal
from dnn2fpga.quant.fixed import (
    MULTIPLIER_BITS,
    POWER_BITS,
    Format,
    check_bits,
    multiplier_and_shift,
    next_power_of_two,
    requantize,
    requantize_bent,
    round_away,
    round_half_up,
)


def exact_round(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def clamp(value: int, fmt: Format) -> int:
    return max(fmt.minimum, min(fmt.maximum, value))


formats = st.builds(Format, st.integers(2, 16), st.booleans(), st.just(1.0))


@pytest.mark.parametrize(
    ("x", "rounded"),
    [(0.5, 1), (-0.5, 0), (1.5, 2), (-1.5, -1), (2.5, 3), (-2.5, -2), (0.49, 0), (-0.51, -1), (-0.0, 0)],
)
def test_ties_go_up(x, rounded):
    assert round_half_up(np.array([x])) == [rounded]


@pytest.mark.parametrize("x", [np.nextafter(0.5, 0), -np.nextafter(0.5, 1), 2.0**52 + 1, -(2.0**52) - 1, -1e-300])
def test_rounding_is_exact_where_adding_a_half_is_not(x):
    assert round_half_up(np.array([x])) == [exact_round(Fraction(float(x)))]


@given(st.floats(-1e15, 1e15))
def test_rounding_against_fractions(x):
    assert round_half_up(np.array([x])) == [exact_round(Fraction(x))]


@given(st.floats(-1e15, 1e15) | st.integers(-(2**40), 2**40).map(lambda halves: halves / 2))
def test_rounding_away_against_fractions(x):
    assert round_away(np.array([x])) == [int(math.copysign(exact_round(abs(Fraction(x))), x))]


@pytest.mark.parametrize("x", [np.nextafter(0.5, 0), -np.nextafter(0.5, 0), 2.0**52 + 1, -(2.0**52) - 1, -1e-300])
def test_rounding_away_is_exact_where_adding_a_half_is_not(x):
    assert round_away(np.array([x])) == [int(math.copysign(exact_round(abs(Fraction(float(x)))), x))]


@pytest.mark.parametrize(
    ("fmt", "minimum", "maximum"),
    [
        (Format(8, True, 1.0), -128, 127),
        (Format(8, False, 1.0), 0, 255),
        (Format(2, True, 1.0), -2, 1),
        (Format(16, False, 1.0), 0, 65535),
        (Format(1, False, 1.0), 0, 1),
        (Format(1, True, 1.0, -0.5), -1, 0),
    ],
)
def test_format_limits(fmt, minimum, maximum):
    assert (fmt.minimum, fmt.maximum) == (minimum, maximum)


def test_covering():
    assert Format.covering(-1.0, 2.0, 8) == Format(8, True, 2 / 127)
    assert Format.covering(-3.0, 2.0, 8) == Format(8, True, 3 / 127)
    assert Format.covering(0.0, 2.0, 8) == Format(8, False, 2 / 255)
    assert Format.covering(-3.0, 2.0, 8, signed=False) == Format(8, False, 2 / 255)
    assert Format.covering(0.0, 0.0, 8) == Format(8, False, 1.0)
    assert Format.covering(-3.0, -2.0, 8, signed=False) == Format(8, False, 1.0)


def test_one_bit_with_a_sign_is_the_sign():
    fmt = Format.covering(-3.0, 2.0, 1)
    assert fmt == Format(1, True, 6.0, -0.5)
    assert fmt.quantize(np.array([-9, -1e-9, 0, 1e-9, 9])).tolist() == [-1, -1, 0, 0, 0]
    assert fmt.dequantize(np.array([-1, 0])).tolist() == [-3, 3]
    assert fmt.zero == 0


def test_between():
    fmt = Format.between(-1.0, 2.0, 4)
    assert fmt == Format(4, False, 3 / 15, 5.0)
    assert fmt.quantize(np.array([-5, -1, 0, 2, 5])).tolist() == [0, 0, 5, 15, 15]
    assert Format.between(0.5, 2.0, 8) == Format(8, False, 2 / 255)
    assert Format.between(-2.0, -0.5, 8) == Format(8, False, 2 / 255, 255.0)
    assert Format.between(0.0, 0.0, 8) == Format(8, False, 1.0)
    assert Format.between(-1.0, 2.0, 4, power_of_two=True) == Format(4, False, 0.25, 4.0)


@given(st.floats(-100, 0, allow_subnormal=False), st.floats(0, 100, allow_subnormal=False), st.integers(1, 16))
def test_between_holds_zero_and_both_ends(low, high, bits):
    fmt = Format.between(low, high, bits)
    assert fmt.dequantize(fmt.quantize(np.array([0.0]))) == 0
    ends = fmt.dequantize(fmt.quantize(np.array([low, high])))
    assert np.abs(ends - [low, high]).max() <= fmt.scale / 2 * (1 + 1e-9)


@given(st.floats(1e-30, 1e30))
def test_next_power_of_two(x):
    power = next_power_of_two(x)
    assert math.log2(power) == int(math.log2(power))
    assert power / 2 < x <= power


@pytest.mark.parametrize(
    "fmt", [(8, True, 1.0, 0.5), (8, True, 1.0, 128.0), (8, False, 1.0, -1.0), (1, True, 1.0, 0.0)]
)
def test_zero_points_that_no_integer_is(fmt):
    with pytest.raises(Refusal, match=r"^the zero point of this format must be "):
        Format(*fmt)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_scale_must_be_positive_and_finite(scale):
    with pytest.raises(Refusal, match=r"^a scale must be a positive finite number, not "):
        Format(8, True, scale)


@pytest.mark.parametrize("bits", [0, 17, 8.0, "8"])
def test_widths_out_of_range(bits):
    with pytest.raises(Refusal, match=r"^weights must be from 1 to 16 bits, not "):
        check_bits("weights", bits)


@given(formats, st.floats(0.001, 1000), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_quantize_saturates_and_is_near(fmt, scale, reals):
    fmt = Format(fmt.bits, fmt.signed, scale)
    q = fmt.quantize(np.array(reals))
    assert q.dtype == np.int64
    for real, integer in zip(reals, q.tolist(), strict=True):
        assert integer == clamp(exact_round(Fraction(real / scale)), fmt)
    assert np.array_equal(fmt.quantize(fmt.dequantize(q)), q)


@given(
    st.lists(st.integers(-(2**45), 2**45), min_size=1, max_size=20),
    st.integers(0, 2**MULTIPLIER_BITS - 1),
    st.integers(-(2**60), 2**60),
    st.integers(0, 62),
    formats,
)
def test_requantize_against_fractions(accs, multiplier, offset, shift, fmt):
    q = requantize(np.array(accs), np.array([multiplier]), np.array([offset]), shift, fmt)
    assert q.tolist() == [clamp(exact_round(Fraction(acc * multiplier + offset, 1 << shift)), fmt) for acc in accs]


def test_requantize_ties_go_up_with_negative_sums():
    fmt = Format(8, True, 1.0)
    assert requantize(np.array([-3, -2, -1, 0, 1, 2, 3]), np.array([1]), np.array([0]), 1, fmt).tolist() == [
        -1,
        -1,
        0,
        0,
        1,
        1,
        2,
    ]


def test_requantize_takes_a_multiplier_and_an_offset_a_channel():
    fmt = Format(16, True, 1.0)
    acc, multiplier, offset = np.array([[10, 10], [20, -20]]), np.array([1, 3]), np.array([0, 2])
    assert requantize(acc, multiplier, offset, 1, fmt).tolist() == [[5, 16], [10, -29]]


@given(st.data(), st.integers(0, 40), st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(sorted))
def test_a_bent_line_against_plain_integers(data, shift, limits):
    low, high = limits
    channels = data.draw(st.integers(1, 3))

    def each(least, greatest):
        return data.draw(st.lists(st.integers(least, greatest), min_size=channels, max_size=channels))

    bend, multiplier = each(-(2**31), 2**31), each(0, 2**MULTIPLIER_BITS - 1)
    above, below = each(-(2**60), 2**60), each(-(2**60), 2**60)
    # also what lies right at the bend, and around it
    rows = [each(-(2**31), 2**31), bend, [at - 1 for at in bend], [at + 1 for at in bend]]
    arrays = (np.array(multiplier), (np.array(above), np.array(below)), np.array(bend))
    q = requantize_bent(np.array(rows), *arrays, shift, (low, high))
    for row, found in zip(rows, q.tolist(), strict=True):
        for channel, acc in enumerate(row):
            offset = above[channel] if acc >= bend[channel] else below[channel]
            exact = exact_round(Fraction(acc * multiplier[channel] + offset, 1 << shift))
            assert found[channel] == max(low, min(high, exact))


def test_a_bend_takes_ties_away_from_zero():
    acc = np.array([[-5], [-4], [-3], [-2], [-1], [0], [1], [2], [3], [4], [5]])
    halves = requantize_bent(acc, np.array([1]), (np.array([0]), np.array([-1])), np.array([0]), 1, (-128, 127))
    assert halves[:, 0].tolist() == [-3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3]
    assert halves[:, 0].tolist() == round_away(acc[:, 0] / 2).tolist()


@given(st.lists(st.integers(-20, 15), min_size=1, max_size=8))
def test_powers_of_two_give_powers_of_two(exponents):
    ratio = 2.0 ** np.maximum(exponents, max(exponents) - 6)
    multiplier, shift = multiplier_and_shift(ratio)
    assert (multiplier * 2.0**-shift == ratio).all()
    assert multiplier.max() == max(2 ** (POWER_BITS - 1), ratio.max())
    assert all(m.bit_count() == 1 for m in multiplier.tolist())


@given(st.lists(st.floats(1e-9, 60000), min_size=1, max_size=8))
def test_multiplier_error_bound(ratios):
    ratio = np.array(ratios)
    multiplier, shift = multiplier_and_shift(ratio)
    assert 0 <= shift <= 62
    assert (multiplier < 2**MULTIPLIER_BITS).all()
    for exact, m in zip(ratios, multiplier.tolist(), strict=True):
        assert abs(Fraction(m, 1 << shift) - Fraction(exact)) <= Fraction(1, 2 << shift) * (1 + Fraction(1, 2**30))
    top = int(ratio.argmax())
    error = abs(Fraction(int(multiplier[top]), 1 << shift) / Fraction(ratios[top]) - 1)
    assert error <= Fraction(1, 2**15) if shift == 0 else error <= Fraction(1, 2**MULTIPLIER_BITS)


def test_ratios_beyond_the_multiplier_are_refused():
    with pytest.raises(
        Refusal,
        match=r"^one step of the sum is worth 70000 steps of the output, which is beyond 65535; use more",
    ):
        multiplier_and_shift(np.array([1.0, 70000.0]))
