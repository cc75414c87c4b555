"""The queue behind a pipeline: no word is lost, and room comes free in the cycle that timing says."""

import numpy as np
import pytest
from amaranth import Fragment, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth_boards.icebreaker import ICEBreakerPlatform

from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.hw import queue, timing
from dnn2fpga.hw.queue import CreditQueue
from dnn2fpga.hw.stream import Narrow, connect, lanes
from dnn2fpga.hw.timing import Sink, Source, one_a_clock

from .watch import Watched

WORDS, LANES = 24, 6


class Line(wiring.Component):
    """A pipeline of some cycles, its queue as on a platform, and a slow reader, which deals each word out in parts."""

    def __init__(self, depth: int, latency: int, parts: int, platform: object, back: int = queue.BACK) -> None:
        self.depth, self.latency, self.parts, self.platform, self.back = depth, latency, parts, platform, back
        super().__init__(
            {"i": In(lanes(unsigned(8), LANES)), "o": Out(lanes(unsigned(8), LANES // parts))},
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results = CreditQueue(unsigned(8), LANES, self.depth, back=self.back)
        m.submodules.queue = Fragment.get(results, self.platform)
        m.submodules.narrow = narrow = Narrow(unsigned(8), LANES, self.parts)
        results.book_each(m, wiring.flipped(self.i), self.latency)
        word = self.i.payload.as_value()
        for stage in range(self.latency):
            later = Signal.like(word, name=f"later{stage}")
            m.d.sync += later.eq(word)
            word = later
        m.d.comb += results.word.as_value().eq(word)
        connect(m, results.o, narrow.i)
        connect(m, narrow.o, wiring.flipped(self.o))
        return m


SIZES = pytest.mark.parametrize(
    ("depth", "latency", "parts"), [(2, 0, 1), (2, 3, 1), (2, 1, 6), (3, 5, 2), (4, 0, 3), (7, 3, 1), (8, 3, 1)]
)

MEMORIES = pytest.mark.parametrize("platform", [None, ICEBreakerPlatform()], ids=["LUT memory", "block RAM"])


@pytest.mark.parametrize("back", [queue.BACK, queue.BACK + 4])
@MEMORIES
@SIZES
def test_words_move_in_the_cycles_that_timing_says(depth, latency, parts, platform, back):
    trace = Pysim().run(Line(depth, latency, parts, platform, back), np.zeros((WORDS, LANES), int), WORDS * parts)
    source, sink = Source(WORDS), Sink()
    twins = [one_a_clock(), queue.timing(depth, latency, back), Narrow.timing(parts)]
    timing.run([source.process(), *twins, sink.process()])
    assert (source.taken, sink.taken) == (trace.taken.tolist(), trace.given.tolist())


@MEMORIES
@pytest.mark.parametrize("stalls", [Stalls(0, 0.7, 2), Stalls(0.6, 0.2, 3), Stalls(0.5, 0.5, 4)])
@SIZES
def test_no_word_is_lost_however_it_is_taken(depth, latency, parts, stalls, platform):
    values = np.random.default_rng(0).integers(0, 256, (WORDS, LANES))
    trace = Pysim().run(Watched(Line(depth, latency, parts, platform)), values, WORDS * parts, stalls=stalls)
    assert (trace.words.reshape(-1) == values.reshape(-1)).all()


@pytest.mark.parametrize(("latency", "back"), [(0, 3), (3, 3), (9, 3), (9, 7)])
def test_the_least_depth_that_never_holds_up_a_word_a_clock(latency, back):
    depth = queue.depth_for(latency, 1, 1, back)
    cycles = {}
    for at in (depth - 1, depth):
        trace = Pysim().run(Line(at, latency, 1, None, back), np.zeros((4 * depth, LANES), int), 4 * depth)
        cycles[at] = trace.taken[-1] - trace.taken[0]
    assert cycles[depth] == 4 * depth - 1 < cycles[depth - 1]


def test_refuses_a_depth_of_one():
    with pytest.raises(ValueError, match="depth must be at least 2, not 1"):
        CreditQueue(unsigned(8), 1, 1)


def test_refuses_a_way_back_that_is_too_short():
    with pytest.raises(ValueError, match="back must be at least 3, not 2"):
        CreditQueue(unsigned(8), 1, 2, back=2)
