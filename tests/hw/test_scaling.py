"""The simplified law gives the same integers, for every sum there can be."""

import numpy as np
import pytest
from amaranth import signed, unsigned
from hypothesis import given
from hypothesis import strategies as st

from dnn2fpga.hw.fixed import maximum, minimum
from dnn2fpga.hw.scaling import Scaling

SUMS = [signed(6), unsigned(5), signed(1)]
OUTPUTS = [signed(1), unsigned(1), signed(4), unsigned(8)]


def results(scaling, sums, o):
    """The law in Python's integers, a row a channel."""
    return [
        [min(max((total * m + a) >> scaling.shift, minimum(o)), maximum(o)) for total in sums]
        for m, a in zip(scaling.multiplier.tolist(), scaling.addend.tolist(), strict=True)
    ]


channels = st.tuples(
    st.one_of(st.integers(0, 65535), st.sampled_from([1 << n for n in range(12)])), st.integers(-(2**40), 2**40)
)


@given(
    st.lists(channels, min_size=1, max_size=4), st.integers(0, 5), st.integers(0, 40),
    st.sampled_from(SUMS), st.sampled_from(OUTPUTS),
)  # fmt: skip
def test_simplified_gives_the_same(pairs, common, shift, total, o):
    multiplier, addend = (np.array(column) for column in zip(*pairs, strict=True))
    given_law = Scaling(multiplier << common, addend, shift)
    simplified = given_law.simplified(total, o)
    sums = range(minimum(total), maximum(total) + 1)
    assert results(simplified, sums, o) == results(given_law, sums, o)
    low, high = simplified.result_range(total)
    reached = [
        t * m + a for t in sums for m, a in zip(simplified.multiplier.tolist(), simplified.addend.tolist(), strict=True)
    ]
    assert (low, high) == (min(reached), max(reached))


def test_what_multipliers_have_in_common_goes():
    found = Scaling(np.array([48, 16]), np.array([5, -5]), 6).simplified(signed(8), signed(8))
    assert found.multiplier.tolist() == [3, 1]
    assert found.addend.tolist() == [0, -1]
    assert found.shift == 2


def test_no_more_goes_than_is_shifted():
    found = Scaling(np.array([48, 16]), np.array([5, -5]), 1).simplified(signed(8), signed(8))
    assert (found.multiplier.tolist(), found.shift) == ([24, 8], 0)


@pytest.mark.parametrize("o", [signed(1), unsigned(1)], ids=str)
def test_one_bit_out_is_a_comparison_without_a_clamp(o):
    found = Scaling(np.array([40001, 65535]), np.array([-12345678, 2**50]), 20).simplified(signed(9), o)
    assert found.multiplier.tolist() == [1, 1]
    low, high = found.result_range(signed(9))
    assert low >> found.shift >= minimum(o)
    assert high >> found.shift <= maximum(o)
    assert found.shift == 9  # a threshold is no wider than the sums
