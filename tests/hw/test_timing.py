"""Timed twins against one another: what stands for several of them moves every word in the same cycle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnn2fpga.hw import MasterSlave, Narrow, timing
from dnn2fpga.hw.timing import Buffer, InParts, Peek, Pop, Put, Take

pauses = st.lists(st.integers(0, 12), min_size=1, max_size=6)


def source(words, gaps, left):
    at = -1
    for word in range(words):
        left.append(at := (yield Put(at + 1 + gaps[word % len(gaps)])))


def reader(parts, cycles):
    """Works `cycles` on each part of a word and frees the last when its own last word has left, as `DenseFolding`."""
    at = -1
    while True:
        for _ in range(parts - 1):
            at = max(at + 1, (yield Peek())) + cycles - 1
            yield Pop(at)
        at = max(at, (yield Peek()) - 1)
        for _ in range(cycles):
            at = yield Put(at + 1)
        yield Pop(at)


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
