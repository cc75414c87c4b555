"""The count of ones is exact, and exactly as late and as wide as it says."""

import numpy as np
import pytest

from dnn2fpga.hw import popcount
from dnn2fpga.hw.popcount import Popcount

from .clocked import run


def counted(n, rows):
    component = Popcount(n)
    return run(component, [{"x": row} for row in rows], component.sum, component.latency)


@pytest.mark.parametrize("n", range(1, 9))
def test_counts_all_there_are(n):
    rows = [[value >> at & 1 for at in range(n)] for value in range(1 << n)]
    assert counted(n, rows) == [sum(row) for row in rows]


@pytest.mark.parametrize("n", [9, 16, 25, 27, 31, 32, 63, 100, 150])
def test_counts_many(n):
    rng = np.random.default_rng(n)
    rows = [[0] * n, [1] * n, *(rng.random((40, n)) < rng.random((40, 1))).astype(int).tolist()]
    assert counted(n, rows) == [sum(row) for row in rows]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 150, 784, 1023, 1024])
def test_sum_is_as_wide_as_n_needs(n):
    assert len(Popcount(n).sum) == n.bit_length()


def test_latency_and_size_by_hand():
    assert popcount.latency_of(1) == 0
    assert popcount.latency_of(3) == 1  # one full adder
    assert popcount.resources(3).luts == 2
    assert popcount.latency_of(9) == 2  # 9 bits, 6, 4: two levels in one cycle; then three bits plus one
    assert popcount.resources(9).luts == 10 + 5


def test_a_full_adder_takes_two_luts_and_one_bit_away():
    # All but the last addition, of at most two bits of each weight.
    for n in (7, 31, 127):
        assert popcount.resources(n).luts == 2 * (n - n.bit_length())  # every bit but those of the count
