"""Timed twins against one another: what stands for several of them moves every word in the same cycle."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnn2fpga.hw import DenseFolding, MasterSlave, Narrow, timing
from dnn2fpga.hw.timing import Buffer, InParts, Put, Take

pauses = st.lists(st.integers(0, 12), min_size=1, max_size=6)


def source(words, gaps, left):
    at = -1
    for word in range(words):
        left.append(at := (yield Put(at + 1 + gaps[word % len(gaps)])))


def reader(parts, cycles):
    """A dense layer's steps, which work `cycles` on each of the `parts` words of a sum."""
    return DenseFolding._steps(SimpleNamespace(groups=cycles), parts)


def sink(gaps, taken):
    at = -1
    while True:
        taken.append(at := (yield Take(at + 1 + gaps[len(taken) % len(gaps)])))


@pytest.mark.parametrize("room", [1, 2, 5])
@given(parts=st.integers(2, 6), cycles=st.integers(1, 4), before=pauses, behind=pauses)
def test_words_dealt_out_in_one_channel_move_as_through_narrow_and_registers(room, parts, cycles, before, behind):
    transfers = []
    for dealt in (
        [Narrow.timing(parts), MasterSlave.timing(), reader(parts, cycles)],
        [InParts(parts=parts, cycles=cycles), reader(1, cycles)],
    ):
        left, taken = [], []
        timing.run([source(9, before, left), *dealt, Buffer(room, 3), sink(behind, taken)])
        transfers.append((left, taken))
    assert len(taken) == 9 * cycles
    assert transfers[0] == transfers[1]
